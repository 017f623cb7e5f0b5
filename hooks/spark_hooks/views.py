"""Read-only views of what Spark knows, as detectors see it, and the `Detector` protocol.

The views are protocols: plugins depend on these names, never on the classes behind them. Reading is cheap; nothing
here may be changed, and nothing may be kept beyond the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from spark_hooks.records import Finding


class TallyView(Protocol):
    """Outcomes counted."""

    @property
    def outcomes(self) -> int: ...
    @property
    def successes(self) -> int: ...


class MeanView(Protocol):
    """A running mean: number of values, their mean, and the sum of squared distances from it."""

    @property
    def n(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def m2(self) -> float: ...


class RecordView(TallyView, Protocol):
    """Outcomes counted, and the ids of the newest events behind them, newest last."""

    @property
    def recent_failures(self) -> Sequence[str]: ...
    @property
    def recent_successes(self) -> Sequence[str]: ...


class AgentView(RecordView, Protocol):
    """One agent's record."""

    @property
    def failure_streak(self) -> int: ...
    @property
    def assigned(self) -> int: ...
    @property
    def by_category(self) -> Mapping[str, RecordView]: ...
    @property
    def overrun(self) -> MeanView:
        """log(cost / bid) of the attempts that told both."""
        ...

    @property
    def recent_overruns(self) -> Sequence[str]:
        """Ids of the newest outcomes whose cost was above the bid."""
        ...


class CategoryView(TallyView, Protocol):
    """One category's record."""

    @property
    def award_ratio(self) -> MeanView:
        """Winning bid / reserve, of the awards that told both."""
        ...

    @property
    def recent_awards(self) -> Sequence[str]: ...


class ForecastView(Protocol):
    """How good the success forecasts were so far."""

    @property
    def evaluated(self) -> int: ...
    @property
    def excess(self) -> MeanView:
        """Log loss of the forecast less that of the base rate, per attempt (natural logarithm)."""
        ...


class SwarmView(TallyView, Protocol):
    """All that is known at one position of the log."""

    @property
    def position(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def agents(self) -> Mapping[str, AgentView]: ...
    @property
    def categories(self) -> Mapping[str, CategoryView]: ...
    @property
    def forecasts(self) -> ForecastView: ...


class Touched(NamedTuple):
    """What the event at hand was about; a detector looks at no more than this.

    A finding is dropped when an event touches its topic and the detector does not find it again. The topics of an event
    are its agent, its category, this agent in this category, and the swarm as a whole.
    """

    event_id: str
    agent: str | None
    category: str | None

    def topics(self) -> tuple[tuple[str | None, str | None], ...]:
        """The (agent, category) pairs whose findings this event puts to the test; each once."""
        both = ((self.agent, self.category), (self.agent, None), (None, self.category), (None, None))
        return both if self.agent and self.category else tuple(dict.fromkeys(both))


AWARDS = frozenset({"task_assigned"})
OUTCOMES = frozenset({"task_completed", "task_failed"})
"""What a detector may watch."""


class Detector(Protocol):
    """Looks for one kind of trouble or luck. It must be a pure function of what it is given.

    An attribute ``watches`` names the types of events after which it is asked; without one it is asked after all.
    """

    @property
    def name(self) -> str:
        """Unique among detectors; part of its advisories' ids."""
        ...

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        """All that holds now about the topics of `touched`; called in log order, after the event was counted."""
        ...
