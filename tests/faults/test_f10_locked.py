"""F10: a stranger holds the store's lock. Nobody waits for it but the drainer, and that one is there when it is free.

One process has begun before, another begins meanwhile; both send from asyncio loops and ask questions there.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_advisor import capture_health
from spark_hooks.events import Event
from spark_plugin.capture import carrier
from spark_plugin.capture.ingest import Ingested, ingest
from spark_plugin.capture.journal import Journal
from spark_plugin.projection import Projection
from spark_plugin.store import Filter, Store, open_store, path_of
from tests.faults.matrix import FULL
from tests.faults.measuring import Latency, at_best, replace
from tests.faults.swarm_process import Health, Looped, Sent, SwarmProcess
from tests.faults.telling import SPARKS_OWN

LOCKED_S = 30.0 if FULL else 3.0
BUSY_S = 5.0 if FULL else 0.5
"""How long one try waits for the lock: several are to fail."""
STALL_MS = 50.0
STORED_S = 1.0


class Outcome(NamedTuple):
    """What two swarms went through, and what is stored."""

    before: Latency
    locked: Latency
    loops: list[Looped]
    health: list[Health]
    after_s: float
    """From the release of the lock until all is stored."""
    sent: list[Sent]
    stored: Counter[str]

    @property
    def worst_call(self) -> float:
        return max(took[-1] for loop in self.loops for took in loop.calls.values())

    @property
    def worst_gap(self) -> float:
        return max(loop.worst_gap for loop in self.loops)


def run(
    folder: Path,
    seed: int,
    *,
    locked_s: float = LOCKED_S,
    busy_s: float = BUSY_S,
    events: int = 500,
    mutant: str = "",
) -> Outcome:
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder / 'spark.db'}"
    how: dict[str, Any] = {"mutant": mutant and f"test_f10_locked:{mutant}", "busy_s": busy_s}
    early, late = SwarmProcess(url, f"early-{seed}", **how), SwarmProcess(url, f"late-{seed}", wait=True, **how)
    with early, late:
        learned = early.send(events)
        assert early.flush()
        before = early.send(events, seconds=events / 1000)
        assert early.flush()
        with locked(url):
            early.begin("loop", seconds=locked_s / 2)
            loops = [early.answer(Looped)]
            during = early.send(events, seconds=events / 1000)
            late.begin("go")
            late.health()  # the first question waits for what is stored to be read, lock or no lock
            late.begin("loop", seconds=locked_s / 4)
            loops.append(late.answer(Looped))
            time.sleep(locked_s / 4)
            health = [early.health(), late.health()]
        sent = [learned, before, during]
        after_s = until_stored(url, sum(len(part.acknowledged) for part in (*sent, *loops)))
        for process in (early, late):
            assert process.flush(), "not stored in a minute"
            process.close()
    with closing(open_store(url)) as store:
        stored = Counter(row.id for row in store.events(Filter()) if row.type not in SPARKS_OWN)
    return Outcome(Latency.of(before), Latency.of(during), loops, health, after_s, sent, stored)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """We are the stranger."""
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        yield
        stranger.execute("ROLLBACK")


def until_stored(url: str, events: int, patience_s: float = 1.5 * STORED_S) -> float:
    """How long it takes from now on until so many events are stored. Nobody flushes: that would wake the drainer."""
    start = time.monotonic()
    with closing(open_store(url, create=False)) as store:
        while store.position() < events and time.monotonic() < start + patience_s:
            time.sleep(0.01)
    return time.monotonic() - start


def judge(outcome: Outcome) -> None:
    """What holds on the busiest machine."""
    acknowledged = [one for part in (*outcome.sent, *outcome.loops) for one in part.acknowledged]
    assert not any(part.raised or part.refused for part in (*outcome.sent, *outcome.loops))
    assert Counter(acknowledged) == outcome.stored, "lost or stored twice"
    for health in outcome.health:
        assert health.trouble is not None and "locked" in health.trouble
        assert health.status["trouble"] == health.trouble, "the status does not say so"
        assert health.status["capture"]["lag"] > 0
        assert "not being stored" in health.advice.get("process:capture-stalled", ""), "no advisory says so"
    assert all(loop.answered > 5 for loop in outcome.loops), "questions go unanswered"


def judge_loops(outcome: Outcome) -> None:
    assert outcome.worst_call <= STALL_MS, f"a call of {outcome.worst_call:.0f} ms stalls the loop"
    assert outcome.worst_gap <= STALL_MS, f"the loop stalls for {outcome.worst_gap:.0f} ms"


def judge_time(outcome: Outcome) -> None:
    """The figures of time."""
    outcome.locked.judge(outcome.before)
    judge_loops(outcome)
    assert outcome.after_s <= STORED_S, f"stored after {outcome.after_s:.1f} s"


@pytest.mark.fault("F10")
def test_a_stranger_holds_the_lock(tmp_path, seed, reached):
    folders = iter(tmp_path / str(n) for n in range(9))

    def measure() -> Outcome:
        outcome = run(next(folders), seed)
        judge(outcome)
        return outcome

    outcome = at_best(measure, judge_time)
    reached(
        f"{LOCKED_S:.0f} s: hook p99 {outcome.locked.p99 * 1000:.0f} us, {outcome.before.p99 * 1000:.0f} before; "
        f"all {sum(outcome.stored.values()):,} stored after {outcome.after_s:.2f} s; worst call in a loop "
        f"{outcome.worst_call:.1f} ms, worst stall {outcome.worst_gap:.1f} ms; status and advice say so"
    )


def resting_long() -> None:
    """A drainer that found the store locked rests for a minute."""
    carrier.FIRST_RETRY_S = carrier.LAST_RETRY_S = 60.0


def locking() -> None:
    """A send takes the store's lock, as one that stores by itself would; it does not even wait long."""
    append = Journal.append

    def append_and_lock(journal: Journal, payload: bytes) -> None:
        append(journal, payload)
        with closing(sqlite3.connect(journal.directory.with_suffix(""), timeout=0.02)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return

    Journal.append = append_and_lock  # type: ignore[method-assign]


def holding() -> None:
    """The drainer holds what questions need while it waits for the store."""

    def ingest_alone(store: Store, events: Sequence[Event], projection: Projection, *more: Any) -> Ingested:
        with projection._lock:
            return ingest(store, events, projection, *more)

    replace(ingest, ingest_alone)


def silent() -> None:
    """Nobody is told of the trouble."""
    replace(capture_health, lambda *_: [])


@pytest.mark.mutant("F10", "the drainer rests long when it found the store locked")
def test_a_drainer_that_rests_long_is_late(tmp_path, seed):
    outcome = run(tmp_path, seed, locked_s=0.5, busy_s=0.1, events=50, mutant="resting_long")
    assert outcome.after_s > STORED_S


@pytest.mark.mutant("F10", "a send waits for the store's lock")
def test_a_send_that_waits_for_the_store_is_late(tmp_path, seed):
    outcome = run(tmp_path, seed, locked_s=0.5, busy_s=0.1, events=50, mutant="locking")
    with pytest.raises(AssertionError, match="p99"):
        judge_time(outcome)


@pytest.mark.mutant("F10", "the drainer holds what questions need while it waits for the store")
def test_a_question_that_waits_for_the_drainer_stalls_the_loop(tmp_path, seed):
    outcome = run(tmp_path, seed, locked_s=1.0, busy_s=0.3, events=50, mutant="holding")
    with pytest.raises(AssertionError, match=r"a call of .* stalls the loop"):
        judge_loops(outcome)


@pytest.mark.mutant("F10", "no advisory about the trouble")
def test_trouble_that_nobody_is_told_of_is_found(tmp_path, seed):
    outcome = run(tmp_path, seed, locked_s=0.5, busy_s=0.1, events=50, mutant="silent")
    with pytest.raises(AssertionError, match="no advisory says so"):
        judge(outcome)
