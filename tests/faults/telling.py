"""A coordinator that tells a history, and the tables in which it ends up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from spark_hooks import Receipt
from spark_hooks.events import CustomEvent, Event
from spark_hooks.signals import SIGNALS
from spark_plugin.store import path_of

SPARKS_OWN = frozenset({"advisory_delivered", "recommendation_given"})
"""What Spark itself puts on record when it is asked: it comes beside what a swarm has sent."""


class Swarm:
    """A coordinator."""


def tell(swarm: object, event: Event, *, whole: bool = True) -> Receipt:
    """Signal an event: as an object, or by its fields, as most coordinators do."""
    signal = SIGNALS.get(event.type, SIGNALS["custom"])
    [(_, receipt)] = signal.send(swarm, event=event) if whole else signal.send(swarm, **by_fields(event))
    return receipt


def tell_all(swarm: object, events: Iterable[Event]) -> None:
    for event in events:
        receipt = tell(swarm, event)
        assert receipt.state == "journaled", receipt


def by_fields(event: Event) -> dict[str, Any]:
    envelope = {"event_id": event.id, "source": event.source, "time": event.time}
    if isinstance(event, CustomEvent):
        return {"type": event.type, "subject": event.about, **event.extra, **envelope}
    return {name: getattr(event, name) for name in event.checks} | event.extra | envelope


def tables(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the store, row by row."""
    with closing(sqlite3.connect(path_of(url))) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
