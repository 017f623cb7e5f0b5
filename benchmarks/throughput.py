"""How fast events are stored: from the journal beside a raw table, end to end, and made anew."""

from __future__ import annotations

import gzip
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from lives import lives

from spark_hooks import signals
from spark_hooks.events import EVENT_TYPES, Event, build
from spark_plugin import Settings, codec, register
from spark_plugin.capture import Carrier
from spark_plugin.capture.record import encode
from spark_plugin.plugin import rebuild
from spark_plugin.projection import Projection
from spark_plugin.store import open_store

RAW_TABLE = """
CREATE TABLE raw (position INTEGER PRIMARY KEY, source TEXT, id TEXT, type TEXT, task_id TEXT, agent_id TEXT, time REAL,
                  data BLOB, UNIQUE (source, id));
CREATE INDEX raw_task ON raw (task_id);
CREATE INDEX raw_agent ON raw (agent_id);
"""
TURN = 50
"""Batches that one side stores before it is the other's turn."""


class Swarm:
    """A coordinator."""


class NoProjection(Projection):
    """Projects nothing: ingest alone."""

    def begin(self, transaction: object, events: object) -> None: ...

    def project(self, position: int, event: Event) -> float:
        return 0.5

    def finish(self, transaction: object) -> None: ...


def ingest(rows: int, batch: int) -> dict[str, Any]:
    """Rows a second from the journal's records into the event store (decoded, redacted, appended; not projected).

    Beside it, in turns, the same events into a raw table by `executemany`, same batches, same sync mode, rows ready
    made; and into the recorder of the library eventsourcing, where that is installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Any] = {"spark": Ours(folder, batch), "raw": Raw(folder)}
        with suppress(ImportError):
            sides["eventsourcing"] = Peer(folder)
        took = dict.fromkeys(sides, 0.0)
        for turn in _turns(rows, batch):
            for name, side in sides.items():
                ready = [side.ready(events) for events in turn]
                started = time.perf_counter()
                for one in ready:
                    side.store(one)
                took[name] += time.perf_counter() - started
    rates = {name: round(rows / seconds) for name, seconds in took.items()}
    return {
        "rows": rows,
        "per_s": rates,
        "ratio_to_raw": {name: round(rates[name] / rates["raw"], 3) for name in rates},
    }


class Ours:
    """The journal's records through the carrier."""

    def __init__(self, folder: str, batch: int) -> None:
        url = f"sqlite:///{folder}/spark.db"
        self._carrier = Carrier(
            Path(folder),
            lambda durable: open_store(url, durable=durable),
            NoProjection(),
            batch=batch,
            durable=False,
            redact=lambda: None,
        )
        self._carrier.prepare()

    def ready(self, events: list[Event]) -> list[bytes]:
        return [encode(event) for event in events]

    def store(self, records: list[bytes]) -> None:
        self._carrier.carry(records)


class Raw:
    """A plain table."""

    def __init__(self, folder: str) -> None:
        self._db = sqlite3.connect(Path(folder, "raw.db"), isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(RAW_TABLE)
        self._position = 0

    def ready(self, events: list[Event]) -> list[tuple[Any, ...]]:
        first = self._position + 1
        self._position += len(events)
        return [
            (position, e.source, e.id, e.type, e.task, e.agent, e.time, codec.stored(e))
            for position, e in enumerate(events, start=first)
        ]

    def store(self, rows: list[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO raw VALUES (?,?,?,?,?,?,?,?)", rows)
        self._db.execute("COMMIT")


class Peer:
    """The SQLite recorder of the library eventsourcing. Raises `ImportError` where it is not installed."""

    def __init__(self, folder: str) -> None:
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

        self._event = StoredEvent
        self._recorder = SQLiteApplicationRecorder(SQLiteDatastore(f"{folder}/peer.db"))
        self._recorder.create_table()

    def ready(self, events: list[Event]) -> list[Any]:
        return [self._event(uuid.uuid4(), 1, event.type, codec.stored(event)) for event in events]

    def store(self, events: list[Any]) -> None:
        self._recorder.insert_events(events)


def end_to_end(stream: Path, rounds: int) -> dict[str, Any]:
    """Events a second of a real stream through signals, journal, store and projection; and all read models anew."""
    events = [codec.decode(line) for line in gzip.decompress(stream.read_bytes()).splitlines()]
    sent, again = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(store=f"sqlite:///{folder}/spark.db")
            swarm = Swarm()
            with register(swarm, settings=settings) as spark:
                assert spark.flush(60)
                started = time.perf_counter()
                for event in events:
                    signals.SIGNALS[event.type].send(swarm, event=event)
                assert spark.flush(600)
                sent.append(len(events) / (time.perf_counter() - started))
            started = time.perf_counter()
            rebuild(settings)
            again.append(len(events) / (time.perf_counter() - started))
    return {"events": len(events), "events_per_s": round(median(sent)), "rebuild_per_s": round(median(again))}


def _turns(rows: int, batch: int) -> Iterator[list[list[Event]]]:
    """The events of whole task lives, in batches, some batches at a time."""
    turn: list[list[Event]] = []
    events: list[Event] = []
    for n, (name, data) in enumerate(lives(rows + 6, agents=500)):
        if n >= rows:
            break
        events.append(build(EVENT_TYPES[name], data, id=f"{n:012x}", source="/bench", time=1e9 + n, writer="w"))
        if len(events) == batch:
            turn, events = [*turn, events], []
        if len(turn) == TURN:
            yield turn
            turn = []
    yield [*turn, *([events] if events else [])]
