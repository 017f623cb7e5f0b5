"""The hooks a plugin may implement, as pluggy specifications.

Guarantees. Implementations may take fewer arguments than the specification. Each is called in isolation: an error in
one is logged with the plugin's name, counted, and reaches neither the coordinator nor the other plugins. Coroutine
functions, hook wrappers and unknown hook names are refused when the plugin is registered. What it is given is its own:
each implementation gets a copy of an event, and detectors a view through which nothing can be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pluggy

from spark_hooks.events import (
    AdvisoryAcknowledged,
    AdvisoryDelivered,
    AdvisoryDismissed,
    AdvisoryFollowed,
    AgentJoined,
    AgentLeft,
    BidSubmitted,
    CustomEvent,
    Event,
    RecommendationGiven,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
    ToolExecuted,
)
from spark_hooks.records import Advisory, Prediction, Receipt, Recommendation
from spark_hooks.views import Detector

PROJECT = "spark"
"""pluggy's project name, and the entry-point group by which third parties join."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Notifications:
    """What happened. All implementations run, in registration order, in the sender's thread: be quick."""

    @hookspec
    def event_captured(self, event: Event, coordinator: object) -> Receipt | None:
        """Every event, of whatever type, before the hook of its own name."""

    @hookspec
    def task_posted(self, event: TaskPosted, coordinator: object) -> None:
        """A task was offered."""

    @hookspec
    def bid_submitted(self, event: BidSubmitted, coordinator: object) -> None:
        """An agent bid for a task."""

    @hookspec
    def task_assigned(self, event: TaskAssigned, coordinator: object) -> None:
        """A task was given to an agent."""

    @hookspec
    def task_completed(self, event: TaskCompleted, coordinator: object) -> None:
        """An attempt succeeded."""

    @hookspec
    def task_failed(self, event: TaskFailed, coordinator: object) -> None:
        """An attempt failed."""

    @hookspec
    def agent_joined(self, event: AgentJoined, coordinator: object) -> None:
        """An agent is there to take work."""

    @hookspec
    def agent_left(self, event: AgentLeft, coordinator: object) -> None:
        """An agent takes no more work."""

    @hookspec
    def tool_executed(self, event: ToolExecuted, coordinator: object) -> None:
        """An agent used a tool."""

    @hookspec
    def recommendation_given(self, event: RecommendationGiven, coordinator: object) -> None:
        """A coordinator was told whom to give a task to."""

    @hookspec
    def advisory_delivered(self, event: AdvisoryDelivered, coordinator: object) -> None:
        """Advice was handed to a coordinator."""

    @hookspec
    def advisory_acknowledged(self, event: AdvisoryAcknowledged, coordinator: object) -> None:
        """Somebody looks after advice."""

    @hookspec
    def advisory_dismissed(self, event: AdvisoryDismissed, coordinator: object) -> None:
        """Somebody holds advice to be of no use."""

    @hookspec
    def advisory_followed(self, event: AdvisoryFollowed, coordinator: object) -> None:
        """Somebody did what was advised."""

    @hookspec
    def custom(self, event: CustomEvent, coordinator: object) -> None:
        """An event of the swarm's own."""


class Questions:
    """What a coordinator asks. The plugin registered last is asked first, the built-in answers last."""

    @hookspec(firstresult=True)
    def predict(self, task: TaskPosted | str) -> Prediction | None:
        """What to expect of a task, posted (its id) or not yet; the first answer counts."""

    @hookspec(firstresult=True)
    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None) -> Sequence[Recommendation] | None:
        """Who should get a task, best first; the first answer counts."""

    @hookspec
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> Sequence[Advisory] | None:
        """Advice, about one agent or category (`subject`) or for one task; all answers are merged and ranked."""


class Extensions:
    """Where a plugin changes what Spark does. None leaves it to the next, in the end to the built-in."""

    @hookspec(firstresult=True)
    def score_importance(self, event: Event) -> float | None:
        """How important an event is, 0..1; called in log order while it is stored, not in the sender's thread."""

    @hookspec
    def redact(self, text: str) -> str | None:
        """`text` without what must not be stored; every text of every event passes through all plugins in turn.

        What comes out goes through the built-in redaction, which also has its turn where all plugins answer None. It
        fails closed: where an implementation raises, or answers neither text nor None, the text is not stored at all.
        """

    @hookspec
    def advisory_detectors(self) -> Iterable[Detector] | None:
        """Detectors to run beside the built-in ones; asked whenever a plugin comes or goes."""
