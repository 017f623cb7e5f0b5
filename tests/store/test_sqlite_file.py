"""The SQLite store and its file: where it may be, what it refuses, what it leaves alone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from spark_plugin.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from spark_plugin.store import EventRow, Filter, open_store, path_of, sqlite

EVENT = EventRow(1, "/swarm", "e1", "task_posted", "t1", None, 0.0, 0.5, b"{}")


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spark.db"


@pytest.fixture
def stored(file: Path) -> Path:
    """A store with one event in it."""
    with closing(open_store(url_of(file))) as store, store.transaction() as transaction:
        transaction.append([EVENT])
    return file


@contextmanager
def changed_by_hand(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db, db:
        yield db


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///spark.db", "spark.db"),
        ("sqlite:///data/spark.db", "data/spark.db"),
        ("sqlite:////var/spark.db", "/var/spark.db"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: str) -> None:
    assert path_of(url) == Path(path)


def test_a_tilde_is_the_home_directory() -> None:
    assert path_of("sqlite:///~/spark.db") == Path.home() / "spark.db"


@pytest.mark.parametrize(
    "url", ["", "spark.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql:///x", "/tmp/x.db"]
)
def test_what_is_no_url_of_a_store_is_refused_with_advice(url: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:///relative\.db"):
        path_of(url)
    with pytest.raises(StoreError):
        open_store(url)


def test_the_directory_is_made_with_the_store(tmp_path: Path) -> None:
    with closing(open_store(url_of(tmp_path / "a" / "b" / "spark.db"))) as store:
        assert store.position() == 0
    assert (tmp_path / "a" / "b" / "spark.db").exists()


def test_a_store_of_a_newer_spark_is_refused_and_left_alone(stored: Path) -> None:
    with changed_by_hand(stored) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(sqlite.SCHEMA + 1),))
    before = stored.read_bytes()
    for create in (True, False):
        with pytest.raises(StoreTooNew, match="upgrade"):
            open_store(url_of(stored), create=create)
    assert stored.read_bytes() == before


def test_a_store_with_a_schema_that_is_no_number_is_no_store(stored: Path) -> None:
    with changed_by_hand(stored) as db:
        db.execute("UPDATE meta SET value = 'one' WHERE key = 'schema'")
    with pytest.raises(StoreError):
        open_store(url_of(stored))


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_corrupt_and_left_alone(file: Path, create: bool) -> None:
    file.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreCorrupt):
        open_store(url_of(file), create=create)
    assert file.read_bytes() == b"Dear diary, " * 1000


def test_a_database_of_somebody_else_is_left_alone(file: Path) -> None:
    with changed_by_hand(file) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(StoreCorrupt, match="no Spark store"):
        open_store(url_of(file))
    assert file.read_bytes() == before


def test_a_damaged_page_is_corrupt(stored: Path) -> None:
    with closing(open_store(url_of(stored))) as store, store.transaction() as transaction:
        transaction.append(
            [EventRow(n, "/swarm", f"e{n}", "task_posted", None, None, 0.0, 0.5, b"x" * 500) for n in range(2, 400)]
        )
    content = bytearray(stored.read_bytes())
    content[8192:-4096] = b"\xa5" * (len(content) - 8192 - 4096)
    stored.write_bytes(content)
    with pytest.raises(StoreCorrupt), closing(open_store(url_of(stored))) as store:
        list(store.events(Filter()))


def test_a_truncated_file_is_told_and_not_read_as_empty(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:5000])
    with pytest.raises(StoreError), closing(open_store(url_of(stored))) as store:
        store.events(Filter())


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="directory"):
        open_store(url_of(tmp_path))


def test_a_path_under_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(StoreUnavailable):
        open_store(url_of(tmp_path / "plain" / "spark.db"))


def test_a_place_where_nothing_can_be_written_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        open_store(url_of(Path("/proc/spark.db")))


@pytest.mark.parametrize("create", [True, False])
def test_a_name_that_the_system_refuses_is_unavailable(tmp_path: Path, create: bool) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(url_of(tmp_path / ("x" * 300)), create=create)


def test_a_missing_store_reads_as_empty_and_is_not_made(tmp_path: Path) -> None:
    with closing(open_store(url_of(tmp_path / "a" / "spark.db"), create=False)) as store:
        assert store.position() == 0
        assert list(store.events(Filter())) == []
        assert list(store.tasks()) == []
        assert store.check() == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_reads_as_empty_and_stays_empty(file: Path) -> None:
    file.touch()
    with closing(open_store(url_of(file), create=False)) as store:
        assert store.position() == 0
    assert file.stat().st_size == 0


def test_an_empty_file_is_made_a_store_when_one_is_wanted(file: Path) -> None:
    file.touch()
    with closing(open_store(url_of(file))) as store, store.transaction() as transaction:
        transaction.append([EVENT])
    with closing(open_store(url_of(file))) as store:
        assert store.position() == 1


def test_reading_does_not_change_the_file(stored: Path) -> None:
    before = stored.read_bytes()
    with closing(open_store(url_of(stored), create=False)) as store:
        assert list(store.events(Filter())) == [EVENT]
    assert stored.read_bytes() == before


def test_a_store_locked_by_somebody_else_is_unavailable_for_now(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    with closing(open_store(url_of(stored))) as store:
        with closing(sqlite3.connect(stored, isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"), store.transaction():
                pass
            assert store.position() == 1, "readers go on"
            stranger.execute("ROLLBACK")
        with store.transaction() as transaction:
            assert transaction.position() == 1


def test_a_store_that_another_process_is_just_making_is_waited_for(file: Path) -> None:
    """The first start of several processes at once: the file is there, its tables are not, and it is locked."""
    another = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    with closing(another):
        another.execute("BEGIN IMMEDIATE")
        soon = threading.Timer(0.2, another.execute, ["ROLLBACK"])
        soon.start()
        try:
            with closing(open_store(url_of(file))) as store:
                assert store.position() == 0
        finally:
            soon.join(60)


LOCKED_OUT = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    assert "locked" in str(error), error
else:
    sys.exit("not locked out")
"""


def test_who_makes_the_file_takes_nobodys_locks_away(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that closes any descriptor of a file loses all its locks on that file (howtocorrupt.html, 2.2)."""
    close, made = os.close, threading.Event()

    def slowly(descriptor: int) -> None:
        made.set()
        time.sleep(0.3)  # here comes the other one
        close(descriptor)

    monkeypatch.setattr(os, "close", slowly)
    maker = threading.Thread(target=lambda: sqlite._connect(file).close())
    maker.start()
    assert made.wait(60)
    with closing(sqlite._connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        maker.join(60)
        monkeypatch.undo()
        subprocess.run([sys.executable, "-c", LOCKED_OUT, str(file)], check=True, timeout=60)


def test_readers_cannot_write(stored: Path) -> None:
    with closing(open_store(url_of(stored))) as store:
        assert isinstance(store, sqlite.SqliteStore)
        with pytest.raises(StoreError):
            store._rows("DELETE FROM events")
        assert store.position() == 1


def test_errors_say_where_what_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store(url_of(tmp_path))
    assert str(caught.value) == f"store {url_of(tmp_path)}: is a directory; name a file"
    assert caught.value.where == url_of(tmp_path)
    assert caught.value.reason == "is a directory"


def test_a_store_whose_maker_died_before_write_ahead_logging_gets_it_from_the_next(stored: Path) -> None:
    with closing(sqlite3.connect(stored)) as db:
        assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with closing(open_store(url_of(stored))) as store:
        assert store.position() == 1
    with closing(sqlite3.connect(stored)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only for root")
def test_a_store_that_was_read_only_for_a_while_can_be_written_again(stored: Path) -> None:
    check_that_it_can_be_written_again(stored)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_store_that_was_read_only_for_a_while_can_be_written_again_by_somebody_else() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spark.db"
        open_store(url_of(path)).close()
        for one in (path.parent, path):
            os.chown(one, 65534, 65534)
        os.seteuid(65534)
        try:
            check_that_it_can_be_written_again(path)
        finally:
            os.seteuid(0)


def check_that_it_can_be_written_again(path: Path) -> None:
    path.chmod(0o444)
    with closing(open_store(url_of(path))) as store:
        with pytest.raises(StoreUnavailable, match="readonly"), store.transaction() as transaction:
            transaction.append([msgspec.structs.replace(EVENT, position=2, id="in vain")])
        path.chmod(0o644)
    with closing(open_store(url_of(path))) as store, store.transaction() as transaction:
        transaction.append([msgspec.structs.replace(EVENT, position=transaction.position() + 1, id="new")])
