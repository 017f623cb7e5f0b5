"""F4: every sync takes 10 ms. Senders do not notice, unless they asked to wait for the disk: then a send costs a sync,
and threads that wait at the same time share one.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from spark_plugin.capture import journal
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.segment import Segment
from spark_plugin.store import Filter, open_store
from tests.faults.matrix import size
from tests.faults.measuring import Latency, at_best
from tests.faults.shim import Notes, Shim
from tests.faults.swarm_process import Sent, SwarmProcess

DELAY_MS = 10.0
EVENTS = size(10_000)
SYNCED_EVENTS = size(2_000)
THREADS = 4


class Outcome(NamedTuple):
    """What senders found on a quick and on a slow disk, and what is stored in the end."""

    quick: Sent
    slow: Sent
    syncs: Notes
    stored: Counter[str]


def run(folder: Path, *, durability: str, events: int, seconds: float, threads: int = 1, mutant: str = "") -> Outcome:
    folder.mkdir(exist_ok=True)
    url, shim = f"sqlite:///{folder / 'spark.db'}", Shim(folder)
    how = {"mutant": mutant and f"test_f04_slow:{mutant}", "environ": shim.environ(delay_ms=DELAY_MS)}
    with SwarmProcess(url, durability=durability, **how) as process:  # type: ignore[arg-type]
        quick = process.send(events, seconds=seconds, threads=threads)
        assert process.flush()
        shim.on()
        slow = process.send(events, seconds=seconds, threads=threads)
        assert process.flush()
        process.close()
    with closing(open_store(url)) as store:
        stored = Counter(row.id for row in store.events(Filter()))
    return Outcome(quick, slow, shim.notes(), stored)


def judge(outcome: Outcome) -> None:
    """Whatever the durability."""
    for sent in (outcome.quick, outcome.slow):
        assert (sent.refused, sent.raised) == ({}, []), "events are dropped"
    assert Counter(outcome.quick.acknowledged + outcome.slow.acknowledged) == outcome.stored, "lost or stored twice"
    assert outcome.syncs.syncs > 0, "nothing was slow"


def judge_hook(outcome: Outcome) -> None:
    slow = Latency.of(outcome.slow)
    assert slow.p99 < DELAY_MS / 2, f"p99 {slow}: there are syncs in it"
    slow.judge(Latency.of(outcome.quick))


def judge_synced(outcome: Outcome) -> None:
    """A send costs one sync or so; together, four threads cost less than one sync a send."""
    latency = Latency.of(outcome.slow)
    assert DELAY_MS <= latency.p50 <= 3 * DELAY_MS, latency  # the one that is going on, and the next
    assert latency.p99 <= 6 * DELAY_MS, latency
    each_alone = outcome.slow.journaled * DELAY_MS / 1000
    assert outcome.slow.seconds <= 0.8 * each_alone, f"{outcome.slow.seconds:.1f} s, {each_alone:.1f} s one by one"


@pytest.mark.fault("F4")
def test_on_a_slow_disk_nobody_waits(tmp_path, reached):
    folders = iter(tmp_path / str(n) for n in range(9))

    def measure() -> Outcome:
        outcome = run(next(folders), durability="process", events=EVENTS, seconds=EVENTS / 1000)
        judge(outcome)
        return outcome

    outcome = at_best(measure, judge_hook)
    slow, quick = Latency.of(outcome.slow), Latency.of(outcome.quick)
    reached(
        f"{len(outcome.slow.acknowledged):,} events, {outcome.syncs.syncs} slow syncs: 0 dropped, hook p99 "
        f"{slow.p99 * 1000:.0f} us, {quick.p99 * 1000:.0f} on a quick disk"
    )


@pytest.mark.fault("F4")
def test_on_a_slow_disk_a_send_that_is_to_survive_a_power_cut_costs_a_sync(tmp_path, reached):
    folders = iter(tmp_path / str(n) for n in range(9))

    def measure() -> Outcome:
        outcome = run(next(folders), durability="power", events=SYNCED_EVENTS, seconds=0, threads=THREADS)
        judge(outcome)
        return outcome

    alone = run(next(folders), durability="power", events=SYNCED_EVENTS // THREADS, seconds=0)
    judge(alone)
    outcome = at_best(measure, judge_synced)
    latency, n = Latency.of(outcome.slow), outcome.slow.journaled
    reached(
        f"with `power` a send takes {Latency.of(alone.slow).p50:.0f} ms; {THREADS} threads send {n:,} events in "
        f"{outcome.slow.seconds:.1f} s ({latency.p50:.0f} ms each, p99 {latency.p99:.0f} ms), 0 lost"
    )


def syncing() -> None:
    """Every record is synced, asked for or not."""
    append = Segment.append

    def append_and_sync(segment: Segment, payload: bytes) -> None:
        append(segment, payload)
        segment.sync()

    Segment.append = append_and_sync  # type: ignore[method-assign]


def holding() -> None:
    """The drainer syncs while it holds what senders need."""
    release = Journal.release

    def release_alone(self: Journal, end: int) -> None:
        with self._lock:
            self._segments[0].sync()
        release(self, end)

    Journal.release = release_alone  # type: ignore[method-assign]


def small() -> None:
    """A buffer of two pages between senders and store."""
    journal.SEGMENT_BYTES, journal.MAX_RECORD = 4096, 2048
    begin = Journal.__init__

    def begin_small(self: Journal, *args: object, **how: object) -> None:
        begin(self, *args, **how)  # type: ignore[arg-type]
        self._most = 2

    Journal.__init__ = begin_small  # type: ignore[method-assign]


def one_by_one() -> None:
    """Nobody shares a sync."""
    sync = Segment.sync
    Segment.sync = lambda segment, upto=None: sync(segment)  # type: ignore[method-assign]


@pytest.mark.mutant("F4", "a sync in a sender's way")
@pytest.mark.parametrize("mutant", [syncing, holding])
def test_a_sync_in_the_way_of_senders_is_found(tmp_path, mutant):
    outcome = run(tmp_path, durability="process", events=200, seconds=0.4, mutant=mutant.__name__)
    with pytest.raises(AssertionError, match="p99"):
        judge_hook(outcome)


@pytest.mark.mutant("F4", "a small buffer between senders and store")
def test_a_small_buffer_overflows(tmp_path):
    outcome = run(tmp_path, durability="process", events=200, seconds=0.1, mutant="small")
    with pytest.raises(AssertionError, match="dropped"):
        judge(outcome)


@pytest.mark.mutant("F4", "nobody shares a sync")
def test_syncs_that_nobody_shares_take_longer(tmp_path):
    outcome = run(tmp_path, durability="power", events=80, seconds=0, threads=THREADS, mutant="one_by_one")
    with pytest.raises(AssertionError, match=r"one by one|Latency"):
        judge_synced(outcome)
