"""Checks of single fields: each takes a field's value and returns it cleaned, or raises `Refused` with the reason."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Real

from spark_hooks import cleaning

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()

Check = Callable[[object], object]


class Refused(Exception):
    """A field's value cannot be accepted; the text is the reason."""


def identifier(value: object) -> str:
    """A name or id: text with at least one character."""
    if type(value) is str and value and len(value) <= 256 and value.isprintable() and not value.isspace():
        return value  # the everyday case, decided in cheap steps
    value = cleaning.scalar(value)
    if not isinstance(value, str):
        raise Refused(f"must be text, not {cleaning.class_name(value)}")
    if not value.strip():
        raise Refused("must not be empty")
    return cleaning.identifier(value)


def text(value: object) -> str:
    """Text, possibly empty."""
    if not isinstance(value, str):
        value = cleaning.scalar(value)
        if not isinstance(value, str):
            raise Refused(f"must be text, not {cleaning.class_name(value)}")
    return cleaning.text(value)


def identifiers(value: object) -> tuple[str, ...]:
    """Several ids, each once, in the order given; None is none."""
    if value is None:
        return ()
    if (everyday := _everyday(value)) is not None:
        return everyday
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        value = cleaning.plain(value)
        if not isinstance(value, list):
            raise Refused("must be a list of ids")
    ids = [identifier(one) for one in itertools.islice(value, cleaning.MAX_ITEMS + 1)]  # a stranger's may have no end
    if len(ids) > cleaning.MAX_ITEMS:
        raise Refused(f"must have at most {cleaning.MAX_ITEMS} entries")
    return tuple(dict.fromkeys(ids))


def _everyday(value: object) -> tuple[str, ...] | None:
    """Ids with nothing to clean, each once; None for all else. Decided in few steps: between two events the processor
    forgets what it needs for each, and the ids lie anywhere in memory."""
    if (type(value) is not list and type(value) is not tuple) or len(value) > cleaning.MAX_ITEMS:
        return None
    ids: tuple[object, ...] = tuple(value)  # a list may change meanwhile
    for one in ids:
        if type(one) is not str or not one or len(one) > 256 or not one.isprintable() or one.isspace():
            return None
    return tuple(dict.fromkeys(ids))  # type: ignore[arg-type]


def number(value: object) -> float:
    """A finite number."""
    if type(value) is not float:
        value = cleaning.scalar(value)
        if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
            raise Refused(f"must be a number, not {cleaning.class_name(value)}")
        try:
            value = float(value)
        except (OverflowError, ValueError):  # too large; a signalling NaN
            raise Refused("must be a finite number") from None
    if not math.isfinite(value):
        raise Refused("must be a finite number")
    return value


def amount(value: object) -> float:
    """A finite number that is not negative."""
    if type(value) is float and 0.0 <= value < math.inf:
        return value
    value = number(value)
    if value < 0:
        raise Refused("must not be negative")
    return value


def fractions(value: object) -> tuple[float, ...]:
    """Several numbers from 0 to 1; None is none."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        value = cleaning.plain(value)
        if not isinstance(value, list):
            raise Refused("must be a list of numbers")
    found = tuple(number(one) for one in itertools.islice(value, cleaning.MAX_ITEMS + 1))
    if len(found) > cleaning.MAX_ITEMS:
        raise Refused(f"must have at most {cleaning.MAX_ITEMS} entries")
    if any(not 0.0 <= one <= 1.0 for one in found):
        raise Refused("must lie between 0 and 1")
    return found


def flag(value: object) -> bool:
    """True or false."""
    value = cleaning.scalar(value)
    if not isinstance(value, bool):
        raise Refused(f"must be true or false, not {cleaning.class_name(value)}")
    return value


def moment(value: object) -> float:
    """A point in time in seconds since 1970 (UTC), to the microsecond; from a number, a datetime or RFC 3339 text."""
    if isinstance(value, datetime):
        value = _seconds(value)
    elif isinstance(value, str):
        try:
            value = _seconds(datetime.fromisoformat(value.strip()))
        except (ValueError, OverflowError):
            raise Refused("must be a time such as 2026-11-20T08:30:00Z") from None
    value = number(value)
    if not _EARLIEST <= value <= _LATEST:
        raise Refused("must lie between the years 1 and 9999")
    return round(value, 6) + 0.0  # no minus zero: it would not survive being written as text


def _seconds(value: datetime) -> float:
    """A time without a zone is taken as UTC: the machine's own zone must not change what a log says."""
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def plain(value: object) -> dict[str, object]:
    """Anything a mapping may hold, cleaned."""
    if type(value) is dict and not value:
        return value  # the everyday case
    cleaned = cleaning.plain(value)
    if not isinstance(cleaned, dict):
        raise Refused("must be a mapping")
    return cleaned


def optional(check: Check) -> Check:
    """`check`, or None."""

    def checked(value: object) -> object:
        return None if value is None else check(value)

    return checked


def given(check: Check) -> Check:
    """`check`, or the empty text of a field not filled in yet."""

    def checked(value: object) -> object:
        return "" if isinstance(value, str) and not str.__len__(value) else check(value)  # a subclass may say anything

    return checked
