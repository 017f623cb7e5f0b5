"""Capture when the disk, the database, a plugin or an event is not as it should be."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spark_hooks import Receipt, hookimpl, signals
from spark_hooks.events import Event, TaskPosted
from spark_plugin import Settings, Spark, register
from spark_plugin.capture import Capture, Carrier, Drainer, JournalTerms, carrier, waiting
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.record import encode
from spark_plugin.errors import UnfitRow
from spark_plugin.projection import Projection, projection
from spark_plugin.store import EventRow, Filter, open_store, path_of, sqlite
from spark_plugin.store.sqlite import SqliteTransaction

Eventually = Callable[[Callable[[], object]], None]


class Swarm:
    """A coordinator."""


@pytest.fixture
def swarm() -> Swarm:
    return Swarm()


def post(swarm: Swarm, *tasks: str, **more: Any) -> list[Receipt]:
    """Post tasks; the event of each has the task's id."""
    return [
        receipt
        for task in tasks
        for _, receipt in signals.task_posted.send(swarm, task_id=task, description="", event_id=task, **more)
    ]


def states(receipts: Sequence[Receipt]) -> set[str]:
    return {receipt.state for receipt in receipts}


def stored(url: str) -> list[str]:
    with closing(open_store(url, create=False)) as store:
        return [row.id for row in store.events(Filter())]


def advice(spark: Spark) -> dict[str, str]:
    """The advisories about the health of this process, by id."""
    return {one.id: one.category for one in spark.hooks.advisories() if one.id.startswith("process:")}


@contextmanager
def locked(url: str) -> Iterator[sqlite3.Connection]:
    """A stranger holds the store's write lock."""
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield stranger
        stranger.execute("ROLLBACK")


# the store is away


def test_events_wait_in_the_journal_until_the_store_can_be_opened(
    swarm: Swarm, settings: Settings, url: str, directory: Path, impatient: None, eventually: Eventually
) -> None:
    in_the_way = path_of(url)
    in_the_way.mkdir()
    with register(swarm, settings=settings) as spark:
        assert states(post(swarm, "a", "b", "c")) == {"journaled"}
        assert spark.flush(30) is False
        assert spark.trouble is not None and "directory" in spark.trouble
        assert advice(spark) == {"process:capture-stalled": "system_health"}
        assert "3 wait" in spark.hooks.advisories()[0].title
        assert waiting(directory) == 3
        in_the_way.rmdir()
        assert states(post(swarm, "d")) == {"journaled"}
        eventually(lambda: spark.flush(5))
        assert spark.trouble is None
        assert advice(spark) == {}
        assert spark.ingested.stored == 4
    assert stored(url) == ["a", "b", "c", "d"]


def test_events_wait_while_a_stranger_holds_the_lock(
    swarm: Swarm, settings: Settings, url: str, impatient: None, eventually: Eventually
) -> None:
    open_store(url).close()
    with register(swarm, settings=settings) as spark:
        with locked(url):
            assert states(post(swarm, "a", "b")) == {"journaled"}
            assert spark.flush(30) is False
            assert spark.trouble is not None and "locked" in spark.trouble
            assert advice(spark) == {"process:capture-stalled": "system_health"}
            assert spark.status()["capture"]["lag"] == 2
            assert spark.status()["trouble"] == spark.trouble
            assert spark.events.count() == 0, "readers go on"
        eventually(lambda: spark.flush(5))
        assert (spark.trouble, spark.events.count()) == (None, 2)
    assert stored(url) == ["a", "b"]


def test_a_store_that_never_comes_leaves_the_events_to_the_next_start(
    swarm: Swarm, settings: Settings, url: str, directory: Path, impatient: None
) -> None:
    path_of(url).mkdir()
    with register(swarm, settings=settings):
        assert states(post(swarm, "a", "b")) == {"journaled"}
    assert waiting(directory) == 2
    path_of(url).rmdir()
    register(swarm, settings=settings).close()
    assert stored(url) == ["a", "b"]
    assert list(directory.iterdir()) == []


def test_what_was_known_is_still_said_while_the_store_is_locked(
    swarm: Swarm, settings: Settings, url: str, impatient: None, eventually: Eventually
) -> None:
    """Advice rests on what was learned so far; a lock in the way of the next batch does not unlearn it."""
    with register(swarm, settings=settings) as spark:
        for n in range(40):
            end = signals.task_failed if n % 2 else signals.task_completed
            post(swarm, f"t{n}")
            signals.task_assigned.send(swarm, task_id=f"t{n}", agent_id="bo" if n % 2 else "ada")
            end.send(swarm, task_id=f"t{n}", agent_id="bo" if n % 2 else "ada")
        post(swarm, "open", candidates=["ada", "bo"])
        assert spark.flush(60)
        before = spark.hooks.advisories(subject="bo")
        assert before
        choice = spark.hooks.recommend("open")
        with locked(url):
            post(swarm, "one more")
            eventually(lambda: spark.trouble)
            assert spark.hooks.advisories(subject="bo") == before
            assert spark.hooks.recommend("open") == choice
            assert spark.hooks.predict("open").success


def test_who_begins_while_a_stranger_holds_the_lock_knows_what_is_stored(
    swarm: Swarm, settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading takes no lock: the first question waits for the state to be read, and for nothing else."""
    monkeypatch.setattr(sqlite, "BUSY_S", 2 * projection.PATIENCE_S)
    with register(swarm, settings=settings) as spark:
        post(swarm, "a", candidates=["ada"])
        assert spark.flush(60)
    with locked(url), register(swarm, settings=settings) as spark:
        assert spark.hooks.predict("a").success


def test_a_state_that_never_comes_is_waited_for_once(swarm: Swarm, settings: Settings, url: str) -> None:
    """Over all questions, not at each: an event loop has other things to do."""
    open_store(url).close()
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as stranger:
        stranger.execute("PRAGMA locking_mode = EXCLUSIVE")
        stranger.execute("BEGIN EXCLUSIVE")
        with register(swarm, settings=settings) as spark:
            start = time.monotonic()
            for _ in range(40):
                assert spark.hooks.advisories(subject="ada") == []
            assert time.monotonic() - start < 10 * projection.PATIENCE_S
            stranger.execute("ROLLBACK")
            stranger.close()


def test_a_lock_is_tried_again_at_once_and_not_ever_less_often(
    swarm: Swarm, settings: Settings, url: str, impatient: None, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody flushes here: that would wake the drainer."""
    monkeypatch.setattr(carrier, "LAST_RETRY_S", 3600.0)
    open_store(url).close()
    with register(swarm, settings=settings) as spark:
        with locked(url):
            post(swarm, "a")
            eventually(lambda: spark.trouble)
            time.sleep(2.0)
        released = time.monotonic()
        eventually(lambda: spark.events.count() == 1)
        assert time.monotonic() - released < 1.0
    assert stored(url) == ["a"]


def test_a_store_replaced_by_something_else_is_told_and_never_overwritten(
    swarm: Swarm, settings: Settings, url: str, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    path_of(url).write_bytes(b"Dear diary, " * 500)
    with register(swarm, settings=settings) as spark:
        assert states(post(swarm, "a")) == {"journaled"}
        while not spark.flush(60):
            assert "no database" in (spark.trouble or "")
    [aside] = path_of(url).parent.glob("spark.db.damaged-*")
    assert aside.read_bytes() == b"Dear diary, " * 500
    assert aside.name in caplog.text
    assert stored(url) == ["a"]


def test_a_store_set_aside_while_spark_runs_is_made_anew(
    swarm: Swarm, settings: Settings, url: str, impatient: None, eventually: Eventually
) -> None:
    """As an operator does with a damaged one: the error closes the connection, the next try finds the new file."""
    with register(swarm, settings=settings) as spark:
        post(swarm, "a")
        assert spark.flush(60)
        with locked(url):
            post(swarm, "b")
            eventually(lambda: spark.trouble)
            for file in path_of(url).parent.glob("spark.db*"):
                if file.is_file():
                    file.rename(file.with_name(f"old-{file.name}"))
        eventually(lambda: spark.flush(5))
    assert stored(url) == ["b"]


# the journal is away


def test_a_journal_that_cannot_be_written_drops_and_says_so(
    swarm: Swarm, settings: Settings, directory: Path, impatient: None
) -> None:
    directory.write_text("in the way")
    with register(swarm, settings=settings) as spark:
        receipts = post(swarm, "a", "b") + [receipt for _, receipt in signals.agent_joined.send(swarm, agent_id="ada")]
        assert states(receipts) == {"dropped"}
        assert all(str(directory) in receipt.reason for receipt in receipts)
        assert [receipt.event_id for receipt in receipts[:2]] == ["a", "b"]
        assert spark.flush(1) is False
        assert spark.trouble is not None and "cannot be written" in spark.trouble
        dropped = [one for one in spark.hooks.advisories() if one.id == "process:capture-dropped"]
        assert [one.evidence_count for one in dropped] == [3]
        assert dropped[0].detail == "Lost for good: 1 agent_joined, 2 task_posted."
        assert dropped[0].category == "system_health"


def test_what_was_dropped_is_counted_in_the_status(
    swarm: Swarm, settings: Settings, directory: Path, impatient: None
) -> None:
    directory.write_text("in the way")
    with register(swarm, settings=settings) as spark:
        post(swarm, "a", "b")
        assert spark.status()["capture"]["dropped"] == 2


def test_types_of_dropped_events_beyond_a_bound_are_counted_together(
    swarm: Swarm, settings: Settings, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spark_plugin.capture.capture.MAX_KINDS", 3)
    directory.write_text("in the way")
    with register(swarm, settings=settings) as spark:
        for n in range(10):
            signals.custom.send(swarm, type=f"kind-{n}")
        assert spark.status()["capture"]["dropped"] == 10
        [dropped] = [one for one in spark.hooks.advisories() if one.id == "process:capture-dropped"]
        assert dropped.detail == "Lost for good: 7 (other types), 1 kind-0, 1 kind-1, 1 kind-2."


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_drops_until_there_is_room_again(
    swarm: Swarm,
    settings: Settings,
    url: str,
    small_segments: int,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
) -> None:
    with register(swarm, settings=settings) as spark:
        with monkeypatch.context() as disk:
            disk.setattr("os.posix_fallocate", no_space)
            receipts = post(swarm, *(f"e{n}" for n in range(100)))
            assert states(receipts) == {"journaled", "dropped"}
            assert "No space left" in receipts[-1].reason
        eventually(lambda: receipts.extend(post(swarm, f"after{len(receipts)}")) or receipts[-1].state == "journaled")
        eventually(lambda: spark.flush(5))
        lost = sum(receipt.state == "dropped" for receipt in receipts)
        assert spark.status()["capture"]["dropped"] == lost
        assert "process:capture-dropped" in advice(spark)
    assert stored(url) == [receipt.event_id for receipt in receipts if receipt.state == "journaled"]


def test_a_full_disk_is_left_alone_for_a_while(
    directory: Path, small_segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be told again and again that there is no room costs senders milliseconds each time."""
    journal = Journal(directory)
    asked: list[object] = []

    def no_space_again(*what: object) -> None:
        asked.append(what)
        no_space()

    with monkeypatch.context() as disk:
        disk.setattr("os.posix_fallocate", no_space_again)
        for _ in range(100):
            with suppress(OSError):
                journal.append(bytes(1000))
        assert len(asked) == 1
    journal._no_room_until = time.monotonic()
    journal.append(bytes(1000))
    journal.close(drained=True)


def test_while_the_disk_is_full_what_was_journaled_is_stored(
    swarm: Swarm, settings: Settings, small_segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for the next segment is no reason not to empty the last one: that is what makes room."""
    with register(swarm, settings=settings) as spark, monkeypatch.context() as disk:
        assert spark.flush(60)
        disk.setattr("os.posix_fallocate", no_space)
        assert states(post(swarm, *(f"e{n}" for n in range(15)))) == {"journaled"}
        assert spark.flush(60)
        assert spark.events.count() == 15


def test_an_event_too_large_for_the_journal_is_dropped_alone(
    swarm: Swarm, settings: Settings, url: str, small_segments: int
) -> None:
    with register(swarm, settings=settings) as spark:
        [large] = post(swarm, "large", note="x" * 5000)
        assert large.state == "dropped" and "at most 2048" in large.reason
        assert states(post(swarm, "small")) == {"journaled"}
        assert spark.flush(60)
    assert stored(url) == ["small"]


# an event that cannot be stored


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store takes the event "poison"."""
    append = SqliteTransaction.append

    def picky(transaction: SqliteTransaction, rows: Sequence[EventRow]) -> None:
        if any(row.id == "poison" for row in rows):
            raise UnfitRow("here", "cannot be kept")
        append(transaction, rows)

    monkeypatch.setattr(SqliteTransaction, "append", picky)


def test_a_poison_event_is_buried_alone(swarm: Swarm, settings: Settings, url: str, poison: None) -> None:
    with register(swarm, settings=settings) as spark:
        assert states(post(swarm, "a", "b", "poison", "c")) == {"journaled"}
        assert spark.flush(60)
        assert spark.trouble is None
        assert spark.ingested == (3, 0, 1)
        assert spark.status()["capture"]["dead_letters"] == 1
        assert spark.status()["tasks"]["open"] == 3
    assert stored(url) == ["a", "b", "c"]
    with closing(open_store(url)) as store:
        [letter] = store.dead_letters(100)
    assert (letter.id, letter.type, letter.reason) == ("poison", "task_posted", "cannot be kept")


def test_a_poison_event_of_a_dead_process_is_buried_alone(
    swarm: Swarm, settings: Settings, url: str, directory: Path, poison: None
) -> None:
    left_behind(directory, *(whole(name) for name in ("a", "poison", "b")))
    with register(swarm, settings=settings):
        pass
    assert stored(url) == ["a", "b"]
    assert list(directory.iterdir()) == []


def whole(name: str) -> bytes:
    """A journal record, as a process of the past wrote it."""
    return encode(TaskPosted(task_id=name, description="", id=name, source="/old", time=1.0, writer="old"))


def left_behind(directory: Path, *records: bytes) -> None:
    """The set of a process that died."""
    journal = Journal(directory)
    for record in records:
        journal.append(record)
    journal.close(drained=False)


@pytest.mark.parametrize("record", [b"\xc1", b"garbage", b"\x81\xa1$\xa6future"])
def test_a_record_that_cannot_be_read_is_buried_alone(
    swarm: Swarm, settings: Settings, url: str, directory: Path, record: bytes
) -> None:
    left_behind(directory, whole("a"), record, whole("b"), record)
    with register(swarm, settings=settings) as spark:
        post(swarm, "c")
        assert spark.flush(60)
        assert spark.status()["capture"]["dead_letters"] == 1
    assert stored(url) == ["a", "b", "c"]


# plugins in the way


class Redactor:
    """Takes a secret out of texts."""

    def __init__(self, by: str = "[gone]") -> None:
        self.by = by

    @hookimpl
    def redact(self, text: str) -> str:
        return text.replace("hunter2", self.by)


def test_secrets_are_redacted_before_they_are_stored(swarm: Swarm, settings: Settings) -> None:
    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Redactor())
        signals.task_posted.send(
            swarm,
            task_id="t1",
            description="password=hunter2",
            candidates=["hunter2"],
            event_id="with hunter2",
            note={"deep": ["hunter2", {"hunter2": 1}]},
        )
        assert spark.flush(60)
        [row] = spark.events.query()
    assert row["data"]["description"] == "password=[gone]"
    assert row["data"]["candidates"] == ["[gone]"]
    assert row["data"]["note"] == {"deep": ["[gone]", {"[gone]": 1}]}
    assert row["id"] == "with hunter2", "identity stays: two events must not become one"


def test_once_stored_a_secret_is_nowhere_on_the_disk(swarm: Swarm, settings: Settings, url: str) -> None:
    """Not in the store and its log, and no longer in the journal either."""

    def secrets() -> list[str]:
        files = [file for file in path_of(url).parent.rglob("*") if file.is_file()]
        return [file.name for file in files if b"hunter2" in file.read_bytes()]

    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Redactor())
        post(swarm, "a", note="password=hunter2")
        assert spark.flush(60)
        assert secrets() == []
    assert secrets() == []


def test_an_event_of_which_redaction_leaves_nothing_is_buried_not_lost(
    swarm: Swarm, settings: Settings, url: str
) -> None:
    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Redactor(by=""))
        assert states(post(swarm, "a", "hunter2", "b")) == {"journaled"}
        assert spark.flush(60)
        assert spark.status()["capture"]["dead_letters"] == 1
    assert stored(url) == ["a", "b"]


def test_a_redactor_that_raises_is_counted_and_stops_nobody(
    swarm: Swarm, settings: Settings, url: str, eventually: Eventually
) -> None:
    class Broken:
        @hookimpl
        def redact(self, text: str) -> str:
            raise RuntimeError("no idea")

    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Broken())
        post(swarm, "a")
        assert spark.flush(60)
        eventually(lambda: spark.status()["capture"]["plugin_errors"] > 0)
    assert stored(url) == ["a"]


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), GeneratorExit()], ids=repr)
def test_a_detector_that_exits_does_not_end_the_storing(swarm: Swarm, settings: Settings, error: BaseException) -> None:
    class Exiting:
        name = "exiting"

        def detect(self, view: object, touched: object) -> list[object]:
            raise error

        @hookimpl
        def advisory_detectors(self) -> list[object]:
            return [self]

    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Exiting())
        for n in range(3):
            signals.agent_joined.send(swarm, agent_id=f"a{n}")
            assert spark.flush(60), spark.trouble
        assert spark.events.count() == 3
        assert spark.status()["agents"] == 3


def test_what_a_plugin_does_to_an_event_is_neither_stored_nor_in_its_way(swarm: Swarm, settings: Settings) -> None:
    class Scribbling:
        @hookimpl
        def score_importance(self, event: Event) -> float:
            event.extra["note"].append(object())
            event.extra["mine"] = object()
            msgspec.structs.force_setattr(event, "task_id", "other")
            return 0.9

    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Scribbling())
        post(swarm, "a", note=["as it was"])
        assert spark.flush(60), spark.trouble
        [row] = spark.events.query()
    assert (row["task_id"], row["importance"], row["data"]["note"]) == ("a", 0.9, ["as it was"])
    assert "mine" not in row["data"]


# the end


def test_an_event_sent_while_spark_closes_is_stored_or_refused(
    swarm: Swarm, settings: Settings, url: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender in another thread may get its receipt between the drainer's last look and the journal's end."""
    spark = register(swarm, settings=settings)
    late: list[Receipt] = []
    close = Journal.close

    def close_after_a_late_event(journal: Journal, **how: Any) -> None:
        assert spark._capture is not None
        event = TaskPosted(task_id="late", description="", id="late", source="/Swarm", time=1.0, writer="w")
        late.append(spark._capture.take(event))
        close(journal, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "close", close_after_a_late_event)
        post(swarm, "early")
        spark.close()
    [receipt] = late
    register(swarm, settings=settings).close()
    assert stored(url) == ["early", *(["late"] if receipt.state == "journaled" else [])]


def test_what_was_sent_before_the_end_is_stored_when_it_has_come(
    url: str, directory: Path, eventually: Eventually
) -> None:
    """Sent and closed just after the drainer found its journal empty: it has to look once more."""
    started, taken = threading.Event(), threading.Event()

    def in_the_middle_of_a_step() -> dict[str, int]:
        if started.is_set() and not taken.is_set():
            event = TaskPosted(task_id="t", description="", id="last", source="/s", time=1.0)
            assert capture.take(event).state == "journaled"
            taken.set()
            eventually(lambda: drainers and drainers[0]._stop_asked)
        return {}

    class Crew:
        def begin(self, journal, tallies, told):
            carrier = Carrier(
                directory,
                lambda durable: open_store(url),
                Projection(),
                batch=10,
                durable=False,
                redact=lambda: None,
            )
            drainers.append(Drainer(journal, carrier, tallies=tallies, told=told))
            return drainers[0]

        def renew(self, wake): ...

    drainers: list[Drainer] = []
    capture = Capture(directory, JournalTerms(), Crew(), tallies=in_the_middle_of_a_step)
    started.set()
    assert taken.wait(60)
    capture.close()
    assert stored(url) == ["last"]


def test_what_was_counted_before_the_end_is_told(swarm: Swarm, settings: Settings, url: str) -> None:
    """However short before: counts are taken once more when there are no more events."""
    for n in range(20):
        with register(swarm, settings=settings) as spark:
            post(swarm, f"t{n}")
            assert spark.flush(60)
            assert states(post(swarm, "")) == {"rejected"}
    with closing(open_store(url)) as store:
        assert store.counters()["rejected"] == 20


def test_what_is_refused_after_the_end_says_so(swarm: Swarm, settings: Settings, url: str) -> None:
    spark = register(swarm, settings=settings)
    assert spark._capture is not None
    spark.close()
    receipt = spark._capture.take(TaskPosted(task_id="t", description="", id="late", source="/s", time=1.0))
    assert (receipt.event_id, receipt.state, receipt.reason) == ("late", "dropped", "closed")
    assert stored(url) == []


def test_rejected_events_are_counted_in_the_store(
    swarm: Swarm, settings: Settings, url: str, eventually: Eventually
) -> None:
    with register(swarm, settings=settings) as spark:
        [(_, receipt)] = signals.task_posted.send(swarm, task_id="", description="")
        assert receipt.state == "rejected" and "task_id" in receipt.reason
        eventually(lambda: spark.status()["capture"]["rejected"] == 1)
    with register(swarm, settings=settings) as spark:
        signals.task_posted.send(swarm, task_id=None, description="")
    with closing(open_store(url)) as store:
        assert store.counters()["rejected"] == 2
