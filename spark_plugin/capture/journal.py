"""The journal: where an event is safe the moment `send` returns, until the store has it.

One set of files per process (and per coordinator in it), in a directory beside the store: ``<name>.lock`` and
``<name>.<number>.seg``. Whoever holds the lock owns the set; a set whose lock is free belonged to a process that died,
and is drained by whoever starts next.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from spark_plugin.capture.segment import FIRST, Segment, salvage

SEGMENT_BYTES = 8 << 20
MAX_RECORD = SEGMENT_BYTES // 2


class RecordTooLarge(ValueError):
    """A record is longer than half a segment."""


class JournalSealed(ValueError):
    """The journal takes no more records; the text says so."""

    def __init__(self) -> None:
        super().__init__("closed")


class Journal:
    """This process's own set: `append` is for senders, the rest for the drainer. Raises `OSError` from the disk."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._name = f"{time.time_ns() // 1_000_000:011x}{secrets.token_hex(4)}"
        self._lock_file = _own(directory, self._name)
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._made = 0
        self._sealed = False
        self._read_to = FIRST  # in the oldest segment
        self.appended = 0
        """Records ever taken in."""
        self._roll()

    def append(self, payload: bytes) -> None:
        """Take one record in. Raises `RecordTooLarge`, `JournalSealed`, or `OSError` when the disk is full."""
        if len(payload) > MAX_RECORD:
            raise RecordTooLarge(f"{len(payload)} bytes, at most {MAX_RECORD} are kept")
        with self._lock:
            if self._sealed:
                raise JournalSealed
            if not self._segments[-1].fits(payload):
                self._roll()
            self._segments[-1].append(payload)
            self.appended += 1

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """Up to `limit` of the oldest records, and where they end, for `release`; they stay until released."""
        with self._lock:
            segment = self._segments[0]
            written = segment.end
            if self._read_to == written and len(self._segments) > 1:
                self._segments.popleft().remove()
                segment = self._segments[0]
                self._read_to, written = FIRST, segment.end
        payloads: list[bytes] = []
        end = self._read_to
        for payload, following in segment.records(end, written):
            payloads.append(payload)
            end = following
            if len(payloads) >= limit:
                break
        return payloads, end

    def release(self, end: int) -> None:
        """The records up to `end` are stored: forget them."""
        with self._lock:
            self._segments[0].release(self._read_to, end)
            self._read_to = end

    def seal(self) -> None:
        """Take no more records: after this, what is in the journal is all there will be."""
        with self._lock:
            self._sealed = True

    def close(self, *, drained: bool) -> None:
        """Give up the set; its files go when everything in them was stored, else they wait for whoever starts next."""
        with self._lock:
            self._sealed = True
            for segment in self._segments:
                segment.remove() if drained else segment.close()
            self._segments.clear()
            if drained:
                _lock_path(self.directory, self._name).unlink(missing_ok=True)
            os.close(self._lock_file)

    def disown(self) -> None:
        """In a child process after a fork: the set is the parent's; let go of our copies without a word to the files.

        No lock is taken: the thread that may hold it is not here.
        """
        for segment in self._segments:
            segment.close()
        os.close(self._lock_file)

    def _roll(self) -> None:
        self._made += 1
        path = self.directory / f"{self._name}.{self._made:08d}.seg"
        self._segments.append(Segment(path, SEGMENT_BYTES))


class DeadSet:
    """The files of a process that died, held by us until drained."""

    def __init__(self, directory: Path, name: str, lock_file: int) -> None:
        self._directory = directory
        self._name = name
        self._lock_file = lock_file

    def records(self) -> Iterator[bytes]:
        """Every whole record, in the order they were taken in."""
        for path in self._segments():
            yield from salvage(path)

    def remove(self) -> None:
        """Its records are stored: take the files off the disk, the lock last."""
        for path in self._segments():
            path.unlink(missing_ok=True)
        _lock_path(self._directory, self._name).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the set as it is."""
        os.close(self._lock_file)

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"{self._name}.*.seg"))


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


def _own(directory: Path, name: str) -> int:
    """Make the set's lock file and hold it. It gets its name only when it is held, or others would take it for dead."""
    unnamed = directory / f"{name}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(_lock_path(directory, name))
    return descriptor


def _lock_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.lock"
