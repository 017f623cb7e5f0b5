"""One event: how it is made, cleaned and checked. The classes of events are in `spark_hooks.events`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, ClassVar, TypeVar

import msgspec

from spark_hooks import fields as f
from spark_hooks.cleaning import class_name
from spark_hooks.errors import InvalidEvent, meant_for_the_host

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
        except meant_for_the_host():
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


def name_of(cls: type[Event]) -> str:
    """The name of a class of events: that of its signal."""
    return str(cls.__struct_config__.tag)


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
