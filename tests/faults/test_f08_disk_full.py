"""F8: the disk is full, and later it is not. Senders go on; what was acknowledged is stored when there is room again.

The disk is a small tmpfs: to the last byte it is full in one case, in another there is almost room for a segment, which
takes a file system longest to find out. The store is on it alone, or the journal as well.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_hooks import SparkError
from spark_hooks.events import Event
from spark_plugin.capture import journal
from spark_plugin.capture.ingest import Ingested, ingest
from spark_plugin.store import Filter, Store, open_store
from tests.faults.matrix import size
from tests.faults.measuring import Latency, at_best, replace
from tests.faults.swarm_process import Health, Sent, SwarmProcess

DISK_BYTES = 40 << 20
EVENTS = size(100_000)
FITTING = 10_000
"""Events that fit onto the disk: where the journal is elsewhere, it takes them all."""
TEXT = 8000
WORST_MS = 50.0
P99_MS = 2.0
"""To be told that there is no room takes a file system longer."""
ALMOST = 6 << 20


class Outcome(NamedTuple):
    """What senders found, and what is stored in the end."""

    before: Sent
    full: Sent
    still: Sent
    """At a swarm's pace, when the journal is full, too."""
    again: Sent
    health: Health
    stored: Counter[str]
    wrong: list[str]


def run(folder: Path, *, journal_too: bool = True, left: int = 0, events: int = EVENTS, mutant: str = "") -> Outcome:
    """`left` bytes of the disk stay free at first."""
    with small_disk(folder / "disk") as disk:
        url = f"sqlite:///{disk / 'spark.db'}"
        if not journal_too:
            (folder / "journal").mkdir()
            (disk / "spark.db.capture").symlink_to(folder / "journal")
        with SwarmProcess(url, mutant=mutant and f"test_f08_disk_full:{mutant}") as process:
            before = process.send(500)
            assert process.flush()
            fill(disk / "filler", left)
            full = process.send(events, text=TEXT, seconds=events / 40_000)
            health = in_trouble(process)
            still = process.send(500, text=TEXT, seconds=0.5)
            (disk / "filler").unlink()
            assert process.flush(), process.health()
            again = process.send(500, seconds=1.2 * journal.NO_ROOM_S)
            assert process.flush()
            process.close()
        with closing(open_store(url)) as store:
            stored = Counter(row.id for row in store.events(Filter()))
            return Outcome(before, full, still, again, health, stored, store.check())


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", path]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount here: a small disk cannot be made")
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def in_trouble(process: SwarmProcess) -> Health:
    """How it is when the drainer has found out."""
    end = time.monotonic() + 1.0
    while (health := process.health()).trouble is None and time.monotonic() < end:
        time.sleep(0.02)
    return health


def fill(path: Path, left: int) -> None:
    with path.open("wb", buffering=0) as file:
        for step in (1 << 20, 512):
            with suppress(OSError):
                while True:
                    file.write(bytes(step))
        file.truncate(file.tell() - left)
        os.fsync(file)


def judge(outcome: Outcome) -> None:
    """Whatever the time."""
    sent = (outcome.before, outcome.full, outcome.still, outcome.again)
    assert not any(part.raised for part in sent), [part.raised[:3] for part in sent]
    assert all("No space left" in reason for part in sent for reason in part.refused)
    assert outcome.before.refused == {} and outcome.again.latencies
    acknowledged = Counter(one for part in sent for one in part.acknowledged)
    assert not acknowledged - outcome.stored, f"{(acknowledged - outcome.stored).total()} acknowledged are missing"
    assert outcome.stored == acknowledged, "some are stored twice, or were never acknowledged"
    assert outcome.wrong == []
    assert outcome.again.last_state == "journaled", "there is room again, and events are still refused"
    judge_health(outcome.health, dropped=sum(outcome.full.refused.values()))


def judge_health(health: Health, dropped: int) -> None:
    """Status and advice tell what is wrong while it is."""
    assert health.trouble is not None and "full" in health.trouble
    assert health.status["trouble"] == health.trouble
    assert health.status["capture"]["lag"] > 0
    assert health.status["capture"]["dropped"] == dropped
    assert "not being stored" in health.advice["process:capture-stalled"]
    assert ("process:capture-dropped" in health.advice) == (dropped > 0)


def judge_time(outcome: Outcome) -> None:
    worst = Latency.of(outcome.full, outcome.still).worst
    assert worst <= WORST_MS, f"a send took {worst:.0f} ms"
    assert outcome.still.quantile(0.99) <= P99_MS, Latency.of(outcome.still)


CASES = {
    "journal and store": {"journal_too": True},
    "almost full": {"journal_too": True, "left": ALMOST},
    "store alone": {"journal_too": False, "events": FITTING},
}


@pytest.mark.fault("F8")
@pytest.mark.parametrize("case", CASES)
def test_a_disk_full_for_a_while(tmp_path, case, reached):
    folders = iter(tmp_path / str(n) for n in range(9))

    def measure() -> Outcome:
        outcome = run(next(folders), **CASES[case])
        judge(outcome)
        return outcome

    outcome = at_best(measure, judge_time)
    refused = sum(outcome.full.refused.values())
    assert (refused > 0) == (case != "store alone"), "the journal was not filled"
    reached(
        f"{case}: {outcome.full.journaled:,} acknowledged and stored afterwards, {refused:,} refused, worst send "
        f"{Latency.of(outcome.full, outcome.still).worst:.1f} ms, 0 exceptions"
    )


def sparse() -> None:
    """Segments have holes instead of blocks of their own."""
    os.posix_fallocate = lambda file, start, size: os.ftruncate(file, start + size)  # type: ignore[assignment]


def asking_each_time() -> None:
    """Every send asks the disk anew whether it has room."""
    journal.NO_ROOM_S = 0.0


def letting_go() -> None:
    """What the store has no room for is let go."""

    def ingest_or_not(store: Store, events: Sequence[Event], *more: Any) -> Ingested:
        try:
            return ingest(store, events, *more)
        except SparkError:
            return Ingested()

    replace(ingest, ingest_or_not)


@pytest.mark.mutant("F8", "segments without blocks of their own")
def test_a_sparse_segment_kills_its_process(tmp_path):
    with pytest.raises(AssertionError, match="died of -7"):  # SIGBUS
        judge(run(tmp_path, events=10_000, mutant="sparse"))


@pytest.mark.mutant("F8", "what the store has no room for is let go")
def test_what_a_full_disk_refuses_must_not_be_let_go(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged are missing"):
        judge(run(tmp_path, events=2_000, mutant="letting_go"))


@pytest.mark.mutant("F8", "every send asks the disk for room")
def test_asking_a_full_disk_each_time_takes_long(tmp_path):
    def quick_three_times() -> None:
        for n in range(3):  # some disks answer quickly at times
            outcome = run(tmp_path / str(n), left=ALMOST, events=5_000, mutant="asking_each_time")
            print(Latency.of(outcome.still))
            judge_time(outcome)

    with pytest.raises(AssertionError, match=r"a send took|Latency"):
        quick_three_times()
