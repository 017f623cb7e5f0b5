"""Cleaning: from whatever a coordinator holds to plain values that any store can keep.

Nothing here raises. What cannot be kept as it is (a lone surrogate, a NUL, text of ten megabytes, nesting without
end) is replaced by something that says so. Refusing is validation's work, in `events`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from typing import TypeVar

from spark_hooks.errors import meant_for_the_host

MAX_TEXT = 64 * 1024
"""Longest text kept, in bytes of UTF-8."""
MAX_ID = 512
"""Longest identifier kept, in characters."""
MAX_DEPTH = 8
"""Deepest nesting kept; what lies below is replaced by `TOO_DEEP`."""
MAX_ITEMS = 10_000
"""Most values kept of one nested value, counted over all its levels. A long text counts for several: of many long ones,
less than 3 MiB are kept in all."""
TOO_DEEP = "[cut: nested too deep]"
TOO_MANY = "[cut: too many values]"

_MAX_INT = 2**63 - 1
_LONGEST_NAME = 80
_BYTES_OF_A_VALUE = 256  # a text of so many bytes counts for one value more
_CHARACTERS_FREE = _BYTES_OF_A_VALUE // 4
T = TypeVar("T")
_SHORT = MAX_TEXT // 4  # no UTF-8 character is longer than four bytes


def text(value: str) -> str:
    """`value` without NUL and lone surrogates, cut and marked beyond `MAX_TEXT` bytes."""
    if len(value) <= _SHORT and value.isascii():
        if "\0" not in value:
            return value if type(value) is str else str.__str__(value)
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    # surrogatepass and a decode that replaces would give three marks for one surrogate: go through UTF-16 instead,
    # which also joins the two halves of a pair that arrived apart.
    value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value if len(value) <= _SHORT else _cut(value)


def _cut(value: str) -> str:
    data = value.encode()
    if len(data) <= MAX_TEXT:
        return value
    mark = f"[cut: {len(data)} bytes]"
    return data[: MAX_TEXT - len(mark)].decode(errors="ignore") + mark


def identifier(value: str) -> str:
    """`value` cleaned as text; beyond `MAX_ID` characters cut to a marked form that ends in a hash: it stays unique."""
    if len(value) <= MAX_ID:
        return text(value)
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text(value[: MAX_ID - 48])}[cut: {digest}]"


def scalar(value: object) -> object:
    """numpy scalars, UUIDs, dates, enums and decimals as plain values; anything else unchanged."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def plain(value: object) -> object:
    """`value` as JSON can hold it: None, bool, int of 64 bits, finite float, text, list or dict with text keys."""
    return _Plainer().plain(value, 0)


class _Plainer:
    """One cleaning: what contains itself five times over would otherwise be five to the eighth values."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_ITEMS

    def plain(self, value: object, depth: int) -> object:
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            kept = text(value)  # type: ignore[arg-type]
            return kept if len(kept) < _CHARACTERS_FREE else self._counted(kept)
        if kind is int:
            return value if -_MAX_INT <= value <= _MAX_INT else self._text(_unknown(value))  # type: ignore[operator]
        if kind is float:
            return value if math.isfinite(value) else None  # type: ignore[arg-type]
        try:
            return self._odd(value, depth)
        except meant_for_the_host():
            raise
        except BaseException:  # a stranger's method may raise anything, an exit too
            return self._text(_unknown(value))

    def _odd(self, value: object, depth: int) -> object:
        """The kinds that are rare in events: containers, and strangers' types."""
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return TOO_DEEP if depth >= MAX_DEPTH else self._container(value, depth + 1)
        if isinstance(value, (bytes, bytearray)):
            return self._text(value.decode(errors="replace"))
        simple = scalar(value)
        if simple is not value:
            return self.plain(simple, depth)
        if hasattr(value, "tolist"):
            return self.plain(value.tolist(), depth)
        if isinstance(value, str):  # of a subclass: take the plain value inside, as below
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self.plain(int.__pos__(value), depth)
        if isinstance(value, float):
            return self.plain(float.__pos__(value), depth)
        return self._text(_unknown(value))

    def _container(self, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            return {self._key(name): self.plain(item, depth) for name, item in self._affordable(value.items())}
        assert isinstance(value, (list, tuple, set, frozenset))
        items = value
        if type(value) is not list or len(value) > self.left:  # a stranger's may have no end, whatever its length says
            items = list(itertools.islice(value, max(self.left, 0) + 1))
            if isinstance(value, (set, frozenset)):
                items.sort(key=repr)
        kept = [self.plain(item, depth) for item in self._affordable(items)]
        return kept if len(kept) == len(items) else [*kept, TOO_MANY]

    def _text(self, value: str) -> str:
        return self._counted(text(value))

    def _key(self, name: object) -> str:
        kept = identifier(name if isinstance(name, str) else _unknown(name))
        return kept if len(kept) < _CHARACTERS_FREE else self._counted(kept)

    def _counted(self, kept: str) -> str:
        self.left -= len(kept) * (1 if kept.isascii() else 4) // _BYTES_OF_A_VALUE
        return kept

    def _affordable(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if self.left <= 0:
                return
            self.left -= 1
            yield item


def _unknown(value: object) -> str:
    """Text for a value of no plain kind, even when its own ``__str__`` raises."""
    try:
        if isinstance(value, int) and abs(value) > _MAX_INT:  # str() of a huge int is refused by the interpreter
            return hex(value)[:MAX_ID]
        return text(str(value))
    except meant_for_the_host():
        raise
    except BaseException:
        return f"[unprintable {class_name(value)}]"


def class_name(value: object) -> str:
    """The name of a value's class: of a readable length, also where the class would not tell it."""
    return text(type.__dict__["__name__"].__get__(type(value)))[:_LONGEST_NAME]
