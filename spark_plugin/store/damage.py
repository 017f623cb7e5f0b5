"""A damaged SQLite file: what can still be read of it, and putting it out of the way. It is never overwritten."""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from spark_plugin.store.pages import Pages

_SIDE_FILES = ("-wal", "-shm")
_STRIDE = 256


def is_damaged(path: Path) -> bool:
    """Whether SQLite itself says that the file is damaged, or no database."""
    try:
        with closing(sqlite3.connect(path)) as db:
            return [row[0] for row in db.execute("PRAGMA quick_check(1)")] != ["ok"]
    except sqlite3.OperationalError:
        return False  # locked, or not ours to read: that is no damage
    except sqlite3.DatabaseError:
        return True


@contextmanager
def fenced(path: Path) -> Iterator[None]:
    """Nobody writes to the file meanwhile, as far as its damage leaves a way to say so to others.

    Raises `OSError` when somebody is writing to it now, or where it cannot be written at all.
    """
    if not path.exists():
        yield
        return
    with closing(_opened(path)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OSError(errno.EBUSY, str(error)) from error
        except sqlite3.DatabaseError:
            pass  # so nobody else can begin to write either
        yield


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise OSError(errno.EACCES, str(error)) from error


def readable_events(path: Path) -> Iterator[bytes]:
    """The lines of the events that can still be read, in the order of their positions.

    What SQLite cannot find the way to is looked for in the pages of the file.
    """
    with closing(sqlite3.connect(path)) as db:
        last, pages = _last_position(db), Pages(path)
        last = last or pages.last
        for start in range(1, last + 1, _STRIDE):
            end = min(start + _STRIDE, last + 1)
            found = _between(db, start, end)
            for position in range(start, end):
                line = found.get(position) or pages.line(position)
                if line is not None:
                    yield line


def set_aside(path: Path) -> Path:
    """Rename the file and what SQLite keeps beside it; return the new name. Raises `OSError`."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}")
    for end in _SIDE_FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    path.rename(aside)
    return aside


def _last_position(db: sqlite3.Connection) -> int:
    """The newest position that SQLite finds; 0 when it finds none."""
    with suppress(sqlite3.Error):
        return int(db.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()[0])
    return 0


def _between(db: sqlite3.Connection, start: int, end: int) -> dict[int, bytes]:
    """The lines from one position up to another, as far as SQLite gets at them."""
    sql = "SELECT position, data FROM events WHERE position >= ? AND position < ?"
    try:
        return {position: bytes(data) for position, data in db.execute(sql, (start, end))}
    except sqlite3.Error:
        found: dict[int, bytes] = {}
        for position in range(start, end):
            with suppress(sqlite3.Error):
                found |= {at: bytes(data) for at, data in db.execute(sql, (position, position + 1)).fetchall()}
        return found
