"""One file of the journal: records in a preallocated, mapped file.

It begins with a magic number, the offset up to which its records are stored, and what became of those, counted: eight
bytes each. A record is its length and checksum (CRC-32), four bytes each, then the payload; all little endian. The
first length of zero is the end; a record whose checksum is wrong is still being written, or was when its process died.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from spark_plugin.capture.counts import UNTOUCHED, Drained, Ingested

MAGIC = b"SPARKJ01"
_HEAD = struct.Struct("<II")
_OFFSET = struct.Struct("<Q")
_COUNTS = struct.Struct("<4Q")
_COUNTS_AT = len(MAGIC) + _OFFSET.size

MADV_POPULATE_WRITE = 23  # Linux 5.14; Python names it from 3.14 on
AHEAD = 256 << 10
"""So many bytes in front of the next record are kept at hand: the first touch of a page costs a sender microseconds."""
_AT_ONCE = 32 << 10  # the interpreter waits meanwhile

FIRST = _COUNTS_AT + _COUNTS.size
"""Offset of a segment's first record."""


class Medium(Protocol):
    """What a segment is written to: bytes in memory, and a way to make them outlast a power cut."""

    @property
    def view(self) -> memoryview:
        """All bytes of the file, writable."""
        ...

    def sync(self) -> None:
        """Return when everything written so far is on the disk. Raises `OSError`."""
        ...

    def populate(self, start: int, end: int) -> None:
        """Have the memory between two offsets (multiples of `mmap.PAGESIZE`) at hand, if that can be."""
        ...

    def close(self) -> None:
        """Let go of the file; it stays on disk."""
        ...


class NotReady(ValueError):
    """A segment cannot be read yet, or not any more."""


class MappedFile:
    """A new file of `size` bytes, its blocks reserved, mapped into memory. Only its owner can read it.

    Raises `OSError` where the disk has no room or no permission.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _reserve(self._descriptor, size)
            self._map = mmap.mmap(self._descriptor, size)
        except BaseException:
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise
        self.view = memoryview(self._map)

    @classmethod
    def existing(cls, path: Path) -> MappedFile:
        """A file that another process made. Raises `OSError` or `ValueError` when it cannot be mapped (yet)."""
        file = cls.__new__(cls)
        file._descriptor = os.open(path, os.O_RDWR)
        try:
            file._map = mmap.mmap(file._descriptor, 0)
        except BaseException:
            os.close(file._descriptor)
            raise
        file.view = memoryview(file._map)
        return file

    def sync(self) -> None:
        os.fdatasync(self._descriptor)  # takes the pages dirtied through the mapping along

    def populate(self, start: int, end: int) -> None:
        with suppress(OSError, AttributeError):  # a kernel or a system that has no such thing
            self._map.madvise(MADV_POPULATE_WRITE, start, end - start)

    def close(self) -> None:
        self.view.release()
        self._map.close()
        os.close(self._descriptor)


Make = Callable[[Path, int], Medium]


class SegmentFile:
    """A segment's bytes, for whoever drains it: the process that writes it, or another."""

    def __init__(self, path: Path, medium: Medium) -> None:
        self.path = path
        self.end = FIRST
        """Where the next record goes, as far as is known here."""
        self._medium = medium
        self._bytes = medium.view
        self._removed = False

    @property
    def released(self) -> int:
        """Up to where its records are stored, by whatever process."""
        return int(_OFFSET.unpack_from(self._bytes, len(MAGIC))[0])

    @property
    def drained(self) -> Drained:
        """What became of the records that are stored, as far as whoever drains them says."""
        records, *ingested = _COUNTS.unpack_from(self._bytes, _COUNTS_AT)
        return Drained(records, Ingested(*ingested))

    def records(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """(payload, where the next record starts) of each record between two offsets."""
        while start < end:
            length, _ = _HEAD.unpack_from(self._bytes, start)
            body = start + _HEAD.size
            start = body + length
            yield bytes(self._bytes[body:start]), start

    def release(self, start: int, end: int, drained: Drained = UNTOUCHED, *, durable: bool = False) -> None:
        """The records between two offsets are stored: note it in the file, then wipe them out of it.

        In this order, and with `durable` the note is on the disk before the wiping begins: were the wiped bytes to
        reach it first, a reader after a power cut would take them for the end and miss the records behind. When the
        note cannot be synced, they stay: at worst they are found again, and found to be stored.
        """
        self._note(end, self.drained.plus(drained))
        if durable:
            try:
                self.sync()
            except OSError:
                return
        self._bytes[start:end] = bytes(end - start)

    def _note(self, end: int, drained: Drained) -> None:
        """Copied over as a whole: `pack_into` writes byte by byte, and killed in between would leave a wrong offset."""
        self._bytes[len(MAGIC) : FIRST] = _OFFSET.pack(end) + _COUNTS.pack(drained.records, *drained.events)

    def sync(self) -> None:
        """Return when all that is in the file is on the disk. Raises `OSError`."""
        self._medium.sync()

    def close(self) -> None:
        """Let go of the file; it stays on disk."""
        self._medium.close()

    def remove(self) -> None:
        """Let go of the file and take it off the disk."""
        self._removed = True
        self.close()
        self.path.unlink(missing_ok=True)


class Segment(SegmentFile):
    """A segment this process writes.

    A sync that fails ends it: the system may take for written what it could not write, and the next sync would find
    nothing to do and succeed (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
    """

    def __init__(self, path: Path, size: int, make: Make = MappedFile) -> None:
        super().__init__(path, make(path, size))
        self.size = size
        self.synced = FIRST
        """Up to where the records are known to be on the disk."""
        self._turn = threading.Condition()
        self._syncing: int | None = None  # the thread that does
        self._broken = False
        self._at_hand = 0
        _OFFSET.pack_into(self._bytes, len(MAGIC), FIRST)
        self._bytes[: len(MAGIC)] = MAGIC  # last: a reader in another process begins when it sees it

    def append(self, payload: bytes) -> int | None:
        """Copy one record in; return where it ends, None when there is no room. The caller holds the journal's lock.

        A signal's handler that sends comes between any two calls of the thread it interrupts, lock or no lock: from the
        last look at the end on nothing is called, so that it comes before the record or behind it.
        """
        record = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        while True:
            start = self.end
            end = start + len(record)
            place = slice(start, end)
            if self.end == start:
                break
        if end > self.size or self._broken:
            return None
        self._bytes[place] = record
        self.end = end
        return end

    def keep_at_hand(self) -> None:
        """Touch the pages that are written to next, so that senders need not."""
        self._at_hand = max(self._at_hand, self.end - self.end % mmap.PAGESIZE)
        target = min(self.size - self.size % mmap.PAGESIZE, self.end + AHEAD)
        while self._at_hand < target:
            self._medium.populate(self._at_hand, self._at_hand + _AT_ONCE)
            self._at_hand += _AT_ONCE
            time.sleep(0)  # whoever waits for the interpreter comes first

    def sync(self, upto: int | None = None) -> None:
        """Return when all is on the disk, or the records up to an offset: whoever comes first syncs for all who wait.

        Raises `OSError`. One that was removed needs no sync. Called again by a signal's handler in the middle of it, it
        does not wait for the thread that runs the handler.
        """
        own = threading.get_ident()
        with self._turn:  # one at a time: of two at once, only one would be told of a failure
            self._turn.wait_for(lambda: self._syncing in (None, own) or self._needs_no_sync(upto))
            if self._needs_no_sync(upto):
                return
            if self._broken:
                raise OSError(errno.EIO, "an earlier sync failed")
            before, self._syncing, end = self._syncing, own, self.end
        try:
            self._medium.sync()
            self.synced = max(self.synced, end)
        except OSError:
            if not self._removed:  # meanwhile
                self._broken = True
                raise
        finally:
            with self._turn:
                self._syncing = before
                self._turn.notify_all()

    def _needs_no_sync(self, upto: int | None) -> bool:
        return self._removed or (upto is not None and self.synced >= upto)


class ForeignSegment(SegmentFile):
    """A segment that another process writes. Raises `NotReady` when that has only just begun to make it."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, MappedFile.existing(path))
        except (OSError, ValueError) as error:  # gone again, or of no size yet
            raise NotReady from error
        if self._bytes[: len(MAGIC)] != MAGIC:
            self.close()
            raise NotReady
        self.end = self.released

    def look(self) -> None:
        """See what was written since. Where a checksum is wrong, the record is still being written."""
        for payload in _whole(self._bytes, self.end):
            self.end += _HEAD.size + len(payload)


def is_ours(path: Path) -> bool:
    """Whether a segment file is of the form that this version writes; one that was torn at its birth counts as ours."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) in (MAGIC, bytes(len(MAGIC)), b"")


def salvage(path: Path) -> Iterator[bytes]:
    """The whole records of a segment file, as `whole_records`."""
    yield from whole_records(path.read_bytes())


def whole_records(data: bytes) -> Iterator[bytes]:
    """The whole records in a segment's bytes that are not noted as stored; a torn or damaged tail is cut."""
    if data.startswith(MAGIC) and len(data) >= FIRST:
        yield from _whole(data, max(FIRST, _OFFSET.unpack_from(data, len(MAGIC))[0]))


def _whole(data: bytes | memoryview, start: int) -> Iterator[bytes]:
    """The records from an offset on, up to the first that is not whole."""
    while start + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, start)
        payload = bytes(data[start + _HEAD.size : start + _HEAD.size + length])
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload
        start += _HEAD.size + length


def _reserve(descriptor: int, size: int) -> None:
    """Take the disk blocks now: writing into a hole of a mapped file on a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    chunk = bytes(1 << 20)
    for start in range(0, size, len(chunk)):
        os.write(descriptor, chunk[: size - start])
