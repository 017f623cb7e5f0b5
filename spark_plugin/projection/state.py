"""The projection's whole state at one position of the log: plain data, so that a snapshot restores it byte by byte."""

from __future__ import annotations

import gc
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from spark_advisor import AdvisoryBook
from spark_eidos import VERSION, Eidos, Mean, Scoreboard
from spark_eidos.pace import own_time
from spark_plugin.projection.cards import AgentCard, CategoryCard, TaskCard
from spark_plugin.projection.clock import LogClock
from spark_plugin.projection.memories import Memory
from spark_plugin.projection.park import Park
from spark_plugin.projection.work import Work

SNAPSHOT_VERSION = f"4:{VERSION}"
"""Changes with the shape of `State` and with the models: a snapshot of another version is not read."""
_DTYPES = {"<f8", "<i8", ">f8", ">i8"}
_CHECKSUM = struct.Struct("<I")


MAX_TYPES = 500
MAX_WAITED = 20_000
OTHER_TYPES = "(other types)"


@dataclass(slots=True)
class Counts:
    """What was counted of the log."""

    types: dict[str, int] = field(default_factory=dict)
    """By type of event; types beyond `MAX_TYPES` are counted together as `OTHER_TYPES`."""
    heard: int = 0
    """Tasks heard of."""
    open: int = 0
    completed: int = 0
    failed: int = 0
    unmatched: int = 0
    """Outcomes with no open attempt to close."""
    reposted: int = 0
    """Posts of a task that was posted before."""

    def count(self, type_name: str) -> None:
        """Count one event."""
        if type_name not in self.types and len(self.types) >= MAX_TYPES:
            type_name = OTHER_TYPES
        self.types[type_name] = self.types.get(type_name, 0) + 1


@dataclass(slots=True)
class State:
    """Everything that follows from the log up to `position`. Serves detectors as their `SwarmView`."""

    position: int = 0
    clock: LogClock = field(default_factory=LogClock)
    counts: Counts = field(default_factory=Counts)
    agents: dict[str, AgentCard] = field(default_factory=dict)
    categories: dict[str, CategoryCard] = field(default_factory=dict)
    bids: Mean = field(default_factory=Mean)
    """Bids for tasks without a category, on the same scale as `CategoryCard.bids`."""
    tasks: dict[str, TaskCard] = field(default_factory=dict)
    """Tasks heard of lately, least lately first; the others are read back from the log when they are heard of again."""
    tasks_left: int = 0
    """How many tasks have left `tasks`."""
    park: Park = field(default_factory=Park)
    waited: dict[str, None] = field(default_factory=dict)
    """Tasks of which something was waited for in vain, the newest `MAX_WAITED`: their events do not tell."""
    given_up: dict[str, int] = field(default_factory=dict)
    """Up to which position the events of a task are no part of it: outcomes that nothing came to; as many of them."""
    eidos: Eidos = field(default_factory=Eidos)
    book: AdvisoryBook = field(default_factory=AdvisoryBook)
    memories: dict[str, Memory] = field(default_factory=dict)
    work: Work = field(default_factory=Work)

    @property
    def time(self) -> float:
        return self.clock.now

    @property
    def own_time(self) -> float:
        """The swarm's own time, by which the models forget: no clock is asked."""
        return own_time(self.counts.heard, self.outcomes)

    @property
    def outcomes(self) -> int:
        return self.work.outcomes

    @property
    def successes(self) -> int:
        return self.work.successes

    @property
    def forecasts(self) -> Scoreboard:
        return self.eidos.scoreboard


def _packed(value: object) -> object:
    """An array in plain types."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise NotImplementedError(f"a state holds no {type(value).__name__}")


def _unpacked(kind: type, value: Any) -> Any:
    """The array that `_packed` was given. Raises what is wrong with anything else."""
    if kind is not np.ndarray:
        return value  # of a field that may hold anything
    dtype, shape, data = value
    if dtype not in _DTYPES:
        raise ValueError(f"{dtype!r} is no type of an array of the state")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


_encode = msgspec.msgpack.Encoder(enc_hook=_packed).encode
_decode = msgspec.msgpack.Decoder(State, dec_hook=_unpacked).decode
"""Made here: where two threads have msgspec look at a class for the first time at once, the process dies of it."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """The collector of garbage rests: it would look at every new object over and over, and find that all are in use."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def dump(state: State) -> bytes:
    """The state as bytes; the same state gives the same bytes.

    They begin with a checksum (CRC-32, little endian): a few wrong bits in the middle would else be a state as good as
    any other, from which everything goes on.
    """
    data = _encode(state)
    return _CHECKSUM.pack(zlib.crc32(data)) + data


def load(data: bytes) -> State:
    """The state of `dump`. Raises `msgspec.MsgspecError` for anything else."""
    try:
        (checksum,), body = _CHECKSUM.unpack_from(data), data[_CHECKSUM.size :]
        if zlib.crc32(body) != checksum:
            raise msgspec.DecodeError("its checksum does not fit")
        with _no_collection():
            return _decode(body)
    except (struct.error, ValueError, TypeError, RecursionError) as error:  # no bytes at all, no Unicode in it
        raise msgspec.DecodeError(str(error)) from error
