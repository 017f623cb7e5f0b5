"""The tasks: each a real file to compress to a size target within a deadline.

What is asked differs by category, so that no one compressor is right for all, and the fastest is wrong for most:

=========== ==================================== ============ ========================================================
category    size target                          deadline     who can do it, as a rule
=========== ==================================== ============ ========================================================
text        3% below ``zlib -6``                 generous     bz2, and lzma at its slow setting
binary      7% below ``zlib -6``                 generous     lzma
compressed  0.1% above the file itself           generous     whatever adds little of its own: zlib
tiny        that of ``zlib -6``                  generous     zlib, but not at its fastest; others have longer headers
huge        that of ``zlib -1``                  tight        the fast ones
=========== ==================================== ============ ========================================================
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spark_plugin.coordinator import Task
from spark_plugin.demo.files import Found, find


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker gets: the data, the largest acceptable result in bytes, and the time it may take."""

    data: bytes
    target: int
    deadline_ms: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a category, measured against what zlib does at `level` with the same file.

    `factor` times the reference size is the target (`of_file`: times the file's own size); `patience` times the
    reference time is the deadline, but never less than `floor_ms` milliseconds: the machine may be busy.
    """

    level: int
    factor: float
    patience: float
    floor_ms: float
    of_file: bool = False


DEMANDS: Mapping[str, Demand] = {
    "text": Demand(level=6, factor=0.97, patience=60, floor_ms=250),
    "binary": Demand(level=6, factor=0.93, patience=60, floor_ms=250),
    "compressed": Demand(level=1, factor=1.001, patience=60, floor_ms=250, of_file=True),
    "tiny": Demand(level=6, factor=1.0, patience=60, floor_ms=250),
    "huge": Demand(level=1, factor=1.0, patience=6, floor_ms=100),
}

COUNTS: Mapping[str, int] = {"text": 60, "binary": 60, "compressed": 40, "tiny": 50, "huge": 30}
"""Tasks per category in a demo."""

_ROUNDS = 3


def demanded(category: str, data: bytes) -> Job:
    """The job to do for a file: its target is fixed by the file, its deadline by this machine's speed just now."""
    demand = DEMANDS[category]
    measured = [_zlib(data, demand.level) for _ in range(_ROUNDS)]
    size, spent = min(measured)  # the size is the same each time, so the quickest round counts: delays are not zlib's
    target = demand.factor * (len(data) if demand.of_file else size)
    return Job(data, round(target), max(demand.floor_ms, demand.patience * spent))


def _zlib(data: bytes, level: int) -> tuple[int, float]:
    """Bytes that zlib makes of the data, and milliseconds it takes."""
    started = time.perf_counter()
    size = len(zlib.compress(data, level))
    return size, (time.perf_counter() - started) * 1e3


def prepare(
    rng: random.Random, counts: Mapping[str, int] = COUNTS, places: tuple[Path, ...] | None = None
) -> list[Task]:
    """The tasks in the order in which they are posted; files, targets and order follow from `rng` and the machine."""
    found = find(counts, rng, places)
    chosen = [(category, file) for category, files in found.items() for file in files]
    rng.shuffle(chosen)
    return [_task(f"demo-{n:03d}", category, file) for n, (category, file) in enumerate(chosen, 1)]


def _task(task_id: str, category: str, file: Found) -> Task:
    job = demanded(category, file.data)
    words = (
        f"Compress {file.name} ({len(job.data)} bytes) to at most {job.target} bytes within {job.deadline_ms:.0f} ms"
    )
    return Task(task_id, words, category=category, payload=job)
