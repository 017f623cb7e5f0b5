"""What became of records, counted."""

from __future__ import annotations

from typing import NamedTuple


class Ingested(NamedTuple):
    """What became of some events: stored, known already, or buried as dead letters."""

    stored: int = 0
    duplicates: int = 0
    dead_letters: int = 0

    def plus(self, other: Ingested) -> Ingested:
        return Ingested(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Ingested()


class Drained(NamedTuple):
    """How many records were taken out of a journal, and what became of the events among them."""

    records: int = 0
    events: Ingested = NOTHING

    def plus(self, other: Drained) -> Drained:
        return Drained(self.records + other.records, self.events.plus(other.events))


UNTOUCHED = Drained()
