"""Redaction: every text of an event goes through the `redact` hook before it is stored."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from spark_hooks.events import Event

_KEPT = frozenset({"id", "source", "writer", "type"})  # identity: two events must not become one

Redact = Callable[[str], str]


def redacted(event: Event, redact: Redact) -> Event:
    """The event with every text but its identity redacted. Raises `InvalidEvent` where a plugin left nothing valid."""
    changed = {}
    for name in event.__struct_fields__:
        if name not in _KEPT:
            value = getattr(event, name)
            clean = _through(value, redact)
            if clean != value:
                changed[name] = clean
    return msgspec.structs.replace(event, **changed) if changed else event


def _through(value: object, redact: Redact) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key) if isinstance(key, str) else key: _through(item, redact) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_through(item, redact) for item in value)
    return value
