"""Reads the events out of a SQLite file's pages, without SQLite: for files of which it can make nothing any more.

The rows of a table lie in the leaves of a tree; a leaf can be read by itself when the way to it is gone (a damaged
header, root or inner page). Format: sqlite.org/fileformat2.html, sections 1.3, 1.6, 2.1 and 4.1.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"SQLite format 3\0"
_USUAL_SIZE = 4096
_HEADER = 100
_LEAF = 0x0D
_COLUMNS = 9
_EVENT = b'{"$"'
_LONGEST = 8 << 20  # no record of the journal is longer, and what says so is garbage
_LOG_HEADER, _FRAME_HEADER = 32, 24

_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")


class _Place(NamedTuple):
    """Where a cell is: in which of the two files, in the page that starts where, and there."""

    logged: bool
    start: int
    cell: int


class Pages:
    """The events that lie whole in the pages of a file and of its write-ahead log, by position. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self._file = _content(path)
        self._log = _content(path.with_name(path.name + "-wal"))
        self._size = _page_size(self._file)
        self._logged: dict[int, int] = {}  # page -> where its newest copy starts in the log
        self._places: dict[int, _Place] = {}
        for start in range(0, len(self._file), self._size):
            self._places.update(self._cells(logged=False, start=start, head=0 if start else _HEADER))
        for start in range(_LOG_HEADER + _FRAME_HEADER, len(self._log) - self._size + 1, _FRAME_HEADER + self._size):
            number = _U32.unpack_from(self._log, start - _FRAME_HEADER)[0]
            self._logged[number] = start
            self._places.update(self._cells(logged=True, start=start, head=_HEADER if number == 1 else 0))

    @property
    def last(self) -> int:
        """The newest position; 0 when there is none."""
        return max(self._places, default=0)

    def line(self, position: int) -> bytes | None:
        """The line of the event at a position; None where it is not whole, or not there."""
        place = self._places.get(position)
        if place is None:
            return None
        try:
            return self._line(place)
        except (IndexError, struct.error):
            return None

    def _cells(self, *, logged: bool, start: int, head: int) -> Iterator[tuple[int, _Place]]:
        """(position, place) of what may be an event, if the page is a leaf of a table."""
        page = self._page(logged, start)  # the last one of a file that was cut may be short
        if len(page) < head + 8 or page[head] != _LEAF:
            return
        for n in range(_U16.unpack_from(page, head + 3)[0]):
            try:
                cell = _U16.unpack_from(page, head + 8 + 2 * n)[0]
                position = _varint(page, _varint(page, cell)[1])[0]
                if self._line(place := _Place(logged, start, cell)) is not None:
                    yield position, place
            except (IndexError, struct.error):
                continue  # not a cell, or not whole

    def _line(self, place: _Place) -> bytes | None:
        """The last column of the row, if it looks like an event's line."""
        page = self._page(place.logged, place.start)
        length, start = _varint(page, place.cell)
        record = self._payload(page, _varint(page, start)[1], length)
        end, at = _varint(record, 0)
        kinds = []
        while at < end:
            kind, at = _varint(record, at)
            kinds.append(kind)
        if len(kinds) != _COLUMNS or kinds[0] != 0 or kinds[-1] < 12 or kinds[-1] % 2:
            return None
        line = record[end + sum(map(_width, kinds[:-1])) :]
        return line if len(line) == _width(kinds[-1]) and line.startswith(_EVENT) else None

    def _payload(self, page: bytes, start: int, length: int) -> bytes:
        """A cell's content, put together from its page and those it runs over into."""
        if length > _LONGEST:
            raise IndexError
        usable = self._size
        most, least = usable - 35, (usable - 12) * 32 // 255 - 23
        if length <= most:
            return page[start : start + length]
        kept = least + (length - least) % (usable - 4)
        kept = kept if kept <= most else least
        content, following = bytearray(page[start : start + kept]), _U32.unpack_from(page, start + kept)[0]
        while following and len(content) < length:
            page = self._newest(following)
            content += page[4:]
            following = _U32.unpack_from(page)[0]
        return bytes(content[:length])

    def _newest(self, number: int) -> bytes:
        if number in self._logged:
            return self._page(True, self._logged[number])
        return self._page(False, (number - 1) * self._size)

    def _page(self, logged: bool, start: int) -> bytes:
        return (self._log if logged else self._file)[start : start + self._size]


def _content(path: Path) -> mmap.mmap | bytes:
    if not path.exists() or not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _page_size(file: mmap.mmap | bytes) -> int:
    if file[: len(_MAGIC)] != _MAGIC or len(file) < _HEADER:
        return _USUAL_SIZE
    size = _U16.unpack_from(file, len(_MAGIC))[0]
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else _USUAL_SIZE


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where the next thing begins) of an integer of one to nine bytes."""
    value = 0
    for n in range(8):
        byte = data[at + n]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    return value << 8 | data[at + 8], at + 9


def _width(kind: int) -> int:
    """Bytes that a value of a serial type takes."""
    return (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
