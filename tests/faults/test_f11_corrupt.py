"""F11: a store that is damaged, no store at all, or read-only: the sender notices nothing, what is whole is saved."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import msgspec
import pytest

from spark_hooks import Receipt, signals
from spark_hooks.events import Event
from spark_plugin import Settings, Spark, register
from spark_plugin.capture import Capture
from spark_plugin.store import EventRow, Filter, open_store
from spark_plugin.store.connection import Connection
from spark_plugin.store.pages import Pages
from tests.faults import recovered
from tests.faults.matrix import size
from tests.faults.recovered import Recovered, started_again

OLD = size(4000)
NEW = 300
SLACK_S = 0.05
"""A sender beside a busy thread waits for the interpreter now and then; the ancestor's waited for seconds."""
TRIES = 3
NOBODY = 65534

mend = sys.modules["spark_plugin.capture.mend"]  # by its name one gets the function

Change = Callable[[Path], None]


class Swarm:
    """A coordinator."""


class Told(msgspec.Struct):
    """What a sender met with, and what was logged meanwhile."""

    acknowledged: dict[str, str] = {}
    states: dict[str, int] = {}
    errors: list[str] = []
    seconds: list[float] = []
    log: list[str] = []

    @property
    def p99_s(self) -> float:
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]


class Outcome(msgspec.Struct):
    """What became of a sender and of the store."""

    healthy: Told
    told: Told
    whole: dict[str, str]
    """Task by id of event, of what lay whole in the damaged file."""
    aside: list[str]
    after: Recovered


class Log(logging.Handler):
    """What was logged, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logging.getLogger("spark").addHandler(self)
        return self.lines

    def __exit__(self, *_: object) -> None:
        logging.getLogger("spark").removeHandler(self)


def bad_header(path: Path) -> None:
    overwrite(path, 0, 100)


def bad_first_page(path: Path) -> None:
    overwrite(path, 0, 4096)


def bad_pages(path: Path) -> None:
    """Some of those that hold events, and the root from which one finds them."""
    with closing(open_store(f"sqlite:///{path}")) as store:
        root = store._rows("SELECT rootpage FROM sqlite_master WHERE name = 'events'")[0][0]
    content = path.read_bytes()
    for part in (0.3, 0.6):
        overwrite(path, content.index(b'"old-%d"' % int(OLD * part)) // 4096 * 4096, 4096)
    overwrite(path, (root - 1) * 4096, 4096)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def a_letter(path: Path) -> None:
    path.write_text("this is a letter to my aunt, and no database\n" * 500)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_file_again(path: Path) -> None:
    path.rmdir()


def a_read_only_file(path: Path) -> None:
    path.chmod(0o444)


def a_read_only_directory(path: Path) -> None:
    path.parent.chmod(0o555)


def writable(path: Path) -> None:
    path.parent.chmod(0o755)
    path.chmod(0o644)


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


DAMAGED: tuple[Change, ...] = (bad_header, bad_first_page, bad_pages, truncated, a_letter)
IN_THE_WAY: dict[Change, Change] = {
    a_directory: a_file_again,
    a_read_only_file: writable,
    a_read_only_directory: writable,
}
"""What makes the store unusable for a while, and what makes it usable again."""
READ_ONLY = (a_read_only_file, a_read_only_directory)


def send(swarm: Swarm, name: str, n: int, told: Told) -> None:
    for i in range(n):
        began = time.perf_counter()
        try:
            answers = signals.task_posted.send(
                swarm, task_id=f"{name}{i}", event_id=f"{name}-{i}", description="x" * 200
            )
        except Exception as error:
            told.errors.append(repr(error))
            continue
        finally:
            told.seconds.append(time.perf_counter() - began)
        for _, receipt in answers:
            told.states[receipt.state] = told.states.get(receipt.state, 0) + 1
            if receipt.state == "journaled":
                told.acknowledged[receipt.event_id] = f"{name}{i}"


def stored(spark: Spark) -> bool:
    return any(spark.flush(30) for _ in range(20))  # it fails until the store is set aside, or can be used again


def live(url: str) -> Told:
    """A life without trouble."""
    told, swarm = Told(), Swarm()
    with register(swarm, settings=Settings(store=url)) as spark:
        send(swarm, "old", OLD, told)
        assert stored(spark)
    forget_snapshot(url)
    return told


def forget_snapshot(url: str) -> None:
    """Whoever starts next has to read all events, and so comes upon what is damaged."""
    with closing(open_store(url)) as store, store.transaction() as transaction:
        transaction._rows("DELETE FROM snapshots")


def send_beside_trouble(url: str, path: Path, lift: Change | None) -> Told:
    told, swarm = Told(), Swarm()
    with Log() as log, register(swarm, settings=Settings(store=url)) as spark:
        send(swarm, "new", NEW, told)
        if lift is not None:
            assert not spark.flush(30), "it was in the way"
            assert spark.trouble
            lift(path)
        if not stored(spark):
            told.errors.append(f"nothing is stored: {spark.trouble}")
        told.log = log
    return told


def run(folder: Path, harm: Change) -> Outcome:
    path = folder / "spark.db"
    url = f"sqlite:///{path}"
    healthy = live(url)
    lines = {row.data: row for row in opened(url)}
    harm(path)
    content = path.read_bytes() if path.is_file() else b""
    whole = {row.id: row.task_id or "" for line, row in lines.items() if line in content}
    with as_somebody_else(folder) if harm in READ_ONLY else nullcontext():
        told = send_beside_trouble(url, path, IN_THE_WAY.get(harm))
    return Outcome(healthy, told, whole, asides(path), started_again(url, path.with_name("spark.db.capture")))


def opened(url: str) -> list[EventRow]:
    with closing(open_store(url)) as store:
        return list(store.events(Filter()))


def asides(path: Path) -> list[str]:
    return [
        one.name
        for one in path.parent.glob("spark.db.damaged-*")
        if not one.name.endswith(("-wal", "-shm", "-journal"))
    ]


def judge(outcome: Outcome, harm: Change) -> None:
    told = outcome.told
    assert told.errors == []
    assert told.states == {"journaled": NEW}
    assert told.p99_s <= max(SLACK_S, 4 * outcome.healthy.p99_s), "the sender waited"
    assert len(outcome.aside) == (harm in DAMAGED), "a damaged store is set aside, once"
    assert all(any(name in line for line in told.log) for name in outcome.aside), "it is not named"
    recovered.judge(outcome.after, outcome.whole | told.acknowledged)


def judged(folder: Path, harm: Change) -> Outcome:
    """The figures, measured again when a sender had to wait: the machine is not ours alone."""
    for n in range(TRIES):
        (here := folder / f"{harm.__name__}{n}").mkdir()
        outcome = run(here, harm)
        if outcome.told.p99_s <= SLACK_S:
            break
    judge(outcome, harm)
    return outcome


@pytest.mark.fault("F11")
def test_a_damaged_store_is_set_aside_and_what_is_whole_is_saved(tmp_path, reached):
    slowest = 0.0
    saved = []
    for harm in DAMAGED:
        outcome = judged(tmp_path, harm)
        slowest = max(slowest, outcome.told.p99_s)
        saved.append(f"{len(outcome.whole)} ({harm.__name__.replace('_', ' ')})")
    reached(f"{len(DAMAGED)} damages: all journaled, p99 {slowest * 1e3:.1f} ms; saved of {OLD}: {', '.join(saved)}")


@pytest.mark.fault("F11")
def test_what_is_in_the_way_is_waited_for(reached):
    with tempfile.TemporaryDirectory(prefix="spark-f11-") as folder:
        Path(folder).chmod(0o755)
        for harm in IN_THE_WAY:
            judged(Path(folder), harm)
    names = ", ".join(harm.__name__.replace("_", " ") for harm in IN_THE_WAY)
    reached(f"{names}: all journaled, and stored when it was lifted")


@pytest.mark.fault("F11")
def test_other_processes_go_on_in_the_new_store(tmp_path, reached):
    """One finds the damage and begins a new store, while another is in the middle of its work."""
    outcome = run_beside_another(tmp_path)
    judge(outcome, bad_pages)
    reached(f"another process's {len(outcome.healthy.acknowledged)} events went on into the new store")


def run_beside_another(folder: Path) -> Outcome:
    path = folder / "spark.db"
    url = f"sqlite:///{path}"
    live(url)
    other, swarm, healthy, told = Swarm(), Swarm(), Told(), Told()
    with Log() as log, register(other, settings=Settings(store=url)) as going_on:
        send(other, "other", NEW, healthy)
        assert stored(going_on)
        assert going_on.events.count() == OLD + NEW
        forget_snapshot(url)
        bad_pages(path)
        with register(swarm, settings=Settings(store=url)) as finder:
            send(swarm, "new", NEW, told)
            assert stored(finder)
            send(other, "on", NEW, healthy)
            assert stored(going_on)
            if going_on.events.count() != finder.events.count():
                told.errors.append("they read from different stores")
    told.log = log
    healthy.acknowledged = {name: task for name, task in healthy.acknowledged.items() if name.startswith("on")}
    after = started_again(url, path.with_name("spark.db.capture"))
    return Outcome(healthy, told, healthy.acknowledged, asides(path), after)


@contextmanager
def as_somebody_else(folder: Path) -> Iterator[None]:
    """Nothing is read-only for root."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.mutant("F11", "now and then the sender waits")
def test_a_sender_that_waits_would_be_noticed(tmp_path, monkeypatch):
    take, calls = Capture.take, itertools.count()

    def take_and_wait(self: Capture, event: Event) -> Receipt:
        time.sleep(2 * SLACK_S * (next(calls) % 60 == 59))
        return take(self, event)

    healthy = live(f"sqlite:///{tmp_path / 'healthy.db'}")
    monkeypatch.setattr(Capture, "take", take_and_wait)
    outcome = run(tmp_path, bad_header)
    outcome.healthy = healthy
    with pytest.raises(AssertionError, match="the sender waited"):
        judge(outcome, bad_header)


@pytest.mark.mutant("F11", "the sender stores what it sends itself")
def test_a_sender_that_stores_would_meet_with_the_damage(tmp_path, monkeypatch):
    take = Capture.take

    def take_and_store(self: Capture, event: Event) -> Receipt:
        if event.id.startswith("new"):
            with closing(open_store(f"sqlite:///{tmp_path / 'spark.db'}")) as store, store.transaction():
                pass
        return take(self, event)

    monkeypatch.setattr(Capture, "take", take_and_store)
    with pytest.raises(AssertionError, match="journaled"):
        judge(run(tmp_path, bad_header), bad_header)


@pytest.mark.mutant("F11", "a damaged store is set aside unread")
def test_set_aside_unread_it_would_not_be_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(mend, "readable_events", lambda path: iter(()))
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge(run(tmp_path, bad_pages), bad_pages)


@pytest.mark.mutant("F11", "only what SQLite finds is saved")
def test_without_a_look_at_the_pages_less_would_be_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(Pages, "line", lambda self, position: None)
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge(run(tmp_path, bad_header), bad_header)


@pytest.mark.mutant("F11", "a damaged store is removed")
def test_removed_it_would_not_lie_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(mend, "set_aside", lambda path: path.unlink())
    with pytest.raises(AssertionError, match="set aside, once"):
        judge(run(tmp_path, bad_pages), bad_pages)


@pytest.mark.mutant("F11", "who has the store open goes on in the one set aside")
def test_going_on_in_the_old_store_events_would_be_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(Connection, "is_in_place", lambda self: True)
    outcome = run_beside_another(tmp_path)
    assert outcome.told.errors == ["they read from different stores"]
    with pytest.raises(AssertionError, match="acknowledged lost"):
        recovered.judge(outcome.after, outcome.whole)
