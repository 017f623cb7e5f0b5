"""F12: a million events while there is no store. Memory and disk stay within their bounds, and no refusal is silent."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_hooks import Receipt
from spark_hooks.events import Event
from spark_plugin import Spark
from spark_plugin.capture import Capture
from spark_plugin.capture.journal import Journal
from spark_plugin.store import open_store, path_of
from tests.faults.matrix import FULL, size
from tests.faults.swarm_process import Health, Sent, SwarmProcess

EVENTS = size(1_000_000)
BOUND = 64 << 20 if FULL else 16 << 20
"""Of the journal: it is to be full long before all is sent."""
MEMORY = 64 << 20 if FULL else 16 << 20
TEXT = 1000
WATCH_S = 0.02


class Watch(threading.Thread):
    """Looks at a process's memory of its own (RssAnon: mapped files are not in it) and at its journal's disk blocks."""

    def __init__(self, process: SwarmProcess, directory: Path) -> None:
        super().__init__(daemon=True)
        self.before = process.memory()
        self.memory, self.mapped, self.disk = 0, 0, 0
        self._process = process
        self._directory = directory
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(WATCH_S):
            now = self._process.memory()
            self.memory = max(self.memory, now["RssAnon"] - self.before["RssAnon"])
            self.mapped = max(self.mapped, now["RssFile"] + now["RssShmem"])
            with suppress(FileNotFoundError):
                blocks = sum(path.stat().st_blocks * 512 for path in self._directory.iterdir())
                self.disk = max(self.disk, blocks)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


class Outcome(NamedTuple):
    """What the swarm was told and took, and what is stored when the store is back."""

    sent: Sent
    watch: Watch
    away: Health
    back: Health
    stored: dict[str, int]
    """By type."""
    position: int


def run(url: str, directory: Path, *, events: int = EVENTS, text: int = TEXT, mutant: str = "") -> Outcome:
    path = path_of(url)
    path.mkdir()
    how: dict[str, Any] = {"mutant": mutant and f"test_f12_no_store:{mutant}", "journal_max_bytes": BOUND}
    with SwarmProcess(url, **how) as process:
        process.send(500, sparing=True)  # whatever is needed once is there
        process.health()
        with Watch(process, directory) as watch:
            sent = process.send(events, sparing=True, text=text)
        away = process.health()
        path.rmdir()
        assert process.flush(300)
        process.send(5, sparing=True)  # it takes events again
        assert process.flush()
        back = process.health()
        process.close()
    with Spark.open(url) as reader, closing(open_store(url)) as store:
        return Outcome(sent, watch, away, back, reader.status()["event_types"], store.position())


def judge(outcome: Outcome) -> None:
    """The figures of the fault matrix."""
    sent, watch, refused = outcome.sent, outcome.watch, sum(outcome.sent.refused.values())
    assert sent.raised == []
    assert watch.memory <= MEMORY, f"{watch.memory >> 20} MiB more memory"
    assert watch.disk <= BOUND + (1 << 20), f"{watch.disk >> 20} MiB on the disk"
    assert refused > 0, "the journal was not filled"
    assert sent.journaled + refused == sum(sent.types.values()), "a refusal is in no receipt"
    assert all(reason.startswith("dropped: the journal has reached its bound") for reason in sent.refused)
    assert outcome.away.trouble is not None and "directory" in outcome.away.trouble
    assert "directory" in (outcome.away.unreadable or ""), "the status does not say so"
    assert "not being stored" in outcome.away.advice["process:capture-stalled"], "no advisory says so"
    told = ", ".join(f"{n} {kind}" for kind, n in sorted(sent.refused_types.items()))
    assert told in outcome.away.advice.get("process:capture-dropped", ""), "drops are not counted by kind"
    assert outcome.back.status["capture"]["dropped"] == refused, "drops are not counted in the status"
    assert (outcome.back.trouble, outcome.back.status["trouble"]) == (None, None)
    assert outcome.position == sent.journaled + 505, "not all that was journaled is stored, or more"
    for kind, n in sent.types.items():
        more = outcome.stored[kind] - (n - sent.refused_types.get(kind, 0))
        assert more >= 0, f"{-more} {kind} that were journaled are missing"


@pytest.mark.fault("F12")
def test_a_million_events_and_no_store(url, directory, reached):
    outcome = run(url, directory)
    judge(outcome)
    watch, refused = outcome.watch, sum(outcome.sent.refused.values())
    reached(
        f"{EVENTS:,} events: {outcome.sent.journaled:,} journaled and stored later, {refused:,} refused and counted; "
        f"RssAnon +{watch.memory / (1 << 20):.1f} MiB (mapped files {watch.mapped >> 20}), disk {watch.disk >> 20} of "
        f"{BOUND >> 20} MiB"
    )


def hoarding() -> None:
    """What cannot be journaled is kept in memory."""
    take, kept = Capture.take, []

    def take_and_keep(capture: Capture, event: Event) -> Receipt:
        receipt = take(capture, event)
        if receipt.state == "dropped":
            kept.append(event)
        return receipt

    Capture.take = take_and_keep  # type: ignore[method-assign]


def boundless() -> None:
    """The journal has no bound."""
    begin = Journal.__init__

    def begin_without(self: Journal, *args: Any, **how: Any) -> None:
        begin(self, *args, **how)
        self._most = 10**6

    Journal.__init__ = begin_without  # type: ignore[method-assign]


def uncounted() -> None:
    """Drops are not counted."""
    take = Capture.take

    def take_and_forget(capture: Capture, event: Event) -> Receipt:
        receipt = take(capture, event)
        capture.dropped.clear()
        return receipt

    Capture.take = take_and_forget  # type: ignore[method-assign]


def lying() -> None:
    """A receipt says journaled, whatever became of the event."""
    take = Capture.take

    def take_and_lie(capture: Capture, event: Event) -> Receipt:
        return Receipt(take(capture, event).event_id, "journaled")

    Capture.take = take_and_lie  # type: ignore[method-assign]


@pytest.mark.mutant("F12", "what cannot be journaled is kept in memory")
def test_keeping_events_in_memory_is_found(url, directory):
    outcome = run(url, directory, events=EVENTS, mutant="hoarding")
    with pytest.raises(AssertionError, match="more memory"):
        judge(outcome)


@pytest.mark.mutant("F12", "the journal has no bound")
def test_a_journal_without_bound_is_found(url, directory):
    outcome = run(url, directory, events=EVENTS // 4, text=5000, mutant="boundless")
    with pytest.raises(AssertionError, match="MiB on the disk"):
        judge(outcome)


@pytest.mark.mutant("F12", "drops are not counted, or not told")
@pytest.mark.parametrize(("mutant", "figure"), [(uncounted, "counted"), (lying, "not filled")])
def test_a_silent_refusal_is_found(url, directory, mutant, figure):
    outcome = run(url, directory, events=20_000 if not FULL else 80_000, text=5000, mutant=mutant.__name__)
    with pytest.raises(AssertionError, match=figure):
        judge(outcome)
