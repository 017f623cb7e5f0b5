"""The agents: the standard library's compressors at different settings, each bidding the time it expects to need."""

from __future__ import annotations

import asyncio
import bz2
import lzma
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial

from spark_plugin.coordinator import Outcome, Task
from spark_plugin.demo.tasks import Job

Codec = Callable[[bytes], bytes]

CODECS: Mapping[str, Codec] = {
    "zlib-1": partial(zlib.compress, level=1),
    "zlib-6": partial(zlib.compress, level=6),
    "zlib-9": partial(zlib.compress, level=9),
    "bz2-9": partial(bz2.compress, compresslevel=9),
    "lzma-1": partial(lzma.compress, preset=1),
    "lzma-6": partial(lzma.compress, preset=6),
}
"""The compressors by agent id; what they give, `zlib`, `bz2` and `lzma` take back."""

_SMALL = 16_384
"""Bytes; below, the time is mostly that of getting started."""
_PACE = 0.2
"""Weight of the newest measurement in an estimate."""
_ROUNDS = 3


def measured(codec: Codec, data: bytes) -> tuple[bytes, float]:
    """What the codec makes of the data, and the milliseconds it took."""
    started = time.perf_counter()
    packed = codec(data)
    return packed, (time.perf_counter() - started) * 1e3


class Compressor:
    """An agent that compresses. It knows how fast it is, from its own measurements; not what is likely to succeed."""

    capabilities: tuple[str, ...] = ()

    def __init__(self, agent_id: str, codec: Codec) -> None:
        self.agent_id = agent_id
        self._codec = codec
        self._start_ms = 0.0
        self._ms_per_byte = 0.0

    async def calibrate(self, sample: bytes) -> None:
        """Measure its speed on a sample, in a thread. The fastest of some rounds counts: delays are not its own."""
        self._start_ms = await asyncio.to_thread(self._fastest, sample[:256])
        whole = await asyncio.to_thread(self._fastest, sample)
        self._ms_per_byte = max(whole - self._start_ms, 0.0) / max(len(sample), 1)

    def estimate(self, size: int) -> float:
        """Milliseconds it expects to need for `size` bytes."""
        return self._start_ms + self._ms_per_byte * size

    async def bid(self, task: Task) -> float | None:
        """Its estimate in milliseconds; None for work that is no compressing."""
        return self.estimate(len(task.payload.data)) if isinstance(task.payload, Job) else None

    async def work(self, task: Task) -> Outcome:
        """Compress, measure, and judge by the job's demands; `cost` is the measured time in milliseconds."""
        job = task.payload
        if not isinstance(job, Job):
            raise TypeError(f"task {task.task_id} is no compression job")
        packed, spent = await asyncio.to_thread(measured, self._codec, job.data)
        self._learn(len(job.data), spent)
        small, quick = len(packed) <= job.target, spent <= job.deadline_ms
        size = f"{len(packed)} of at most {job.target} bytes{'' if small else ': too big'}"
        pace = f"{spent:.1f} of at most {job.deadline_ms:.0f} ms{'' if quick else ': too late'}"
        return Outcome(small and quick, spent, f"{size}, {pace}")

    def _fastest(self, data: bytes) -> float:
        return min(measured(self._codec, data)[1] for _ in range(_ROUNDS))

    def _learn(self, size: int, spent: float) -> None:
        """Move the estimate towards a measurement, capped: one hiccup of the machine must not spoil the next bids."""
        spent = min(spent, 3 * self.estimate(size))
        if size < _SMALL:
            self._start_ms += _PACE * (max(spent - self._ms_per_byte * size, 0.0) - self._start_ms)
        else:
            self._ms_per_byte += _PACE * (max(spent - self._start_ms, 0.0) / size - self._ms_per_byte)


def workers() -> list[Compressor]:
    """One agent per compressor."""
    return [Compressor(agent_id, codec) for agent_id, codec in CODECS.items()]
