"""What a store must do: the protocol that every backend implements and `tests/contracts` holds it to.

A store keeps events in the order of their positions (from 1, no gaps), rows derived from them (append-only), read
models (replaceable), one snapshot, dead letters, and counters of what never became an event. All writing happens in a
`Transaction`; only one is open at a time, in any process: it is the fence between writers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class EventRow(msgspec.Struct, frozen=True):
    """One stored event. `data` is the event as JSON; the columns are what can be filtered by."""

    position: int
    source: str
    id: str
    type: str
    task_id: str | None
    agent_id: str | None
    time: float
    importance: float
    data: bytes


class DerivedRow(msgspec.Struct, frozen=True):
    """One derived row: a forecast, a score, an advisory's step. It carries the position of the event that caused it.

    (`position`, `kind`, `subject`) is unique. `task_position` is the position of the task's first event and groups the
    rows of one task; None for rows that are about no task. `time` is that of the causing event. `data` is JSON.
    """

    position: int
    kind: str
    subject: str
    time: float
    importance: float
    data: bytes
    task_position: int | None = None
    task_id: str | None = None
    agent_id: str | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that could not be stored, and why."""

    source: str
    id: str
    type: str
    reason: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to read; None leaves a field open. `after` and `before` are positions, exclusive; `since` a time."""

    type: str | None = None
    agent: str | None = None
    task: str | None = None
    importance: float | None = None
    since: float | None = None
    after: int | None = None
    before: int | None = None


class Reader(Protocol):
    """What can be read, inside a transaction and outside."""

    def position(self) -> int:
        """Position of the newest event, 0 when there is none: also how many there are."""
        ...

    def events(self, which: Filter, *, limit: int | None = None, newest_first: bool = False) -> Sequence[EventRow]:
        """The events that `which` lets through, in the order of their positions."""
        ...

    def heard_of(self, tasks: Iterable[str], before: int) -> set[str]:
        """Which of these tasks have events before a position."""
        ...

    def count(self, which: Filter) -> int:
        """How many events `which` lets through."""
        ...

    def derived(self, which: Filter, *, limit: int | None = None, newest_first: bool = False) -> Sequence[DerivedRow]:
        """The derived rows that `which` lets through, in order of position, kind, subject; `type` is their kind."""
        ...

    def derived_of_task(self, task_position: int) -> Sequence[DerivedRow]:
        """The derived rows of one task, in order of position."""
        ...

    def model(self, kind: str, key: str) -> bytes | None:
        """One row of a read model."""
        ...

    def models(self, kind: str) -> Mapping[str, bytes]:
        """All rows of a read model, by key, in the order of the keys."""
        ...

    def counters(self) -> Mapping[str, int]:
        """What was counted beside the log, by name."""
        ...

    def snapshot(self, version: str) -> bytes | None:
        """The last snapshot, None when there is none of this version."""
        ...


class Transaction(Reader, Protocol):
    """What can be written; all of it or nothing."""

    def known(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which (source, id) are stored already."""
        ...

    def append(self, rows: Sequence[EventRow]) -> None:
        """Add events; their positions follow `position` without a gap. Raises `UnfitRow` where one cannot be stored."""
        ...

    def derive(self, rows: Sequence[DerivedRow]) -> None:
        """Add derived rows; a row that is there already stays as it is."""
        ...

    def publish(self, kind: str, rows: Mapping[str, bytes | None]) -> None:
        """Replace rows of a read model; None takes a row away."""
        ...

    def reset_models(self) -> None:
        """Drop every read model and the snapshot."""
        ...

    def set_importance(self, scores: Mapping[int, float]) -> None:
        """Set the importance of stored events, by position."""
        ...

    def save_snapshot(self, version: str, data: bytes) -> None:
        """Keep a snapshot in place of the last one."""
        ...

    def count_up(self, amounts: Mapping[str, int]) -> None:
        """Add to the counters."""
        ...

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep what could not be stored."""
        ...


class Store(Reader, Protocol):
    """An event store. Readers may be called from any thread."""

    url: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """The write transaction: committed when the block ends, undone when it raises. One thread at a time."""
        ...

    def tasks(self, *, limit: int | None = None) -> Iterator[int]:
        """`task_position` of every task with derived rows, in order; with `limit`, of the newest ones, newest first."""
        ...

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Some of what could not be stored."""
        ...

    def buried(self) -> int:
        """How many dead letters there are."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the store, in words; empty when nothing is."""
        ...

    def close(self) -> None:
        """Let go of the store; closing twice is the same as once."""
        ...
