"""Capture, measured: the hook path beside the bare dispatch, ingest beside a raw table, rebuild. One line of JSON.

usage: capture.py [--events 24000] [--rows 100000] [--slow-us 0]

All figures that are compared are measured in one run, because machines are noisy; look at the ratios. The hook path is
timed over whole task lives (a post with eight candidates, three bids, an award, an outcome), in a burst and at 1,000
events a second, with drainer and projection running; `--slow-us` makes the projection work so much longer per event.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import blinker
import pluggy

from spark_hooks import signals
from spark_hooks.events import Event, TaskPosted, build
from spark_plugin import Settings, codec, register
from spark_plugin.capture.ingest import ingest
from spark_plugin.plugin import rebuild
from spark_plugin.projection import Projection
from spark_plugin.projection.projector import Projector
from spark_plugin.store import open_store

DATA = Path(os.environ.get("SPARK_DATA", Path(__file__).parents[2] / "shared" / "data"))
RAW_TABLE = """
CREATE TABLE raw (position INTEGER PRIMARY KEY, source TEXT, id TEXT, type TEXT, task_id TEXT, agent_id TEXT, time REAL,
                  data BLOB, UNIQUE (source, id));
CREATE INDEX raw_task ON raw (task_id);
CREATE INDEX raw_agent ON raw (agent_id);
"""


def lives(n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Signals of whole task lives."""
    agents = [f"agent-{k}" for k in range(8)]
    for i in range(n // 6):
        task, winner = f"task-{i}", agents[i % 8]
        data = {"description": "Fix the login bug", "candidates": agents, "category": "database", "reserve": 100.0}
        yield "task_posted", {"task_id": task, **data}
        for k in range(3):
            yield "bid_submitted", {"task_id": task, "agent_id": agents[(i + k) % 8], "bid": 40.0 + k}
        yield "task_assigned", {"task_id": task, "agent_id": winner, "bid": 40.0}
        done = "task_completed" if i % 3 else "task_failed"
        yield done, {"task_id": task, "agent_id": winner, "duration_s": 3.0}


def timed(send: Callable[[str, dict[str, Any]], object], n: int, pause_s: float) -> dict[str, float]:
    """Quantiles of one send, in microseconds."""
    took = []
    gc.collect()
    for name, data in lives(n):
        started = time.perf_counter_ns()
        send(name, data)
        took.append(time.perf_counter_ns() - started)
        if pause_s:
            time.sleep(pause_s)
    took.sort()
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {name: round(took[int(len(took) * q)] / 1000, 2) for name, q in at.items()} | {"max": took[-1] / 1000}


def bare_dispatch(n: int, pause_s: float) -> dict[str, float]:
    """blinker and pluggy with a plugin that does nothing: what any plugin of this kind costs at the least."""
    spec, impl = pluggy.HookspecMarker("bare"), pluggy.HookimplMarker("bare")

    class Specs:
        @spec
        def heard(self, event: object, coordinator: object) -> None: ...

    class Nothing:
        @impl
        def heard(self, event: object, coordinator: object) -> None: ...

    manager = pluggy.PluginManager("bare")
    manager.add_hookspecs(Specs)
    manager.register(Nothing())
    sender, signal = object(), blinker.Signal()

    def receive(sender: object, /, **fields: object) -> object:
        return manager.hook.heard(event=fields, coordinator=sender)

    signal.connect(receiver=receive, sender=sender, weak=False)
    return timed(lambda name, data: signal.send(sender, **data), n, pause_s)


def hook_path(n: int, pause_s: float) -> dict[str, float]:
    """`send` with Spark registered."""
    coordinator = argparse.Namespace()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/spark.db")
        with register(coordinator, settings=settings) as spark:
            for name, data in lives(600):
                signals.SIGNALS[name].send(coordinator, **data)
            spark.flush()
            return timed(lambda name, data: signals.SIGNALS[name].send(coordinator, **data), n, pause_s)


def slowed(microseconds: float) -> None:
    """Let the projection work longer per event, holding the interpreter as real work would."""
    take = Projector.take

    def slow(self: Projector, *args: Any, **more: Any) -> float:
        end = time.perf_counter_ns() + microseconds * 1000
        score = take(self, *args, **more)
        while time.perf_counter_ns() < end:
            pass
        return score

    Projector.take = slow  # type: ignore[method-assign]


class NoProjection(Projection):
    """Projects nothing: ingest alone."""

    def begin(self, transaction: object) -> None: ...
    def project(self, position: int, event: Event) -> float:
        return 0.5

    def finish(self, transaction: object) -> None: ...


def ingest_ratio(rows: int, batch: int) -> dict[str, float]:
    """Events a second into the event store, and the same into a raw table by `executemany`."""
    events = [
        build(TaskPosted, {"task_id": f"t{n}", "description": "work " * 8}, id=f"{n:012x}", source="/b", time=1e9 + n)
        for n in range(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store, projection = open_store(f"sqlite:///{folder}/spark.db"), NoProjection()
        started = time.perf_counter()
        for start in range(0, rows, batch):
            ingest(store, events[start : start + batch], projection)
        ours = rows / (time.perf_counter() - started)
        store.close()
        raw = raw_rate(
            Path(folder, "raw.db"),
            [(e.source, e.id, e.type, e.task, None, e.time, codec.encode(e)) for e in events],
            batch,
        )
    return {"events_per_s": round(ours), "raw_per_s": round(raw), "ratio": round(ours / raw, 3)}


def raw_rate(path: Path, rows: Sequence[tuple[Any, ...]], batch: int) -> float:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(RAW_TABLE)
    started = time.perf_counter()
    for start in range(0, len(rows), batch):
        db.execute("BEGIN IMMEDIATE")
        values = ((start + n + 1, *row) for n, row in enumerate(rows[start : start + batch]))
        db.executemany("INSERT INTO raw VALUES (?,?,?,?,?,?,?,?)", values)
        db.execute("COMMIT")
    rate = len(rows) / (time.perf_counter() - started)
    db.close()
    return rate


def end_to_end(stream: Path) -> dict[str, float]:
    """A real stream through signals, journal, store and projection, and its read models made anew."""
    events = [codec.decode(line) for line in gzip.decompress(stream.read_bytes()).splitlines()]
    coordinator = argparse.Namespace()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/spark.db")
        with register(coordinator, settings=settings) as spark:
            started = time.perf_counter()
            for event in events:
                signals.SIGNALS[event.type].send(coordinator, event=event)
            spark.flush()
            sent = len(events) / (time.perf_counter() - started)
        started = time.perf_counter()
        rebuild(settings)
        return {"events_per_s": round(sent), "rebuild_per_s": round(len(events) / (time.perf_counter() - started))}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=24_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--slow-us", type=float, default=0.0)
    options = parser.parse_args()
    if options.slow_us:
        slowed(options.slow_us)
    found: dict[str, Any] = {"slow_us": options.slow_us}
    for name, n, pause in (("burst", options.events, 0.0), ("steady", options.events // 4, 0.001)):
        found[name] = {"bare": bare_dispatch(n, pause), "spark": hook_path(n, pause)}
        found[name]["p50_ratio"] = round(found[name]["spark"]["p50"] / found[name]["bare"]["p50"], 2)
    if not options.slow_us:
        found["ingest"] = ingest_ratio(options.rows, 1000)
        stream = DATA / "tsuchiura_procurement.jsonl.gz"
        if stream.exists():
            found["end_to_end"] = end_to_end(stream)
        else:
            print(f"SKIPPED: no {stream}; set SPARK_DATA", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
