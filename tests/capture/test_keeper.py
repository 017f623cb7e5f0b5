"""The keeper: it looks after the worker whatever happens, tells every count once, and ends when it is to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from spark_plugin.capture import keeper
from spark_plugin.capture.counts import Drained, Ingested
from spark_plugin.capture.duty import Duty
from spark_plugin.capture.journal import Journal, JournalFull, JournalSealed, JournalTerms
from spark_plugin.capture.keeper import Child, Keeper, Somebody
from spark_plugin.capture.live import LiveSet, sets_for_a_worker
from spark_plugin.capture.record import Told, decode

Eventually = Callable[[Callable[[], object]], None]


class Staff(Somebody):
    """Counts how often it was seen to that there is a worker."""

    looks = 0

    def look(self) -> None:
        self.looks += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "ROUND_S", 0.01)
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)


def full(directory: Path, on_full: str) -> Journal:
    """A journal that has reached its bound."""
    journal = Journal(directory, JournalTerms(on_full=on_full, for_a_worker=True))  # type: ignore[arg-type]
    journal._most = 2
    with suppress(JournalFull):
        while True:
            journal.append(b"." * 500, wait=False)
    return journal


def drain(directory: Path, told: Counter[str], done: threading.Event) -> None:
    """What a worker does, until it is done."""
    [name] = sets_for_a_worker(directory)
    live = LiveSet(directory, name)
    while not done.is_set():
        payloads, end = live.read(100)
        for payload in payloads:
            record = decode(payload) if payload[:1] != b"." else None
            told.update(record.counters if isinstance(record, Told) else {})
        if payloads:
            live.release(end, Drained(len(payloads), Ingested(stored=len(payloads))))
        time.sleep(0.001)
    live.close()


@pytest.mark.parametrize("on_full", ["drop", "block"])
def test_a_full_journal_keeps_nobody_from_looking_after_the_worker(
    directory: Path, small_segments: int, eventually: Eventually, on_full: str
) -> None:
    staff = Staff()
    own = Keeper(full(directory, on_full), staff, tallies=lambda: {"rejected": 1}, told={})
    own.start()
    eventually(lambda: staff.looks > 5)
    own._say("the end")
    own.stop(60)
    assert not own.is_alive()


def test_what_was_counted_while_the_journal_was_full_is_told_in_the_end(directory: Path, small_segments: int) -> None:
    told: Counter[str] = Counter()
    own = Keeper(full(directory, "drop"), Staff(), tallies=lambda: {"dropped": 7}, told={})
    own.start()
    done = threading.Event()
    stopping = threading.Thread(target=own.stop)
    stopping.start()
    draining = threading.Thread(target=drain, args=(directory, told, done))
    draining.start()
    stopping.join(60)
    done.set()
    draining.join(60)
    assert told == {"dropped": 7}
    assert (own.lag, own.untold()) == (0, {})
    assert not list(directory.glob("*.seg"))


def test_counts_that_wait_in_the_journal_are_not_told_yet(directory: Path, eventually: Eventually) -> None:
    tallies = {"rejected": 2}
    told: Counter[str] = Counter()
    own = Keeper(Journal(directory, JournalTerms(for_a_worker=True)), Staff(), tallies=lambda: dict(tallies), told={})
    own.start()
    eventually(lambda: own.lag == 1)
    assert own.untold() == {"rejected": 2}
    tallies["rejected"] = 5
    done = threading.Event()
    draining = threading.Thread(target=drain, args=(directory, told, done))
    draining.start()
    eventually(lambda: own.untold() == {})
    own.stop(60)
    done.set()
    draining.join(60)
    assert told == {"rejected": 5}


def test_what_became_of_events_is_known_after_the_end(directory: Path) -> None:
    journal = Journal(directory, JournalTerms(for_a_worker=True))
    own = Keeper(journal, Staff(), tallies=dict, told={})
    own.start()
    for _ in range(3):
        journal.append(b".")
    done = threading.Event()
    draining = threading.Thread(target=drain, args=(directory, Counter(), done))
    draining.start()
    assert own.flush(60)
    own.stop(60)
    done.set()
    draining.join(60)
    assert (own.total, own.lag, own.flush(0)) == (Ingested(stored=3), 0, True)


def test_a_segment_that_is_not_the_newest_any_more_does_not_end_it(
    directory: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise ValueError("mmap closed or invalid")

    journal, staff = Journal(directory, JournalTerms(for_a_worker=True)), Staff()
    monkeypatch.setattr(journal, "prepare", gone)
    own = Keeper(journal, staff, tallies=dict, told={})
    own.start()
    eventually(lambda: staff.looks > 2)
    own.stop(60)
    assert not own.is_alive()


def test_a_worker_that_is_there_and_drains_nothing_is_trouble(
    directory: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STALL_S", 0.2)
    journal = Journal(directory, JournalTerms(for_a_worker=True))
    duty = Duty(directory)
    assert duty.taken()
    own = Keeper(journal, Staff(), tallies=dict, told={})
    own.start()
    time.sleep(0.3)
    assert own.trouble is None, "there is nothing to be drained"
    journal.append(b".")
    assert not own.flush(None)
    assert own.trouble is not None and str(os.getpid()) in own.trouble
    own.stop(60)
    assert not own.is_alive()
    assert len(list(directory.glob("*.seg"))) == 1
    duty.leave()


def test_a_journal_whose_files_were_removed_takes_nothing_in_and_says_so(
    directory: Path, eventually: Eventually
) -> None:
    journal = Journal(directory, JournalTerms(for_a_worker=True))
    own = Keeper(journal, Staff(), tallies=dict, told={})
    own.start()
    journal.append(b".")
    shutil.rmtree(directory)
    assert not own.flush(60)
    assert own.trouble is not None and "were removed" in own.trouble
    with pytest.raises(JournalSealed):
        journal.append(b".")
    own.stop(60)
    assert not own.is_alive()


def test_a_child_that_was_stopped_is_ended_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "DISMISS_S", 0.1)
    child = Child({})
    sleeping = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(sleeping, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        child._process = process
        child.dismiss()
        assert process.returncode == -signal.SIGKILL
