"""The projection: the state machine tied to a store. Snapshot, catch-up, publication, rebuild.

The drainer moves it on inside its write transaction; questions read it from other threads. A lock is held per event, so
that a question waits for microseconds, and for milliseconds while a batch is published or a snapshot made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from spark_hooks.events import Event
from spark_plugin import codec
from spark_plugin.errors import BadLine, StoreError
from spark_plugin.projection import importance, published
from spark_plugin.projection.advising import Extensions
from spark_plugin.projection.projector import Projector
from spark_plugin.projection.state import SNAPSHOT_VERSION, State, dump, load
from spark_plugin.store import DerivedRow, EventRow, Filter, Reader, Transaction

log = logging.getLogger("spark.projection")

SNAPSHOT_EVERY = 20_000
"""Events between two snapshots: what a start has to catch up with at most, after a crash."""
CHUNK = 1000
PATIENCE_S = 0.25

T = TypeVar("T")


class Projection:
    """See the module. It fills the protocol `spark_plugin.capture.Projection`."""

    current = True

    def __init__(self, extensions: Extensions | None = None) -> None:
        self._extensions = extensions or Extensions()
        self._lock = threading.RLock()
        self._catching_up = threading.RLock()  # taken before the other, never after it
        self._ready = threading.Event()
        self._patience_s = PATIENCE_S
        self._projector: Projector | None = None
        self._newest: tuple[str, str] | None = None
        """Source and id of the event at the state's position; None at position 0."""
        self._reader: Reader | None = None
        self._snapshot_at = 0
        self._stale = False
        self._failed = False
        self._wake: Callable[[], object] = lambda: None

    def begin(self, transaction: Transaction, events: Sequence[Event]) -> None:
        """Catch up with all that is stored, by whomever; `events` come next."""
        self._reader = transaction
        self.catch_up(transaction)
        projector = self._at_hand()
        projector.effects.clear()
        projector.expect(_tasks(event.task for event in events), projector.state.position + 1, transaction)

    def project(self, position: int, event: Event) -> float:
        """Take one event in; return its importance. A fault of our own is logged, and costs this event its effects."""
        assert self._reader is not None
        with self._lock:
            projector, self._newest = self._at_hand(), (event.source, event.id)
            return projector.overridden(event, self._take(projector, position, event, self._reader, ()))

    def finish(self, transaction: Transaction) -> None:
        """Write what changed; a snapshot too, when the last one is old."""
        with self._lock:
            projector = self._at_hand()
            published.write(projector, transaction)
            projector.effects.clear()
            if projector.state.position - self._snapshot_at >= SNAPSHOT_EVERY:
                self._save(transaction)
        self._reader = None

    def abort(self) -> None:
        """The transaction was undone: the state is read again from the store before more is taken in.

        Until then questions are answered from what was known: a store that cannot be written unlearns nothing.
        """
        with self._lock:
            self._stale, self._reader = True, None

    def renew(self, wake: Callable[[], object]) -> None:
        """In a child process after a fork: begin anew. The parent's threads, which may hold the lock, are not here.

        `wake` is called by whoever asks first: from then on there is somebody who catches up.
        """
        self._lock, self._catching_up = threading.RLock(), threading.RLock()
        self._ready, self._patience_s = threading.Event(), PATIENCE_S
        self._projector = self._reader = self._newest = None
        self._failed, self._wake = False, wake

    def rest(self, transaction: Transaction) -> None:
        """Write a snapshot, so that the next start has nothing to catch up with."""
        self.catch_up(transaction)
        with self._lock:
            if self._at_hand().state.position > self._snapshot_at:
                self._save(transaction)

    def catch_up(self, reader: Reader) -> None:
        """Bring the state to the newest stored position; nothing is written.

        A state that is read anew is nobody else's yet, and needs no lock however long that takes; one that others may
        ask is locked a chunk at a time.
        """
        with self._catching_up:
            upto = reader.position()
            projector, lock = self._projector, self._lock
            if projector is None or self._stale or not self._is_of(reader, projector, upto):
                projector, lock = Projector(self._restored(reader, upto), self._extensions), threading.RLock()
            chunks = self._replayed(projector, reader, upto)
            caught_up = False
            while not caught_up:
                with lock:
                    caught_up = next(chunks, None) is None
                    projector.effects.clear()
            with self._lock:
                self._projector, self._stale, self._failed = projector, False, False
            self._ready.set()

    def rebuild(self, transaction: Transaction) -> int:
        """Make every read model anew from the log and the ledger; return the number of events read."""
        with self._lock:
            transaction.reset_models()
            self._projector = projector = Projector(State(), self._extensions)
            self._newest = None
            upto = transaction.position()
            for scores in self._replayed(projector, transaction, upto, asking=True):
                transaction.set_importance(scores)
                published.write(projector, transaction)
                projector.effects.clear()
            published.write(projector, transaction)
            self._save(transaction)
            self._ready.set()
            return upto

    def ask(self, question: Callable[[State], T]) -> T | None:
        """The answer to a question about the state as it is now; None when there is no state to be had.

        A coordinator asks in its own thread: it is kept waiting for a fraction of a second at its start, over all its
        questions, while the state is being read, and not at all once that has failed. `question` must not keep what it
        is given, nor change it.
        """
        if not self._ready.is_set() and not self._failed and self._patience_s > 0:
            self._wake()
            start = time.monotonic()
            self._ready.wait(self._patience_s)
            self._patience_s -= time.monotonic() - start
        with self._lock:
            return None if self._projector is None else question(self._projector.state)

    def despair(self) -> None:
        """The store cannot be read for now: nobody need wait for a state."""
        self._failed = True

    def _is_of(self, reader: Reader, projector: Projector, upto: int) -> bool:
        """Whether a state is of this log: a store may have been set aside, and another begun in its place."""
        return projector.state.position <= upto and self._newest == _event_at(reader, projector.state.position)

    def _restored(self, reader: Reader, upto: int) -> State:
        data = reader.snapshot(SNAPSHOT_VERSION)
        if data is not None:
            try:
                state = load(data)
            except msgspec.MsgspecError as error:
                log.warning("the snapshot cannot be read, the log is read from its start: %s", error)
            else:
                if state.position <= upto:
                    self._snapshot_at, self._newest = state.position, _event_at(reader, state.position)
                    return state
        self._snapshot_at, self._newest = 0, None
        return State()

    def _replayed(
        self, projector: Projector, reader: Reader, upto: int, *, asking: bool = False
    ) -> Iterator[dict[int, float]]:
        """Take in the stored events up to `upto`, chunk by chunk; yields each chunk's importance by position.

        With `asking`, plugins have their say on the importance again.
        """
        while projector.state.position < upto:
            after = projector.state.position
            rows = reader.events(Filter(after=after, before=upto + 1), limit=CHUNK)
            if not rows:
                return
            projector.expect(_tasks(row.task_id for row in rows), after + 1, reader)
            made = _by_position(reader.derived(Filter(after=after, before=rows[-1].position + 1)))
            yield {
                row.position: self._again(projector, row, reader, made.get(row.position, []), asking) for row in rows
            }

    def _again(
        self, projector: Projector, row: EventRow, reader: Reader, made: list[DerivedRow], asking: bool
    ) -> float:
        self._newest = row.source, row.id
        try:
            event = codec.restored(row.data)
        except BadLine as error:
            log.warning("the event at position %d cannot be read and is passed over: %s", row.position, error)
            projector.state.position = row.position
            return row.importance
        score = self._take(projector, row.position, event, reader, made)
        return projector.overridden(event, score) if asking else score

    def _take(
        self, projector: Projector, position: int, event: Event, reader: Reader, made: Sequence[DerivedRow]
    ) -> float:
        """One event's trouble stays its own: it is stored, without effects, and the batch goes on."""
        try:
            return projector.take(position, event, reader, made)
        except StoreError:
            raise  # not this event's doing: the whole batch is tried again
        except Exception:
            log.exception("event %s of %s could not be projected", event.id, event.source)
            return importance.score(event.type)

    def _save(self, transaction: Transaction) -> None:
        state = self._at_hand().state
        transaction.save_snapshot(SNAPSHOT_VERSION, dump(state))
        self._snapshot_at = state.position

    def _at_hand(self) -> Projector:
        assert self._projector is not None, "begin comes first"
        return self._projector


def _tasks(named: Iterable[str | None]) -> set[str]:
    return {task_id for task_id in named if task_id is not None}


def _event_at(reader: Reader, position: int) -> tuple[str, str] | None:
    """Source and id of the event at a position; None where there is none."""
    rows = reader.events(Filter(after=position - 1, before=position + 1)) if position else ()
    return (rows[0].source, rows[0].id) if rows else None


def _by_position(rows: Iterable[DerivedRow]) -> dict[int, list[DerivedRow]]:
    found: dict[int, list[DerivedRow]] = defaultdict(list)
    for row in rows:
        found[row.position].append(row)
    return found
