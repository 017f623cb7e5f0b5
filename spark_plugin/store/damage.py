"""A damaged SQLite file: what can still be read of it, and putting it out of the way. It is never overwritten."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

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


def readable_events(path: Path) -> Iterator[bytes]:
    """The lines of the events that can still be read, in the order of their positions.

    Pages that cannot be read are stepped over: first in strides of positions, then one by one.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as db:
        last = _last_position(db)
        for start in range(1, last + 1, _STRIDE):
            yield from _between(db, start, min(start + _STRIDE, last + 1))


def set_aside(path: Path) -> Path:
    """Rename the file and what SQLite keeps beside it; return the new name. Raises `OSError`."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}")
    for end in _SIDE_FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    path.rename(aside)
    return aside


def _last_position(db: sqlite3.Connection) -> int:
    """The newest position, by whichever way can still be read."""
    for sql in ("SELECT max(position) FROM events", "SELECT max(position) FROM derived"):
        with suppress(sqlite3.Error):
            (last,) = db.execute(sql).fetchone()
            if last:
                return int(last)
    return 0


def _between(db: sqlite3.Connection, start: int, end: int) -> Iterator[bytes]:
    sql = "SELECT data FROM events WHERE position >= ? AND position < ? ORDER BY position"
    try:
        yield from [bytes(data) for (data,) in db.execute(sql, (start, end))]
    except sqlite3.Error:
        for position in range(start, end):
            with suppress(sqlite3.Error):
                yield from [bytes(data) for (data,) in db.execute(sql, (position, position + 1)).fetchall()]
