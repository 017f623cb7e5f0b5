"""The events a coordinator sends: frozen, cleaned and validated when built; one class each.

An event is built from its data fields alone (``TaskPosted(task_id="t1", description="Fix the login bug")``). The
envelope (`Event.id`, `Event.source`, `Event.time`, `Event.writer`) is filled in when it is sent, or given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, ClassVar, TypeVar

import msgspec

from spark_hooks import fields as f
from spark_hooks.cleaning import class_name
from spark_hooks.errors import InvalidEvent

E = TypeVar("E", bound="Event")

_set = msgspec.structs.force_setattr  # frozen is for everybody else: cleaning replaces values while an event is built

_ENVELOPE: Mapping[str, f.Check] = {
    "id": f.given(f.identifier),
    "source": f.given(f.identifier),
    "writer": f.given(f.identifier),
    "time": f.optional(f.moment),
    "attributes": f.plain,
    "extra": f.plain,
}
_EMPTY = ""


class _Checked(msgspec.StructMeta):
    """An event made by hand is cleaned and checked. One that a decoder of ours makes anew was, when it was sent."""

    def __call__(cls, *args: object, **fields: object) -> Any:  # noqa: N805
        event = super().__call__(*args, **fields)
        event._check()
        return event


_unchecked: Callable[..., Any] = msgspec.StructMeta.__call__


class Event(
    msgspec.Struct,
    metaclass=_Checked,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="$",
    tag="event",
):
    """What all events share.

    Raises `InvalidEvent` when a field has the wrong type, is empty where it must not be, or is no finite number.
    """

    type: ClassVar[str] = "event"
    """The bare name, the same for signal, hook and event; on the wire ``swarm.<type>``."""
    checks: ClassVar[Mapping[str, f.Check]] = {}
    """What each data field is put through; a field with no default is required."""
    required: ClassVar[tuple[str, ...]] = ()

    id: str = ""
    """Unique within `source`; empty until sent."""
    source: str = ""
    """The swarm the event comes from."""
    time: float | None = None
    """When it happened: seconds since 1970, UTC, to the microsecond; None until sent."""
    writer: str = ""
    """The process that captured it first; its clock is a clock of its own."""
    attributes: dict[str, object] = {}
    """CloudEvents extension attributes, kept for export."""
    extra: dict[str, object] = {}
    """Data fields the class does not know, kept for export."""

    def _check(self) -> None:
        self._clean(self.checks, self.checks)
        if not self._has_no_envelope():
            self._clean(_ENVELOPE, _ENVELOPE)
            own = self._own_names()
            if not own.isdisjoint(self.extra):  # on the wire both are in one place
                _set(self, "extra", _without(self.extra, own))

    def _has_no_envelope(self) -> bool:
        """By identity, not by equality: a stranger's value may do anything when it is compared."""
        if self.id is not _EMPTY or self.source is not _EMPTY or self.writer is not _EMPTY or self.time is not None:
            return False
        both_plain = type(self.attributes) is dict and type(self.extra) is dict
        return both_plain and not self.attributes and not self.extra

    def _clean(self, checks: Mapping[str, f.Check], names: Iterable[str]) -> None:
        """Put the fields of these names through their checks; defaults need none."""
        name = ""
        try:
            for name in names:
                value = getattr(self, name)
                checked = checks[name](value)
                if checked is not value:
                    _set(self, name, checked)
        except f.Refused as refusal:
            raise InvalidEvent(name_of(type(self)), name, str(refusal)) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's value may raise anything, an exit too
            raise InvalidEvent(name_of(type(self)), name, f"cannot be read: {class_name(error)}") from None

    def _own_names(self) -> Set[str]:
        """The names that no field of `extra` may have."""
        return self.checks.keys()

    @property
    def subject(self) -> str | None:
        """The id of the task the event is about, else of the agent, else None."""
        return self.task or self.agent

    @property
    def task(self) -> str | None:
        """The id of the task the event is about, or None."""
        return getattr(self, "task_id", None)

    @property
    def agent(self) -> str | None:
        """The id of the agent that did it, or None."""
        return getattr(self, "agent_id", None)


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
    )
}
"""The declared types: bare name -> class. Any other type is a `CustomEvent`."""


def name_of(cls: type[Event]) -> str:
    """The name of a class of events: that of its signal."""
    return str(cls.__struct_config__.tag)


def bare(type_name: str) -> str:
    """``swarm.task_posted`` and ``task_posted`` alike give ``task_posted``; foreign dotted names stay whole."""
    name = type_name.removeprefix("swarm.")
    return name if "." not in name else type_name


def build(cls: type[E], data: Mapping[str, object], **envelope: object) -> E:
    """An event of class `cls` from `data`; fields the class does not know go to `Event.extra`.

    Raises `InvalidEvent` when a required field is missing or a value does not fit.
    """
    _require(cls, data)
    known = cls.checks.keys()
    if data.keys() <= known:
        event: E = _unchecked(cls, **data, **envelope)
        event._clean(cls.checks, data)
        if envelope:
            event._clean(_ENVELOPE, envelope)
        return event
    extra = {name: value for name, value in data.items() if name not in known}
    event = _unchecked(cls, **{name: value for name, value in data.items() if name in known}, extra=extra, **envelope)
    event._check()
    return event


def checked(event: E) -> E:
    """`event`, cleaned and checked: it may have been made by a way that does not check. Raises `InvalidEvent`."""
    event._check()
    return event


def changed(event: E, **fields: object) -> E:
    """A copy of `event` with other values. Raises `InvalidEvent` for a value that does not fit."""
    return checked(msgspec.structs.replace(event, **fields))


def fresh(cls: type[E], data: Mapping[str, object], event_id: str, source: str, time: float, writer: str) -> E:
    """As `build`, with an envelope that is known to be clean: what everyday senders tell, in fewer steps."""
    try:
        event: E = _unchecked(  # naming all that is no data: `data` cannot slip anything in
            cls, **data, id=event_id, source=source, time=time, writer=writer, attributes={}, extra={}
        )
    except TypeError:  # a field is missing, or one is not known
        return build(cls, data, id=event_id, source=source, time=time, writer=writer)
    event._clean(cls.checks, data)
    return event


def apart(event: E) -> E:
    """A copy that shares nothing with `event` that can be changed: for somebody who must not change it for others."""
    own = copy.copy(event)
    _set(own, "extra", _copied(event.extra))
    _set(own, "attributes", _copied(event.attributes))
    return own


def _copied(value: object) -> object:
    """A cleaned value, with containers of its own."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _require(cls: type[Event], data: Mapping[str, object]) -> None:
    for name in cls.required:
        if name not in data:
            raise InvalidEvent(name_of(cls), name, "is missing")


def _without(extra: Mapping[str, object], own: Set[str]) -> dict[str, object]:
    """`extra` with other names for the fields that are called like the event's own."""
    kept = {name: value for name, value in extra.items() if name not in own}
    for name in extra:
        if name in own:
            other = name + "'"
            while other in kept:
                other += "'"
            kept[other] = extra[name]
    return kept


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
