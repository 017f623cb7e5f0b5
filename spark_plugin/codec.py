"""Events on the wire and in files: CloudEvents 1.0 JSON, one per line (CNCF CloudEvents specification 1.0.2).

In a store they lie in a shorter form, `stored`: their own fields as JSON, written and read an order of magnitude
quicker than the documents that others understand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from spark_hooks import InvalidEvent
from spark_hooks.events import EVENT_TYPES, AnyEvent, CustomEvent, Event, TaskPosted, bare, build, checked
from spark_plugin.errors import BadLine

WRITER = "sparkwriter"
"""CloudEvents extension attribute that carries `Event.writer`."""

_CONTEXT = frozenset({"specversion", "id", "source", "type", "time", "subject", "data", WRITER})
_ENVELOPE = frozenset({"$", "type", "about", "id", "source", "time", "writer", "attributes", "extra"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_CLASSES: tuple[type[Event], ...] = (*EVENT_TYPES.values(), CustomEvent)
_DATA = {cls: tuple(name for name in cls.__struct_fields__ if name not in _ENVELOPE) for cls in _CLASSES}

_json = msgspec.json.Encoder()
_stored: Callable[[bytes], Event] = msgspec.json.Decoder(AnyEvent).decode


def encode(event: Event) -> bytes:
    """One line of CloudEvents JSON, without its line end."""
    return _json.encode(to_cloudevent(event))


stored: Callable[[Event], bytes] = _json.encode
"""An event as it lies in a store."""


def restored(data: bytes) -> Event:
    """The event of `stored`; also of a CloudEvents line. Raises `BadLine` where something else was put in its place."""
    try:
        return checked(_stored(data))
    except InvalidEvent as error:
        raise BadLine(str(error)) from None
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return decode(data)


def to_cloudevent(event: Event) -> dict[str, object]:
    """The event as a CloudEvents document. Fields that hold nothing are left out."""
    document: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type if "." in event.type else f"swarm.{event.type}",
    }
    if event.time is not None:
        document["time"] = rfc3339(event.time)
    if event.subject is not None:
        document["subject"] = event.subject
    if event.writer:
        document[WRITER] = event.writer
    for name, value in event.attributes.items():
        document.setdefault(name, value)
    document["data"] = _data(event)
    return document


def _data(event: Event) -> dict[str, object]:
    data = dict(event.extra)
    for name in _DATA[type(event)]:
        value = getattr(event, name)
        if value is not None and value != ():
            data[name] = value
    if isinstance(event, TaskPosted) and event.deadline is not None:
        data["deadline"] = rfc3339(event.deadline)
    return data


def decode(line: bytes) -> Event:
    """The event of one line. Raises `BadLine` with the reason; what can be cleaned is cleaned."""
    if not isinstance(line, bytes):  # a store keeps whatever somebody has put there
        raise BadLine(f"is no line but {type(line).__name__}")
    return from_cloudevent(_document(line))


def from_cloudevent(document: object) -> Event:
    """The event of a CloudEvents document. Raises `BadLine`."""
    if not isinstance(document, Mapping):
        raise BadLine("is not a JSON object")
    for name in ("id", "source", "type"):
        if not isinstance(document.get(name), str) or not document[name]:
            raise BadLine(f"{name} is missing or not text")
    data = document.get("data", {})
    if not isinstance(data, Mapping):
        raise BadLine("data is not a JSON object")
    envelope = {"id": document["id"], "source": document["source"], "time": document.get("time")}
    if WRITER in document:
        envelope["writer"] = document[WRITER]
    if extensions := {name: value for name, value in document.items() if name not in _CONTEXT}:
        envelope["attributes"] = extensions
    try:
        return _event(bare(document["type"]), document, data, envelope)
    except InvalidEvent as error:
        raise BadLine(str(error)) from None


def _event(name: str, document: Mapping[str, object], data: Mapping[str, object], envelope: dict[str, object]) -> Event:
    cls = EVENT_TYPES.get(name)
    if cls is None:
        return build(CustomEvent, {"type": name, "about": document.get("subject")}, extra=dict(data), **envelope)
    if cls is TaskPosted and "description" not in data:
        data = {**data, "description": ""}  # exporters leave out what is empty, and a task without text is a task
    return build(cls, data, **envelope)


def _document(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:  # the lenient reader takes lone surrogates, NaN and broken UTF-8, which cleaning and validation then judge
            return json.loads(line.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            raise BadLine(f"is not JSON: {error}") from None
    except RecursionError:
        raise BadLine("is nested too deep") from None


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 text in UTC; whole seconds without a fraction."""
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.isoformat().removesuffix("+00:00") + "Z"
