"""One batch, one transaction: append to the event store, and project, in the order of the positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from spark_hooks.events import Event
from spark_plugin import codec
from spark_plugin.capture.counts import NOTHING, Ingested
from spark_plugin.errors import UnfitRow
from spark_plugin.store import DeadLetter, EventRow, Reader, Store, Transaction


class Projection(Protocol):
    """What turns events into read models. One call each of `begin` and `finish` around the events of a transaction."""

    def catch_up(self, reader: Reader) -> None:
        """Read all that is stored, so that questions have answers; nothing is written."""
        ...

    def begin(self, transaction: Transaction, events: Sequence[Event]) -> None:
        """Catch up with all that is stored; `events` come next."""
        ...

    def project(self, position: int, event: Event) -> float:
        """Take one event in; return its importance. Never raises for the event's own sake."""
        ...

    def finish(self, transaction: Transaction) -> None:
        """Write what the events of this transaction changed."""
        ...

    def abort(self) -> None:
        """The transaction was undone: forget what it changed."""
        ...

    def despair(self) -> None:
        """The store cannot be had for now: nobody need wait for what it holds."""
        ...

    def renew(self, wake: Callable[[], object]) -> None:
        """In a child process after a fork: begin anew, with locks of its own; whoever asks first calls `wake`."""
        ...

    def rest(self, transaction: Transaction) -> None:
        """No more events come for now: leave things so that the next start is quick."""
        ...


def ingest(store: Store, events: Sequence[Event], projection: Projection, counters: Mapping[str, int] = {}) -> Ingested:
    """Store a batch. An event that cannot be stored is buried alone; the others of its batch are stored.

    `counters` are added to the store's in the same transaction, or what is tried again would be counted again.

    Raises `StoreError`, with nothing stored, when the store cannot be used.
    """
    try:
        return _whole(store, events, projection, counters)
    except UnfitRow as error:
        if len(events) == 1 and not counters:
            [event] = events
            return bury(store, [DeadLetter(event.source, event.id, event.type, error.reason)])
    total = NOTHING
    for event in events:
        total = total.plus(ingest(store, [event], projection))
    with store.transaction() as transaction:
        transaction.count_up(counters)
    return total


def bury(store: Store, letters: Sequence[DeadLetter]) -> Ingested:
    """Keep what cannot be stored as an event, for people to look at. Raises `StoreError`."""
    if letters:
        with store.transaction() as transaction:
            transaction.bury(letters)
    return Ingested(dead_letters=len(letters))


def _whole(store: Store, events: Sequence[Event], projection: Projection, counters: Mapping[str, int]) -> Ingested:
    begun = False
    try:
        with store.transaction() as transaction:
            fresh = _fresh(transaction, events)
            begun = True
            projection.begin(transaction, fresh)
            first = transaction.position() + 1
            rows = [_row(position, event, projection) for position, event in enumerate(fresh, start=first)]
            transaction.append(rows)
            projection.finish(transaction)
            transaction.count_up(counters)
    except BaseException:
        if begun:  # a transaction that never began has changed nothing
            projection.abort()
        raise
    return Ingested(stored=len(fresh), duplicates=len(events) - len(fresh))


def _fresh(transaction: Transaction, events: Sequence[Event]) -> list[Event]:
    """The events not stored yet, each once."""
    seen = transaction.known({(event.source, event.id) for event in events})
    fresh = []
    for event in events:
        key = (event.source, event.id)
        if key not in seen:
            seen.add(key)
            fresh.append(event)
    return fresh


def _row(position: int, event: Event, projection: Projection) -> EventRow:
    data = codec.stored(event)  # before any plugin has seen it
    return EventRow(
        position,
        event.source,
        event.id,
        event.type,
        event.task,
        event.agent,
        event.time or 0.0,
        projection.project(position, event),
        data,
    )
