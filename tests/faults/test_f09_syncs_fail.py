"""F9: a sync fails now and then. What was acknowledged is stored, and a connection whose sync failed is not used again.

A real disk forgets what it could not sync, and says so once. That part is simulated: power is cut after each step.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_hooks import SparkError
from spark_hooks.events import Event
from spark_plugin import Settings, codec, register
from spark_plugin.capture import journal
from spark_plugin.capture.ingest import Ingested, ingest
from spark_plugin.capture.segment import Segment
from spark_plugin.store import Filter, Store, open_store
from spark_plugin.store.sqlite import SqliteStore
from tests.capture.test_power import lost_by_failing_syncs
from tests.faults.matrix import size
from tests.faults.measuring import replace
from tests.faults.shim import Notes, Shim
from tests.faults.swarm_process import Sent, SwarmProcess
from tests.projection.swarmlog import Run

EVENTS = size(20_000)
ONE_IN = {"power": 30, "process": 2}
"""Where nobody asks for it the store syncs now and then only."""
ROUNDS = 40
THREADS = 4
STORIES = size(2_000)
STEPS = ("append", "append", "append", "store", "prepare")


class Outcome(NamedTuple):
    """What was acknowledged while syncs failed, and what a start after ``kill -9`` finds."""

    sent: Sent
    syncs: Notes
    opened: int
    stored: Counter[str]
    wrong: list[str]
    as_rebuilt: bool


def run(
    folder: Path,
    seed: int,
    *,
    durability: str,
    events: int = EVENTS,
    one_in: int = 0,
    rounds: int = ROUNDS,
    mutant: str = "",
) -> Outcome:
    folder.mkdir(exist_ok=True)
    url, shim = f"sqlite:///{folder / 'spark.db'}", Shim(folder)
    environ = shim.environ(fail_one_in=one_in or ONE_IN[durability], seed=seed)
    mutant = mutant and f"test_f09_syncs_fail:{mutant}"
    with SwarmProcess(url, durability=durability, batch=100, mutant=mutant, environ=environ) as process:
        process.send(50)
        assert process.flush()
        shim.on()
        sent = process.send(events, seconds=events / 2000, threads=THREADS)
        for _ in range(rounds):  # until a commit was among what failed
            if (opened := process.health().opened) > 1:
                break
            more = process.send(100, seconds=0.1)
            sent.acknowledged += more.acknowledged
            sent.raised += more.raised
        process.kill()
    register(object(), settings=Settings(store=url)).close()
    with closing(open_store(url)) as store:
        log = store.events(Filter())
        rebuilt = Run().take(codec.restored(row.data) for row in log)
        return Outcome(
            sent,
            shim.notes(),
            opened,
            Counter(row.id for row in log),
            store.check(),
            Run(store).contents() == rebuilt.contents(),
        )


def judge(outcome: Outcome) -> None:
    """The figures of the fault matrix."""
    assert outcome.sent.raised == []
    assert outcome.syncs.failed > 0, "no sync failed"
    assert all("Input/output" in reason or "sync failed" in reason for reason in outcome.sent.refused)
    lost = set(outcome.sent.acknowledged) - set(outcome.stored)
    assert not lost, f"{len(lost)} of {len(outcome.sent.acknowledged)} acknowledged are missing"
    assert set(outcome.stored.values()) == {1}, "some are stored twice"
    assert outcome.wrong == []
    assert outcome.as_rebuilt


def judge_connection(outcome: Outcome) -> None:
    assert outcome.opened > 1, "the connection was not opened again"


def judge_power_cuts(folder: Path, seed: int, stories: int) -> None:
    """Whether an acknowledged record is missing after a power cut, on a disk that forgets what it could not write."""
    rng = random.Random(seed)
    for n in range(stories):
        story = [rng.choice(STEPS) for _ in range(40)]
        lost = lost_by_failing_syncs(folder / str(n), story, seed=seed + n)
        assert not lost, f"{len(lost)} acknowledged records are missing in {story}, seed {seed + n}"


@pytest.mark.fault("F9")
@pytest.mark.parametrize("durability", ["power", "process"])
def test_syncs_fail_now_and_then(tmp_path, seed, durability, reached):
    outcome = run(tmp_path, seed, durability=durability)
    print(outcome.sent.refused, outcome.syncs, outcome.opened)
    judge(outcome)
    if durability == "power":  # else no commit waits for a sync
        judge_connection(outcome)
    reached(
        f"`{durability}`: {outcome.syncs.failed} of {outcome.syncs.syncs} syncs failed, 0 of "
        f"{len(outcome.sent.acknowledged):,} acknowledged missing, the connection opened {outcome.opened} times"
    )


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 4096)
    monkeypatch.setattr(journal, "MAX_RECORD", 2048)


@pytest.mark.fault("F9")
def test_what_a_failed_sync_let_go_of_is_not_acknowledged_later(tmp_path, seed, small_segments, reached):
    judge_power_cuts(tmp_path, seed, STORIES)
    reached(f"power cuts in {STORIES:,} stories of a disk that forgets what it could not sync: 0 missing")


def believing() -> None:
    """A commit that failed counts as done."""

    def ingest_and_hope(store: Store, events: Sequence[Event], *more: Any) -> Ingested:
        try:
            return ingest(store, events, *more)
        except SparkError:
            return Ingested(stored=len(events))

    replace(ingest, ingest_and_hope)


def keeping() -> None:
    """The connection is used again, whatever happened to it."""
    replace(open_store, functools.cache(open_store))
    SqliteStore.close = lambda store: None  # type: ignore[method-assign]


@pytest.mark.mutant("F9", "a commit whose sync failed counts as done")
def test_a_commit_that_failed_and_is_believed_loses_events(tmp_path, seed):
    outcome = run(tmp_path, seed, durability="power", events=800, one_in=5, rounds=1, mutant="believing")
    with pytest.raises(AssertionError, match="acknowledged are missing"):
        judge(outcome)


@pytest.mark.mutant("F9", "a connection whose sync failed is used again")
def test_a_connection_that_is_kept_is_found(tmp_path, seed):
    outcome = run(tmp_path, seed, durability="power", events=800, one_in=5, rounds=1, mutant="keeping")
    with pytest.raises(AssertionError, match="not opened again"):
        judge_connection(outcome)


@pytest.mark.mutant("F9", "the sync after one that failed is believed")
def test_a_sync_after_one_that_failed_is_not_to_be_believed(tmp_path, seed, small_segments, monkeypatch):
    sync = Segment.sync

    def sync_and_forget(segment: Segment, upto: int | None = None) -> None:
        try:
            sync(segment, upto)
        finally:
            segment._broken = False

    monkeypatch.setattr(Segment, "sync", sync_and_forget)
    with pytest.raises(AssertionError, match="acknowledged records are missing"):
        judge_power_cuts(tmp_path, seed, 100)
