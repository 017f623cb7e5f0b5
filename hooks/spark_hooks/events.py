"""The events a coordinator sends: frozen, cleaned and validated when built; one class each.

An event is built from its data fields alone (``TaskPosted(task_id="t1", description="Fix the login bug")``). The
envelope (`Event.id`, `Event.source`, `Event.time`, `Event.writer`) is filled in when it is sent, or given.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import ClassVar

from spark_hooks import fields as f
from spark_hooks.event import Event, apart, build, changed, checked, fresh, name_of

__all__ = [
    "EVENT_TYPES",
    "AdvisoryAcknowledged",
    "AdvisoryDelivered",
    "AdvisoryDismissed",
    "AdvisoryFollowed",
    "AgentJoined",
    "AgentLeft",
    "AnyEvent",
    "BidSubmitted",
    "CustomEvent",
    "Event",
    "RecommendationGiven",
    "TaskAssigned",
    "TaskCompleted",
    "TaskFailed",
    "TaskPosted",
    "ToolExecuted",
    "apart",
    "bare",
    "build",
    "changed",
    "checked",
    "fresh",
    "name_of",
]


class TaskPosted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="task_posted"):
    """A task was offered to the swarm."""

    type: ClassVar[str] = "task_posted"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "task_id": f.identifier,
        "description": f.text,
        "candidates": f.identifiers,
        "category": f.optional(f.identifier),
        "reserve": f.optional(f.amount),
        "deadline": f.optional(f.moment),
    }
    required: ClassVar[tuple[str, ...]] = ("task_id", "description")

    task_id: str
    description: str
    candidates: tuple[str, ...] = ()
    category: str | None = None
    reserve: float | None = None
    """The highest acceptable bid."""
    deadline: float | None = None
    """Seconds since 1970, UTC; also given as a datetime or RFC 3339 text."""


class BidSubmitted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="bid_submitted"):
    """An agent offered to do a task for a price."""

    type: ClassVar[str] = "bid_submitted"
    checks: ClassVar[Mapping[str, f.Check]] = {"task_id": f.identifier, "agent_id": f.identifier, "bid": f.amount}
    required: ClassVar[tuple[str, ...]] = ("task_id", "agent_id", "bid")

    task_id: str
    agent_id: str
    bid: float


class TaskAssigned(Event, frozen=True, kw_only=True, omit_defaults=True, tag="task_assigned"):
    """A task was given to an agent: an attempt begins."""

    type: ClassVar[str] = "task_assigned"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "task_id": f.identifier,
        "agent_id": f.identifier,
        "bid": f.optional(f.amount),
    }
    required: ClassVar[tuple[str, ...]] = ("task_id", "agent_id")

    task_id: str
    agent_id: str
    bid: float | None = None


class TaskCompleted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="task_completed"):
    """An agent finished its attempt with success."""

    type: ClassVar[str] = "task_completed"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "task_id": f.identifier,
        "agent_id": f.identifier,
        "result": f.optional(f.text),
        "cost": f.optional(f.amount),
        "duration_s": f.optional(f.amount),
    }
    required: ClassVar[tuple[str, ...]] = ("task_id", "agent_id")

    task_id: str
    agent_id: str
    result: str | None = None
    cost: float | None = None
    duration_s: float | None = None


class TaskFailed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="task_failed"):
    """An attempt ended without success; without `agent_id` it is the task's only open attempt."""

    type: ClassVar[str] = "task_failed"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "task_id": f.identifier,
        "agent_id": f.optional(f.identifier),
        "reason": f.optional(f.text),
        "cost": f.optional(f.amount),
        "duration_s": f.optional(f.amount),
    }
    required: ClassVar[tuple[str, ...]] = ("task_id",)

    task_id: str
    agent_id: str | None = None
    reason: str | None = None
    cost: float | None = None
    duration_s: float | None = None


class AgentJoined(Event, frozen=True, kw_only=True, omit_defaults=True, tag="agent_joined"):
    """An agent is there to take work."""

    type: ClassVar[str] = "agent_joined"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "agent_id": f.identifier,
        "name": f.optional(f.text),
        "capabilities": f.identifiers,
    }
    required: ClassVar[tuple[str, ...]] = ("agent_id",)

    agent_id: str
    name: str | None = None
    capabilities: tuple[str, ...] = ()


class AgentLeft(AgentJoined, frozen=True, kw_only=True, omit_defaults=True, tag="agent_left"):
    """An agent takes no more work."""

    type: ClassVar[str] = "agent_left"


class ToolExecuted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="tool_executed"):
    """An agent used a tool."""

    type: ClassVar[str] = "tool_executed"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "agent_id": f.identifier,
        "tool": f.identifier,
        "success": f.flag,
        "task_id": f.optional(f.identifier),
        "duration_ms": f.optional(f.amount),
    }
    required: ClassVar[tuple[str, ...]] = ("agent_id", "tool", "success")

    agent_id: str
    tool: str
    success: bool
    task_id: str | None = None
    duration_ms: float | None = None


class RecommendationGiven(Event, frozen=True, kw_only=True, omit_defaults=True, tag="recommendation_given"):
    """A coordinator asked whom to give a task to, and was told; Spark itself sends it."""

    type: ClassVar[str] = "recommendation_given"
    checks: ClassVar[Mapping[str, f.Check]] = {
        "task_id": f.identifier,
        "agent_id": f.identifier,
        "candidates": f.identifiers,
        "propensities": f.fractions,
        "chances": f.fractions,
    }
    required: ClassVar[tuple[str, ...]] = ("task_id", "agent_id")

    task_id: str
    agent_id: str
    """The choice."""
    candidates: tuple[str, ...] = ()
    propensities: tuple[float, ...] = ()
    """The chance each candidate had of being the choice, in their order."""
    chances: tuple[float, ...] = ()
    """Each candidate's probability of success, in their order."""


class AdvisoryDelivered(Event, frozen=True, kw_only=True, omit_defaults=True, tag="advisory_delivered"):
    """Advice was handed to a coordinator; Spark itself sends it."""

    type: ClassVar[str] = "advisory_delivered"
    checks: ClassVar[Mapping[str, f.Check]] = {"advisory_id": f.identifier}
    required: ClassVar[tuple[str, ...]] = ("advisory_id",)

    advisory_id: str


class AdvisoryAcknowledged(AdvisoryDelivered, frozen=True, kw_only=True, tag="advisory_acknowledged"):
    """Somebody has seen the advice and looks after it."""

    type: ClassVar[str] = "advisory_acknowledged"


class AdvisoryDismissed(AdvisoryDelivered, frozen=True, kw_only=True, tag="advisory_dismissed"):
    """Somebody holds the advice to be of no use."""

    type: ClassVar[str] = "advisory_dismissed"


class AdvisoryFollowed(AdvisoryDelivered, frozen=True, kw_only=True, tag="advisory_followed"):
    """Somebody did what was advised."""

    type: ClassVar[str] = "advisory_followed"


def _own_type(value: object) -> str:
    """A type of the swarm's own, in its bare form."""
    name = bare(f.identifier(value))
    if name in EVENT_TYPES:
        raise f.Refused(f"{name!r} has a class of its own")
    return f.identifier(name)  # "swarm." alone is no name


class CustomEvent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="custom"):
    """An event of a type of the swarm's own, kept whole; its data is `Event.extra`."""

    type: str  # type: ignore[misc]  # the one class whose objects differ in type
    about: str | None = None
    """The event's subject as it was sent."""
    checks: ClassVar[Mapping[str, f.Check]] = {"type": _own_type, "about": f.optional(f.identifier)}
    required: ClassVar[tuple[str, ...]] = ("type",)

    def _own_names(self) -> Set[str]:
        return frozenset()

    @property
    def subject(self) -> str | None:
        return self.about

    @property
    def task(self) -> str | None:
        return _text_or_none(self.extra.get("task_id"))

    @property
    def agent(self) -> str | None:
        return _text_or_none(self.extra.get("agent_id"))


AnyEvent = (
    TaskPosted
    | BidSubmitted
    | TaskAssigned
    | TaskCompleted
    | TaskFailed
    | AgentJoined
    | AgentLeft
    | ToolExecuted
    | RecommendationGiven
    | AdvisoryDelivered
    | AdvisoryAcknowledged
    | AdvisoryDismissed
    | AdvisoryFollowed
    | CustomEvent
)
"""Every class of event; a decoder of this type gives back what an encoder was given."""

EVENT_TYPES: Mapping[str, type[Event]] = {
    cls.type: cls
    for cls in (
        TaskPosted,
        BidSubmitted,
        TaskAssigned,
        TaskCompleted,
        TaskFailed,
        AgentJoined,
        AgentLeft,
        ToolExecuted,
        RecommendationGiven,
        AdvisoryDelivered,
        AdvisoryAcknowledged,
        AdvisoryDismissed,
        AdvisoryFollowed,
    )
}
"""The declared types: bare name -> class. Any other type is a `CustomEvent`."""


def bare(type_name: str) -> str:
    """``swarm.task_posted`` and ``task_posted`` alike give ``task_posted``; foreign dotted names stay whole."""
    name = type_name.removeprefix("swarm.")
    return name if "." not in name else type_name


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
