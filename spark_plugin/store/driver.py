"""What SQLite's driver raises, told as our own errors: once, here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from spark_plugin.errors import StoreCorrupt, StoreError, StoreLocked, StoreUnavailable, UnfitRow


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Driver errors as our own, told apart once, here."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise UnfitRow(where, str(error)) from error
    except (sqlite3.InterfaceError, sqlite3.DataError, OverflowError, UnicodeError) as error:
        raise UnfitRow(where, f"a value cannot be stored: {error}") from error
    except sqlite3.ProgrammingError as error:
        if "binding" in str(error):
            raise UnfitRow(where, f"a value cannot be stored: {error}") from error
        raise StoreUnavailable(where, f"is closed: {error}", "open it again") from error
    except sqlite3.OperationalError as error:
        locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        raise (StoreLocked if locked else StoreUnavailable)(where, f"cannot be used now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(where, f"is damaged or no database: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(where, str(error)) from error
    except OSError as error:
        raise StoreUnavailable(where, f"cannot be opened: {error.strerror or error}") from error
