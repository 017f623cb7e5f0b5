"""Real files of this machine to work on: a bounded search under the Python installation and the system's shared files.

The search looks at names and sizes only; what it then reads is judged by content. With the same files on the machine
and the same random state it finds the same.
"""

from __future__ import annotations

import lzma
import os
import random
import sys
import sysconfig
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CATEGORIES = ("text", "binary", "compressed", "tiny", "huge")

HUGE_BYTES = 2 << 20
"""From this size on a file is huge, and it is read up to here: enough to tell fast compressors from slow ones."""

_TINY = range(150, 900)
_MIDDLE = range(40_000, 200_000)
_COMPRESSED = range(20_000, 200_000)
_PACKED = (
    ".gz",
    ".tgz",
    ".xz",
    ".bz2",
    ".zst",
    ".zip",
    ".whl",
    ".jar",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".woff2",
    ".npz",
)
_INCOMPRESSIBLE = 0.97
"""What zlib cannot bring below this part of its size is compressed already."""
_JUDGED_BYTES = 200_000
_MAX_ENTRIES = 20_000
"""Directory entries looked at per root: what bounds the search."""
_MAX_READS = 10
"""Files read per file wanted, at most: what bounds the reading where files are not what they seem."""


@dataclass(frozen=True, slots=True)
class Found:
    """A real file, or real files put together: `name` for people, `data` what is in it."""

    name: str
    data: bytes


def roots() -> tuple[Path, ...]:
    """Where to look, in order; each once, and only where it exists."""
    own = (sysconfig.get_path("stdlib"), sysconfig.get_path("platlib"), sys.prefix, sys.base_prefix)
    wanted = (*own, "/usr/share", "/usr/lib", "/usr/bin", "/usr/local/lib")
    return tuple(dict.fromkeys(path for path in map(Path, wanted) if path.is_dir()))


def find(wanted: Mapping[str, int], rng: random.Random, places: Iterable[Path] | None = None) -> dict[str, list[Found]]:
    """As many files per category as `wanted` says, chosen by `rng`; a small stock is used again and again.

    What this machine does not have is made of what it has (see `_substitute`); a category for which even that fails
    is missing from the answer. Raises `FileNotFoundError` when nothing at all was found.
    """
    stock = _stock(roots() if places is None else places)
    found: dict[str, list[Found]] = {}
    for category in CATEGORIES:
        paths = stock[category]
        rng.shuffle(paths)
        found[category] = _read(category, paths, wanted.get(category, 0))
    for category in CATEGORIES:
        if not found[category] and wanted.get(category, 0):
            found[category] = _substitute(category, found)
    if not any(found.values()):
        raise FileNotFoundError("the demo found no files to work on, neither Python's own nor the system's")
    return {name: _repeated(files, wanted[name]) for name, files in found.items() if files}


def category_of(data: bytes) -> str | None:
    """The category by content, None for what belongs to none."""
    if len(data) in _TINY:
        return "tiny"
    head = data[:_JUDGED_BYTES]
    if len(zlib.compress(head, 1)) > _INCOMPRESSIBLE * len(head):
        return "compressed"
    if len(data) >= HUGE_BYTES:
        return "huge"
    if b"\0" in data:
        return "binary"
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return "text"


def _stock(places: Iterable[Path]) -> dict[str, list[Path]]:
    """Paths by the category their size and name suggest. Text and binary cannot be told apart yet: both hold both."""
    stock: dict[str, list[Path]] = {category: [] for category in CATEGORIES}
    for path, size in dict.fromkeys(pair for place in places for pair in _walk(place)):
        for category in _suggested(path.suffix.lower(), size):
            stock[category].append(path)
    return stock


def _suggested(suffix: str, size: int) -> tuple[str, ...]:
    if suffix in _PACKED:
        return ("compressed",) if size in _COMPRESSED else ()
    if size in _TINY:
        return ("tiny",)
    if size in _MIDDLE:
        return ("text", "binary")
    return ("huge",) if size >= HUGE_BYTES else ()


def _walk(place: Path) -> Iterator[tuple[Path, int]]:
    """(path, size) of regular files under `place`, breadth first and sorted; links are not followed."""
    waiting = deque([str(place)])
    seen = 0
    while waiting and seen < _MAX_ENTRIES:
        for entry in _entries(waiting.popleft()):
            seen += 1
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path), entry.stat(follow_symlinks=False).st_size


def _entries(directory: str) -> list[os.DirEntry[str]]:
    """What is in a directory, without Python's caches: they come and go with what was run before."""
    try:
        with os.scandir(directory) as entries:
            return sorted((e for e in entries if e.name != "__pycache__"), key=lambda e: e.name)
    except OSError:
        return []


def _read(category: str, paths: list[Path], count: int) -> list[Found]:
    """The first `count` of `paths` whose content is of the category."""
    files: list[Found] = []
    for path in paths[: count * _MAX_READS]:
        if len(files) == count:
            break
        try:
            with path.open("rb") as file:
                data = file.read(HUGE_BYTES)
        except OSError:
            continue
        if category_of(data) == category:
            files.append(Found(path.name, data))
    return files


def _substitute(category: str, found: Mapping[str, list[Found]]) -> list[Found]:
    """What stands in for a category this machine has no file of: still real content, cut, joined or packed."""
    stock = [*found["text"], *found["binary"]]
    if category == "tiny":
        return [Found(f"head of {file.name}", file.data[: _TINY.stop - 1]) for file in stock]
    if category == "compressed":
        return [Found(f"{file.name}.xz", lzma.compress(file.data)) for file in stock]
    if category == "huge" and stock:
        whole = b"".join(file.data for file in stock)
        repeats = -(-HUGE_BYTES // len(whole))
        return [Found(f"{len(stock)} files joined", (whole * repeats)[:HUGE_BYTES])]
    return []


def _repeated(files: list[Found], count: int) -> list[Found]:
    return [files[n % len(files)] for n in range(count)]
