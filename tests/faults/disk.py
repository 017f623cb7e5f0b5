"""What a power cut leaves of files: the log of a process's writes (see disklog.c) and the disk it happened to.

The disk keeps what was synced. Of what was not, each sector of 512 bytes has what it had at the last sync, or at any
time since, and each name made, taken away or changed in a directory is so or is not.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("=QQQQ")


class Step(NamedTuple):
    """One thing that was done: W a write, T another size, S a sync, C a file made, D a directory, R a name changed,
    U one taken away."""

    kind: str
    inode: int
    where: int
    data: bytes

    @property
    def names(self) -> tuple[Path, Path]:
        one, _, other = self.data.decode().partition("\0")
        return Path(one), Path(other)


def steps_of(log: Path) -> Iterator[Step]:
    content, at = log.read_bytes(), 0
    while at < len(content):
        kind, inode, where, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size + length
        yield Step(chr(kind), inode, where, content[at - length : at])


class File:
    """A file, as it is in memory and as it is on the disk."""

    def __init__(self) -> None:
        self.memory = bytearray()
        self._disk = bytearray()
        self._since: dict[int, list[bytes]] = {}  # sector -> what it was since the last sync

    def write(self, where: int, data: bytes) -> None:
        end = where + len(data)
        self.memory.extend(bytes(max(0, end - len(self.memory))))
        self.memory[where:end] = data
        self._changed(where, end)

    def resize(self, size: int) -> None:
        before = len(self.memory)
        del self.memory[size:]
        self.memory.extend(bytes(size - len(self.memory)))
        self._changed(min(size, before), max(size, before))

    def sync(self) -> None:
        size = len(self.memory)
        del self._disk[size:]
        self._disk.extend(bytes(size - len(self._disk)))
        for sector in self._since:
            self._disk[sector : sector + SECTOR] = self.memory[sector : sector + SECTOR]
        self._since.clear()

    def after_a_power_cut(self, rng: random.Random) -> bytes:
        size = rng.choice((len(self.memory), len(self._disk)))
        content = bytearray(self._disk[:size]) + bytes(max(0, size - len(self._disk)))
        for sector, versions in self._since.items():
            one = rng.choice((None, *versions))
            if one is not None and sector < size:
                content[sector : sector + SECTOR] = one[: size - sector]
        return bytes(content[:size])

    def _changed(self, start: int, end: int) -> None:
        for sector in range(start // SECTOR * SECTOR, end, SECTOR):
            self._since.setdefault(sector, []).append(bytes(self.memory[sector : sector + SECTOR]))


class Directory:
    """A directory: its names on the disk, and what was done to them since."""

    def __init__(self) -> None:
        self._disk: dict[str, File | Directory] = {}
        self._since: list[tuple[str, str, File | Directory | None]] = []  # (name, the one it had before, what it names)

    def name(self, name: str, thing: File | Directory, before: str = "") -> None:
        self._since.append((name, before, thing))

    def take_away(self, name: str) -> None:
        self._since.append((name, "", None))

    def sync(self) -> None:
        self._apply(self._disk, self._since)
        self._since = []

    def after_a_power_cut(self, rng: random.Random) -> dict[str, File | Directory]:
        names = dict(self._disk)
        self._apply(names, [change for change in self._since if rng.random() < 0.5])
        return names

    def _apply(
        self, names: dict[str, File | Directory], changes: list[tuple[str, str, File | Directory | None]]
    ) -> None:
        for name, before, thing in changes:
            names.pop(before, None)
            if thing is None:
                names.pop(name, None)
            else:
                names[name] = thing


class Disk:
    """Everything below a directory. The file `told` lies elsewhere: it says what was acknowledged by then."""

    def __init__(self, below: Path) -> None:
        self.told = File()
        self._below = below
        self._root = Directory()
        self._by_inode: dict[int, File | Directory] = {below.stat().st_ino: self._root}
        self._by_path: dict[Path, File | Directory] = {below: self._root}

    def take(self, step: Step) -> None:
        thing = self._by_inode.get(step.inode)
        if step.kind == "W" and isinstance(thing, File):
            thing.write(step.where, step.data)
        elif step.kind == "T" and isinstance(thing, File):
            thing.resize(step.where)
        elif step.kind == "S" and thing is not None:
            thing.sync()
        elif step.kind in "CDRU":
            self._renamed(step, *step.names)

    def _renamed(self, step: Step, path: Path, other: Path) -> None:
        directory = self._by_path.get(path.parent)
        assert isinstance(directory, Directory), path
        if step.kind in "RU" and path not in self._by_path:
            return  # whoever made it died before the log had it
        if step.kind == "U":
            directory.take_away(path.name)
            del self._by_path[path]
            return
        if step.kind == "R":
            thing, path, before = self._by_path.pop(path), other, path.name
        else:
            thing, before = File() if step.kind == "C" else Directory(), ""
            thing = self.told if path.name == "told" else thing
            self._by_inode[step.inode] = thing
        self._by_path[path] = thing
        if thing is not self.told:
            directory.name(path.name, thing, before)

    def after_a_power_cut(self, rng: random.Random, folder: Path) -> None:
        """Put what is left of everything into `folder`."""
        self._restore(self._root, folder, rng)

    def _restore(self, directory: Directory, folder: Path, rng: random.Random) -> None:
        folder.mkdir(exist_ok=True)
        for name, thing in directory.after_a_power_cut(rng).items():
            if isinstance(thing, Directory):
                self._restore(thing, folder / name, rng)
            elif not name.endswith("-shm"):  # shared memory: made anew by whoever comes first
                (folder / name).write_bytes(thing.after_a_power_cut(rng))
