"""A connection to the SQLite file that is at a path now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from spark_plugin import forks


class Connection:
    """A connection to the file that is at a path now; without a path, to a store in memory.

    `connect` makes it when it is needed: at first, after a fork, and when another file is at the path, because the old
    one was set aside. Who went on with the old one would read what is no longer the store, or write where nobody looks.
    Calling it raises `OSError` and `sqlite3.Error`.
    """

    def __init__(self, path: Path | None, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closed = False

    def __call__(self) -> sqlite3.Connection:
        return self._db if self._db is not None and self.is_in_place() else self._opened()

    def is_in_place(self) -> bool:
        """Whether the file that is open is the one at the path."""
        return self._file == self._found()

    @property
    def in_transaction(self) -> bool:
        return self._db is not None and self._db.in_transaction

    def let_go(self) -> None:
        """Close the file until it is needed again; what is in memory alone stays."""
        if self._path is not None and self._db is not None:
            self._db.close()
            self._db = None

    def close(self) -> None:
        """Let go for good."""
        self._closed = True
        if self._db is not None:
            self._db.close()
            self._db = None

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        with forks.in_use():
            if forks.is_torn():
                raise OSError("it was in use when this process was forked")
            self.let_go()
            before = self._found()
            db = self._connect()
            if before not in (None, self._found()):
                db.close()
                raise OSError("it is just being replaced")
            self._db, self._file = db, self._found()
            return db

    def _found(self) -> tuple[int, int] | None:
        """What tells the file at the path from any other; None where there is none."""
        try:
            found = None if self._path is None else self._path.stat()
        except FileNotFoundError:
            return None
        return None if found is None else (found.st_dev, found.st_ino)
