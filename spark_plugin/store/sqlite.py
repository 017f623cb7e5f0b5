"""The event store on SQLite, in WAL mode: one connection writes, another reads."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from msgspec.structs import astuple

from spark_plugin import forks
from spark_plugin.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from spark_plugin.store.base import DeadLetter, DerivedRow, EventRow, Filter
from spark_plugin.store.connection import Connection
from spark_plugin.store.driver import translated

SCHEMA = 1
"""Version of the schema that this Spark reads and writes."""
BUSY_S = 5.0
CACHE_KIB = 16 * 1024
NOT_OURS = "move the file away, or point SPARK_STORE to another one"
_making = forks.Lock()
"""Nobody connects to a file whose maker has not closed it: to close it takes the locks of the whole process away."""
_IDS_AT_ONCE = 500  # older builds of SQLite take at most 999 values a statement

_EVENT = "position, source, id, type, task_id, agent_id, time, importance, data"
_DERIVED = "position, kind, subject, time, importance, data, task_position, task_id, agent_id"


class SqliteReader:
    """Reads over one connection, one thread at a time."""

    def __init__(self, connected: Callable[[], sqlite3.Connection], where: str) -> None:
        self._connected = connected
        self._where = where
        self._lock = threading.RLock()

    def position(self) -> int:
        return int(self._rows("SELECT coalesce(max(position), 0) FROM events")[0][0])

    def events(self, which: Filter, *, limit: int | None = None, newest_first: bool = False) -> list[EventRow]:
        where, values = _where(which, "type")
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {_EVENT} FROM events {where} ORDER BY position {order} LIMIT ?"
        return [EventRow(*row) for row in self._rows(sql, (*values, -1 if limit is None else limit))]

    def heard_of(self, tasks: Iterable[str], before: int) -> set[str]:
        found: set[str] = set()
        for some in _portions(tasks):
            marks = ",".join("?" * len(some))
            sql = f"SELECT DISTINCT task_id FROM events WHERE task_id IN ({marks}) AND position < ?"
            found.update(task for (task,) in self._rows(sql, (*some, before)))
        return found

    def count(self, which: Filter) -> int:
        if which == Filter():
            return self.position()
        where, values = _where(which, "type")
        return int(self._rows(f"SELECT count(*) FROM events {where}", values)[0][0])

    def derived(self, which: Filter, *, limit: int | None = None, newest_first: bool = False) -> list[DerivedRow]:
        where, values = _where(which, "kind")
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {_DERIVED} FROM derived {where} ORDER BY position {order}, kind {order}, subject {order} LIMIT ?"
        return [DerivedRow(*row) for row in self._rows(sql, (*values, -1 if limit is None else limit))]

    def derived_of_task(self, task_position: int) -> list[DerivedRow]:
        sql = f"SELECT {_DERIVED} FROM derived WHERE task_position = ? ORDER BY position, kind"
        return [DerivedRow(*row) for row in self._rows(sql, (task_position,))]

    def model(self, kind: str, key: str) -> bytes | None:
        rows = self._rows("SELECT data FROM read_models WHERE kind = ? AND key = ?", (kind, key))
        return rows[0][0] if rows else None

    def models(self, kind: str) -> dict[str, bytes]:
        return dict(self._rows("SELECT key, data FROM read_models WHERE kind = ? ORDER BY key", (kind,)))

    def counters(self) -> dict[str, int]:
        return dict(self._rows("SELECT name, CAST(n AS INTEGER) FROM counters ORDER BY name"))

    def snapshot(self, version: str) -> bytes | None:
        rows = self._rows("SELECT data FROM snapshots WHERE version = ?", (version,))
        return rows[0][0] if rows else None

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock, translated(self._where):
            return self._connected().execute(sql, values).fetchall()


class SqliteTransaction(SqliteReader):
    """The open write transaction."""

    def known(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        # One source at a time: SQLite searches its index for "source = ? AND id IN", but scans it for pairs.
        by_source: dict[str, list[str]] = {}
        for source, event_id in keys:
            by_source.setdefault(source, []).append(event_id)
        found: set[tuple[str, str]] = set()
        for source, ids in by_source.items():
            for some in _portions(ids):
                marks = ",".join("?" * len(some))
                sql = f"SELECT source, id FROM events WHERE source = ? AND id IN ({marks})"
                found.update(self._rows(sql, (source, *some)))
        return found

    def append(self, rows: Sequence[EventRow]) -> None:
        self._many(f"INSERT INTO events ({_EVENT}) VALUES (?,?,?,?,?,?,?,?,?)", map(astuple, rows))

    def derive(self, rows: Sequence[DerivedRow]) -> None:
        self._many(f"INSERT OR IGNORE INTO derived ({_DERIVED}) VALUES (?,?,?,?,?,?,?,?,?)", map(astuple, rows))

    def publish(self, kind: str, rows: Mapping[str, bytes | None]) -> None:
        self._many(
            "INSERT INTO read_models (kind, key, data) VALUES (?,?,?)"
            " ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
            ((kind, key, data) for key, data in rows.items() if data is not None),
        )
        self._many(
            "DELETE FROM read_models WHERE kind = ? AND key = ?",
            ((kind, key) for key, data in rows.items() if data is None),
        )

    def reset_models(self) -> None:
        self._rows("DELETE FROM read_models")
        self._rows("DELETE FROM snapshots")

    def set_importance(self, scores: Mapping[int, float]) -> None:
        self._many(
            "UPDATE events SET importance = ? WHERE position = ?",
            ((score, position) for position, score in scores.items()),
        )

    def save_snapshot(self, version: str, data: bytes) -> None:
        self._rows("DELETE FROM snapshots")
        self._rows("INSERT INTO snapshots (version, data) VALUES (?,?)", (version, data))

    def count_up(self, amounts: Mapping[str, int]) -> None:
        self._many(
            "INSERT INTO counters (name, n) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
            amounts.items(),
        )

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        self._many(
            "INSERT OR IGNORE INTO dead_letters (source, id, type, reason) VALUES (?,?,?,?)",
            ((letter.source, letter.id, letter.type, letter.reason) for letter in letters),
        )

    def _many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._lock, translated(self._where):
            self._connected().executemany(sql, rows)


class SqliteStore(SqliteReader):
    """A store in one SQLite file, made on first use.

    Raises `StoreUnavailable`, `StoreCorrupt` or `StoreTooNew` when the file cannot serve. Without `create`, a missing
    file reads as an empty store and nothing is made.
    """

    def __init__(self, path: Path, url: str, *, create: bool = True, durable: bool = False) -> None:
        self.url = url
        self.path = path
        self._durable = durable
        self._write_lock = threading.RLock()
        with translated(url):
            if path.is_dir():
                raise StoreUnavailable(url, "is a directory", "name a file")
            target = path if create or has_store(path) else None
            self._writing = Connection(target, lambda: self._connect(target))
            self._reading = self._writing if target is None else Connection(target, lambda: _connect_to_read(target))
            super().__init__(self._reading, url)
            forks.let_go(self)
            self._open()

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        with self._write_lock:
            with translated(self.url):
                writer = self._begun()
            try:
                yield SqliteTransaction(lambda: writer, self.url)
                with translated(self.url):
                    writer.execute("COMMIT")
            except BaseException:
                with translated(self.url):
                    if writer.in_transaction:
                        writer.execute("ROLLBACK")
                raise

    def tasks(self, *, limit: int | None = None) -> Iterator[int]:
        order = "ASC" if limit is None else "DESC"
        last = 0 if limit is None else 2**62
        left = limit
        while left is None or left > 0:
            compare = ">" if limit is None else "<"
            rows = self._rows(
                "SELECT DISTINCT task_position FROM derived WHERE task_position IS NOT NULL"
                f" AND task_position {compare} ? ORDER BY task_position {order} LIMIT ?",
                (last, 1000 if left is None else min(left, 1000)),
            )
            yield from (position for (position,) in rows)
            if not rows:
                return
            last = rows[-1][0]
            left = None if left is None else left - len(rows)

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        rows = self._rows("SELECT source, id, type, reason FROM dead_letters ORDER BY source, id LIMIT ?", (limit,))
        return [DeadLetter(*row) for row in rows]

    def buried(self) -> int:
        return int(self._rows("SELECT count(*) FROM dead_letters")[0][0])

    def check(self) -> list[str]:
        wrong = [str(row[0]) for row in self._rows("PRAGMA quick_check") if row[0] != "ok"]
        if (gaps := self.position() - int(self._rows("SELECT count(*) FROM events")[0][0])) != 0:
            wrong.append(f"{gaps} positions are missing")
        return wrong

    def close(self) -> None:
        with self._lock:
            self._reading.close()
            self._writing.close()

    def hold(self, seconds: float) -> bool:
        """Before a fork: wait until nobody uses the file, and let go of it."""
        end = time.monotonic() + seconds
        if not self._write_lock.acquire(timeout=seconds):
            return False
        if self._writing.in_transaction or not self._lock.acquire(timeout=max(0.0, end - time.monotonic())):
            self._write_lock.release()  # in a transaction: one of this very thread, which forks in the middle of it
            return False
        self._reading.let_go()
        self._writing.let_go()
        return True

    def resume(self) -> None:
        """After a fork: the file is opened again when it is needed, in the parent and in the child."""
        self._lock.release()
        self._write_lock.release()

    def _open(self) -> None:
        """Open it now, under the lock: a fork that could take it meanwhile would miss what is open a moment later."""
        with self._write_lock:
            self._writing()

    def _begun(self) -> sqlite3.Connection:
        """The connection that writes, in a transaction on the file that is there now."""
        while True:
            writer = self._writing()
            writer.execute("BEGIN IMMEDIATE")
            if self._writing.is_in_place():
                return writer
            writer.execute("ROLLBACK")  # set aside by whoever we waited for

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            _no_longer_read_only(path)
        db = _connect(path)
        try:
            db.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            _prepare(db, self.url)
        except BaseException:
            db.close()
            raise
        return db


def has_store(path: Path) -> bool:
    """Whether there is anything in the file. Raises `OSError` where the system refuses to say."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _making(), suppress(FileExistsError):  # what agents write is for its owner alone
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(
        ":memory:" if path is None else path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return db


def _no_longer_read_only(path: Path) -> None:
    """SQLite gives the files beside a store its permissions: those made while it was read-only would remain so."""
    for beside in (path.with_name(path.name + end) for end in ("-wal", "-shm")):
        with suppress(OSError):
            if path.stat().st_mode & ~beside.stat().st_mode & stat.S_IWUSR:
                beside.chmod(path.stat().st_mode)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    if not has_store(path):
        raise OSError("it was taken away")
    db = _connect(path)
    db.execute("PRAGMA query_only = ON")
    return db


def _prepare(db: sqlite3.Connection, url: str) -> None:
    """Make the tables where there are none; refuse a file that is a stranger's or a newer Spark's."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():  # another process may have been quicker
            for statement in resources.files(__package__).joinpath("schema.sql").read_text("utf-8").split(";"):
                db.execute(statement)
            db.execute("INSERT INTO meta (key, value) VALUES ('schema', ?)", (str(SCHEMA),))
        db.execute("COMMIT")
    else:
        _check(tables, db, url)
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":  # new, or its maker died before it came to this
        _log_ahead(db)


def _check(tables: set[str], db: sqlite3.Connection, url: str) -> None:
    """Refuse a file that is a stranger's or a newer Spark's."""
    if "meta" not in tables or "events" not in tables:
        raise StoreCorrupt(url, "is a database, but no Spark store", NOT_OURS)
    (version,) = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() or ("",)
    if not str(version).isdecimal():
        raise StoreCorrupt(url, f"does not say which schema it has, but {version!r}", NOT_OURS)
    if int(version) > SCHEMA:
        raise StoreTooNew(url, f"has schema {version}, this Spark knows {SCHEMA}")


def _log_ahead(db: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite does not wait for others here as it does elsewhere: we do."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _portions(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids, as many at once as a statement takes."""
    left = list(ids)
    for start in range(0, len(left), _IDS_AT_ONCE):
        yield left[start : start + _IDS_AT_ONCE]


def _where(which: Filter, type_column: str) -> tuple[str, tuple[object, ...]]:
    terms = {
        f"{type_column} = ?": which.type,
        "agent_id = ?": which.agent,
        "task_id = ?": which.task,
        "importance >= ?": which.importance,
        "time >= ?": which.since,
        "position > ?": which.after,
        "position < ?": which.before,
    }
    given = {term: value for term, value in terms.items() if value is not None}
    return ("WHERE " + " AND ".join(given) if given else ""), tuple(given.values())
