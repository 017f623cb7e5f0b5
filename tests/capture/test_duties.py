"""The worker by itself: it ends when it is to, tells what it counts, and nothing of others' brings it down."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from spark_hooks.events import TaskPosted
from spark_hooks.plugins import Plugins
from spark_plugin import Settings, draining
from spark_plugin.capture import OnDuty, on_duty, worker
from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.counts import Ingested
from spark_plugin.capture.duty import Duty
from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.capture.record import Told, encode
from spark_plugin.capture.worker import Worker
from spark_plugin.cli import app
from spark_plugin.errors import StoreLocked, UnfitRow
from spark_plugin.projection import Projection
from spark_plugin.store import Store, open_store
from spark_plugin.store.sqlite import SqliteTransaction

PATIENCE_S = 60.0


def record(n: int) -> bytes:
    return encode(TaskPosted(task_id=f"t{n}", description="d", id=f"e{n}", source="/s", time=1.0))


@pytest.fixture
def journal(directory: Path) -> Iterator[Journal]:
    """The journal of a process that leaves it to a worker."""
    journal = Journal(directory, JournalTerms(for_a_worker=True))
    yield journal
    journal.close(drained=False)


@pytest.fixture
def carrier(url: str) -> Carrier:
    return draining._carrier(Settings(store=url), Plugins(), Projection())


@pytest.fixture
def ever_more(carrier: Carrier, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever events are stored, the next has come already."""
    carry = carrier.carry

    def carry_and_send(payloads: Iterable[bytes]) -> Ingested:
        journal.append(record(journal.appended))
        return carry(payloads)

    journal.append(record(journal.appended))
    monkeypatch.setattr(carrier, "carry", carry_and_send)
    monkeypatch.setattr(worker, "LAST_S", 0.1)


@pytest.mark.usefixtures("ever_more")
def test_it_ends_when_it_is_not_wanted_however_much_comes(directory: Path, carrier: Carrier, journal: Journal) -> None:
    looks = iter([True] * 20)
    own = Worker(directory, carrier, wanted=lambda: next(looks, False))
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert journal.drained.records >= 20


@pytest.mark.usefixtures("ever_more")
def test_it_ends_when_it_is_stopped_however_much_comes(directory: Path, carrier: Carrier, journal: Journal) -> None:
    own = Worker(directory, carrier, wanted=lambda: journal.drained.records < 20 or own.stop() is None)
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_what_is_tried_again_is_counted_once(
    carrier: Carrier, url: str, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    carrier.prepare()
    count_up = SqliteTransaction.count_up

    def locked(*_: object) -> None:
        monkeypatch.setattr(SqliteTransaction, "count_up", count_up)
        raise StoreLocked(url, "is locked")

    monkeypatch.setattr(SqliteTransaction, "count_up", locked)
    records = [record(1), encode(Told({"rejected": 2})), record(2), encode(Told({"rejected": 1, "dropped": 1}))]
    with pytest.raises(StoreLocked):
        carrier.carry(records)
    assert carrier.carry(records) == Ingested(stored=2)
    carrier.close()
    with closing(open_store(url)) as store:
        assert store.counters() == {"dropped": 1, "rejected": 3}


def test_counts_come_through_with_an_event_that_cannot_be_stored(
    carrier: Carrier, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit(*_: object) -> None:
        raise UnfitRow(url, "does not fit")

    monkeypatch.setattr(SqliteTransaction, "append", unfit)
    carrier.prepare()
    assert carrier.carry([record(1), encode(Told({"rejected": 2}))]) == Ingested(dead_letters=1)
    carrier.close()
    with closing(open_store(url)) as store:
        assert (store.counters(), store.buried()) == ({"rejected": 2}, 1)


def test_its_own_plugin_errors_are_counted_in_the_store(directory: Path, carrier: Carrier, url: str) -> None:
    looks, errors = iter([True] * 3), itertools.count(1)
    counted = {"plugin_errors": 0}

    def wanted() -> bool:
        counted["plugin_errors"] = next(errors)
        return next(looks, False)

    Worker(directory, carrier, wanted=wanted, tallies=lambda: dict(counted)).run()
    with closing(open_store(url)) as store:
        assert store.counters() == counted == {"plugin_errors": 4}


def test_a_full_disk_does_not_bring_it_down(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    duty = Duty(directory)
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        assert duty.taken()
        duty.say("the disk is full")
        assert on_duty(directory) == OnDuty()
    assert duty.taken()
    duty.say("the disk was full")
    assert on_duty(directory) == OnDuty(os.getpid(), "the disk was full")
    duty.leave()


def test_it_is_seen_again_when_its_directory_was_made_anew(directory: Path) -> None:
    duty = Duty(directory)
    assert duty.taken()
    shutil.rmtree(directory)
    directory.parent.chmod(0o500)
    assert os.getuid() == 0 or not duty.taken()
    directory.parent.chmod(0o700)
    assert duty.taken()
    assert on_duty(directory) == OnDuty(os.getpid())
    other = Duty(directory)
    assert not other.taken()
    shutil.rmtree(directory)
    assert other.taken() and not duty.taken()
    other.leave()
    duty.leave()


def test_a_directory_that_cannot_be_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert app.run(["worker", "--store", f"sqlite:///{tmp_path}/file/spark.db"]) == app.FAILED
    assert "spark.db.capture cannot be used: Not a directory" in capsys.readouterr().err


def test_a_signal_may_come_at_any_moment(directory: Path, carrier: Carrier) -> None:
    """Even while the worker holds a lock that another thread would need to wake it."""
    looks = iter([True] * 20)
    own = Worker(directory, carrier, wanted=lambda: next(looks, False))

    def signalled(frame: FrameType, what: str, _: object) -> Callable[..., object]:
        if what == "line" and frame.f_code.co_filename == threading.__file__:
            own.stop()
        return signalled

    def run() -> None:
        sys.settrace(signalled)
        own.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("alive", [True, False])
def test_whoever_was_promised_to_outlast_a_power_cut_is_carried_so(
    directory: Path, url: str, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    """Also by a worker, or by whoever starts next, that promises its own senders less."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append("journal"))
    journal = Journal(directory, JournalTerms(durable=True, for_a_worker=alive))
    journal.append(encode(TaskPosted(task_id="t", description="", id="e", source="/s", time=1.0)))
    if not alive:
        journal.close(drained=False)
    opened: list[bool] = []

    def open_one(durable: bool) -> Store:
        opened.append(durable)
        return open_store(url, durable=durable)

    carrier = Carrier(directory, open_one, Projection(), batch=10, durable=False, redact=lambda: None)
    worker = Worker(directory, carrier, wanted=lambda: False)
    synced.clear()
    worker.run()
    assert opened[-1] is True
    assert ("journal" in synced) is alive, "the note of what is stored is on the disk before the records are wiped"
    with closing(open_store(url)) as store:
        assert store.position() == 1
    if alive:
        journal.close(drained=True)
