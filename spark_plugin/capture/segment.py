"""One file of the journal: records in a preallocated, mapped file.

It begins with a magic number and the offset up to which its records are stored, eight bytes each. A record is its
length and checksum (CRC-32), four bytes each, then the payload; all little endian. The length is written last, so that
a reader never meets half a record; the first length of zero is the end.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

MAGIC = b"SPARKJ01"
_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_CHECKSUM = struct.Struct("<I")
_OFFSET = struct.Struct("<Q")

FIRST = len(MAGIC) + _OFFSET.size
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

    def close(self) -> None:
        """Let go of the file; it stays on disk."""
        ...


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

    def sync(self) -> None:
        os.fdatasync(self._descriptor)  # takes the pages dirtied through the mapping along

    def close(self) -> None:
        self.view.release()
        self._map.close()
        os.close(self._descriptor)


Make = Callable[[Path, int], Medium]


class Segment:
    """A segment this process writes and reads."""

    def __init__(self, path: Path, size: int, make: Make = MappedFile) -> None:
        self.path = path
        self.size = size
        self.end = FIRST
        """Where the next record goes."""
        self._removed = False
        self._medium = make(path, size)
        self._bytes = self._medium.view
        self._bytes[: len(MAGIC)] = MAGIC
        self.release(FIRST, FIRST)

    def fits(self, payload: bytes) -> bool:
        """Whether there is room for one more record."""
        return self.end + _HEAD.size + len(payload) <= self.size

    def append(self, payload: bytes) -> None:
        """Copy one record in; the caller has asked `fits` and holds the journal's lock."""
        start = self.end
        body = start + _HEAD.size
        self._bytes[body : body + len(payload)] = payload
        _CHECKSUM.pack_into(self._bytes, start + 4, zlib.crc32(payload))
        _LENGTH.pack_into(self._bytes, start, len(payload))
        self.end = body + len(payload)

    def records(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """(payload, where the next record starts) of each record between two offsets."""
        while start < end:
            length, _ = _HEAD.unpack_from(self._bytes, start)
            body = start + _HEAD.size
            start = body + length
            yield bytes(self._bytes[body:start]), start

    def release(self, start: int, end: int, *, durable: bool = False) -> None:
        """The records between two offsets are stored: note it in the file, then wipe them out of it.

        In this order, and with `durable` the note is on the disk before the wiping begins: were the wiped bytes to
        reach it first, a reader after a power cut would take them for the end and miss the records behind.
        """
        self._note(end)
        if durable:
            self._medium.sync()
        self._bytes[start:end] = bytes(end - start)

    def _note(self, end: int) -> None:
        """Copied over as a whole: `pack_into` writes byte by byte, and killed in between would leave a wrong offset."""
        self._bytes[len(MAGIC) : FIRST] = _OFFSET.pack(end)

    def sync(self) -> None:
        """Return when all records are on the disk. Raises `OSError`. One that was removed needs no sync."""
        try:
            self._medium.sync()
        except OSError:
            if not self._removed:
                raise

    def close(self) -> None:
        """Let go of the file; it stays on disk."""
        self._medium.close()

    def remove(self) -> None:
        """Let go of the file and take it off the disk."""
        self._removed = True
        self.close()
        self.path.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a segment file is of the form that this version writes; one that was torn at its birth counts as ours."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) in (MAGIC, bytes(len(MAGIC)), b"")


def salvage(path: Path) -> Iterator[bytes]:
    """The whole records of a segment file, as `whole_records`."""
    yield from whole_records(path.read_bytes())


def whole_records(data: bytes) -> Iterator[bytes]:
    """The whole records in a segment's bytes that are not noted as stored; a torn or damaged tail is cut."""
    if not data.startswith(MAGIC) or len(data) < FIRST:
        return
    start = max(FIRST, _OFFSET.unpack_from(data, len(MAGIC))[0])
    while start + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, start)
        payload = data[start + _HEAD.size : start + _HEAD.size + length]
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
