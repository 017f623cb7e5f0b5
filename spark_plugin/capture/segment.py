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
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"SPARKJ01"
_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_CHECKSUM = struct.Struct("<I")
_OFFSET = struct.Struct("<Q")

FIRST = len(MAGIC) + _OFFSET.size
"""Offset of a segment's first record."""


class Segment:
    """A segment this process writes and reads. Raises `OSError` where the disk has no room or no permission."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.end = FIRST
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _reserve(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        self._map[: len(MAGIC)] = MAGIC
        self.release(FIRST, FIRST)

    def fits(self, payload: bytes) -> bool:
        return self.end + _HEAD.size + len(payload) <= self.size

    def append(self, payload: bytes) -> None:
        """Copy one record in; the caller has asked `fits` and holds the journal's lock."""
        start = self.end
        body = start + _HEAD.size
        self._map[body : body + len(payload)] = payload
        _CHECKSUM.pack_into(self._map, start + 4, zlib.crc32(payload))
        _LENGTH.pack_into(self._map, start, len(payload))
        self.end = body + len(payload)

    def records(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """(payload, where the next record starts) of each record between two offsets."""
        while start < end:
            length, _ = _HEAD.unpack_from(self._map, start)
            body = start + _HEAD.size
            start = body + length
            yield self._map[body:start], start

    def release(self, start: int, end: int) -> None:
        """The records between two offsets are stored: note it in the file, and wipe them out of it.

        In this order: what is noted as stored is not read again, whatever is left of it.
        """
        _OFFSET.pack_into(self._map, len(MAGIC), end)
        self._map[start:end] = bytes(end - start)

    def close(self) -> None:
        """Let go of the file; it stays on disk."""
        self._map.close()

    def remove(self) -> None:
        """Let go of the file and take it off the disk."""
        self.close()
        self.path.unlink(missing_ok=True)


def salvage(path: Path) -> Iterator[bytes]:
    """The whole records of a segment that are not noted as stored; a torn or damaged tail is cut."""
    data = path.read_bytes()
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
