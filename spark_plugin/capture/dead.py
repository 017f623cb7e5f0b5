"""Journals of processes that died: a set whose lock is free is drained by whoever starts next."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from spark_plugin.capture.journal import DURABLE, lock_path, terms_of
from spark_plugin.capture.segment import is_ours, salvage

log = logging.getLogger("spark.capture")


class DeadSet:
    """The files of a process that died, held by us until drained."""

    def __init__(self, directory: Path, name: str, lock_file: int) -> None:
        self.name = name
        self._directory = directory
        self._lock_file = lock_file
        self.durable = DURABLE in terms_of(directory, name)
        """Whether its owner was promised that its events outlast a power cut."""

    def records(self) -> Iterator[bytes]:
        """Every whole record, in the order they were taken in."""
        for path in self._segments():
            yield from salvage(path)

    def remove(self) -> None:
        """Its records are stored: take the files off the disk, the lock last.

        A segment that another version wrote, in a form we cannot read, is left under another name.
        """
        for path in self._segments():
            if is_ours(path):
                path.unlink(missing_ok=True)
            else:
                log.error("the journal %s was written by another version of Spark and is left as it is", path)
                path.rename(path.with_suffix(".unread"))
        lock_path(self._directory, self.name).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the set as it is."""
        os.close(self._lock_file)

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"{self.name}.*.seg"))


def dead_sets(directory: Path) -> Iterator[DeadSet]:
    """The sets whose owners are gone, each taken into our own hands."""
    for path in sorted(directory.glob("*.lock")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue  # drained by another meanwhile, or not ours to read
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        yield DeadSet(directory, path.stem, descriptor)


def waiting(directory: Path) -> int:
    """How many records in the directory's segments, of the living and the dead, are not stored yet."""
    return sum(1 for path in directory.glob("*.seg") for _ in _peek(path))


def _peek(path: Path) -> Iterator[bytes]:
    try:
        yield from salvage(path)
    except OSError:
        return  # unlinked meanwhile
