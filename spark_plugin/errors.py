"""Errors of the plugin. Each says what went wrong, where, and what to do, in one line.

SparkError (spark_hooks)
├── SettingsError        a setting cannot be read
├── BadLine              a line of a stream is no event
└── StoreError           the store cannot do what was asked
    ├── StoreUnavailable     now; later it may: disk full, no permission
    │   └── StoreLocked          somebody else holds its lock
    ├── StoreCorrupt         the file is damaged or no store at all
    ├── StoreTooNew          a newer Spark wrote it
    └── UnfitRow             one row cannot be stored, for its own sake
"""

from __future__ import annotations

from spark_hooks import SparkError


class SettingsError(SparkError):
    """A setting cannot be read. ``name`` is the setting, ``origin`` where it was found."""

    def __init__(self, name: str, origin: str, reason: str) -> None:
        super().__init__(f"{name} ({origin}): {reason}")
        self.name = name
        self.origin = origin


class BadLine(SparkError):
    """A line of a stream is no event; the text is the reason."""


class StoreError(SparkError):
    """The store cannot do what was asked. ``where`` is its URL, ``advice`` what to do."""

    advice = "run `spark doctor`"

    def __init__(self, where: str, reason: str, advice: str | None = None) -> None:
        super().__init__(f"store {where}: {reason}; {advice or self.advice}")
        self.where = where
        self.reason = reason
        self.advice = advice or self.advice


class StoreUnavailable(StoreError):
    """The store cannot be used now; a later try may work."""

    advice = "check the path, its permissions and the free space"


class StoreLocked(StoreUnavailable):
    """Somebody else holds the store's lock, for longer than one waits."""

    advice = "if it stays so, see who holds its lock"


class StoreCorrupt(StoreError):
    """The file is damaged, or no store at all."""

    advice = "`spark doctor --recover` sets it aside and saves what can be read of it"


class StoreTooNew(StoreError):
    """A newer Spark wrote this store; this one leaves it as it is."""

    advice = "upgrade spark-plugin, or point SPARK_STORE to another store"


class UnfitRow(StoreError):
    """One row cannot be stored, for its own sake."""
