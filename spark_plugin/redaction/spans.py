"""Places in a text, and their replacement by markers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """A place that holds a secret of the kind `label`."""

    start: int
    end: int
    label: str


def marker(label: str) -> str:
    """What stands in the place of a secret."""
    return f"[redacted: {label}]"


def replaced(text: str, spans: Iterable[Span]) -> str:
    """`text` with a marker in each place; places that overlap become one, of the kind that begins first."""
    parts, end = [], 0
    for span in sorted(spans):
        if span.start >= end:
            parts += [text[end : span.start], marker(span.label)]
        end = max(end, span.end)
    return "".join([*parts, text[end:]]) if parts else text
