"""`redacted`: a whole event, clean. First the plugins have their say of each text, then the built-in redaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from spark_hooks.events import Event, changed
from spark_hooks.plugins import WITHHELD
from spark_plugin.redaction.names import Named, secret_name
from spark_plugin.redaction.pairs import judged
from spark_plugin.redaction.reading import Value
from spark_plugin.redaction.spans import marker, replaced
from spark_plugin.redaction.texts import without_secrets
from spark_plugin.redaction.values import Form

_KEPT = frozenset({"id", "source", "writer", "type", "time"})  # identity: two events must not become one
_IDS = frozenset({"task_id", "agent_id", "candidates", "about"})
_SHORT = 64

Redact = Callable[[str], str]


def redacted(event: Event, redact: Redact | None = None) -> Event:
    """The event without secrets; itself where it has none.

    `redact` is what the plugins make of a text. Ids of tasks and agents that hold a secret end in a digest of what they
    were: two that differ stay two. Raises `InvalidEvent` where a plugin left nothing valid.
    """
    different = {}
    for name in _fields(type(event)):
        value = getattr(event, name)
        if value and type(value) is not float:
            clean = (_id if name in _IDS else _through)(value, redact)
            if clean != value:
                different[name] = clean
    return changed(event, **different) if different else event


@cache
def _fields(cls: type[Event]) -> tuple[str, ...]:
    return tuple(name for name in cls.__struct_fields__ if name not in _KEPT)


def _through(value: object, redact: Redact | None, named: Named | None = None) -> object:
    """`value` clean; `named` is what the name it stands beside says of it."""
    if isinstance(value, str):
        return _text(value, redact, named)
    if isinstance(value, dict):
        return _mapping(value, redact, named)
    if isinstance(value, (list, tuple)):
        return _sequence(value, redact, named)
    if type(value) is int and named and named.label == "password" and value > 999:
        return marker(named.label)
    return value


def _text(value: str, redact: Redact | None, named: Named | None = None, form: Form = Form.STRUCTURE) -> str:
    if redact is not None:
        value = redact(value)
    if named:
        value = replaced(value, judged(value, Value(0, len(value), form), named))
    return _clean(value)


def _mapping(data: dict[object, object], redact: Redact | None, above: Named | None) -> dict[object, object]:
    clean: dict[object, object] = {}
    for key, value in data.items():
        text = _text(key, redact) if isinstance(key, str) else key
        while text in clean:  # two keys that a plugin made one
            text = f"{text}'"
        clean[text] = _id(value, redact) if key in _IDS else _through(value, redact, _named(key, data, above))
    return clean


def _named(key: object, data: Mapping[object, object], above: Named | None) -> Named | None:
    """What the name of a value says: its key, the ``name`` beside a ``value``, or the plural above (``secrets``)."""
    if not isinstance(key, str):
        return None
    if key.lower() == "value":
        beside = data.get("name") or data.get("Name") or data.get("key") or data.get("Key")
        return (secret_name(beside) if isinstance(beside, str) else None) or above
    return secret_name(key) or (above if above and above.plural else None)


def _sequence(values: list[object] | tuple[object, ...], redact: Redact | None, above: Named | None) -> object:
    clean, flag = [], None
    for value in values:
        if flag and isinstance(value, str) and not value.startswith("-"):
            clean.append(_text(value, redact, flag, Form.QUOTED))
        else:
            clean.append(_through(value, redact, above))
        flag = secret_name(value) if isinstance(value, str) and value.startswith("-") else None
    return type(values)(clean)


def _id(value: object, redact: Redact | None) -> object:
    if isinstance(value, str):
        asked = value if redact is None else redact(value)
        return _distinct(value, asked) if asked == WITHHELD else _clean_id(asked)
    if redact is None and type(value) is tuple:  # candidates, all of them text: the longest field there mostly is
        return tuple(map(_clean_id, value))
    if isinstance(value, (list, tuple)):
        return type(value)(_id(item, redact) for item in value)
    return _through(value, redact)


@lru_cache(maxsize=8192)
def _clean_id(value: str) -> str:
    """The same few agents and tasks are named again and again."""
    clean = without_secrets(value)
    return value if clean == value else _distinct(value, clean)


def _distinct(value: str, clean: str) -> str:
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{clean} #{digest}"


def _clean(value: str) -> str:
    return _clean_short(value) if len(value) <= _SHORT else without_secrets(value)


@lru_cache(maxsize=8192)
def _clean_short(value: str) -> str:
    """Categories, tools and states come again and again, too."""
    return without_secrets(value)
