"""The drainer: one thread that carries the journal's records into the store, batch by batch."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import msgspec

from spark_hooks import SparkError
from spark_hooks.events import Event
from spark_plugin.capture.dead import dead_sets
from spark_plugin.capture.ingest import Ingested, Projection, bury, ingest
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.mend import mend
from spark_plugin.capture.record import decode
from spark_plugin.errors import StoreCorrupt
from spark_plugin.redaction import Redact, redacted
from spark_plugin.store import DeadLetter, Store, path_of

log = logging.getLogger("spark.capture")

POLL_S = 0.02  # senders never wake the drainer: a wake-up costs them more than the event itself
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 5.0


class Drainer(threading.Thread):
    """Drains the sets of dead processes first, then this process's own, until told to stop.

    `open_store` is called in this thread and again after each failure. `redact` tells, batch by batch, what plugins
    take out of texts, None for nothing; the built-in redaction always has its turn. `tallies` tells the counts that
    never become events (rejected, dropped, plugin errors), as totals of this process; what is new of them since `told`
    goes to the store.
    """

    def __init__(
        self,
        journal: Journal,
        open_store: Callable[[], Store],
        projection: Projection,
        *,
        batch: int,
        redact: Callable[[], Redact | None],
        tallies: Callable[[], Mapping[str, int]],
        told: Mapping[str, int],
    ) -> None:
        super().__init__(name="spark-drainer", daemon=True)
        self.total = Ingested()
        """What became of this process's own records."""
        self.trouble: str | None = None
        """Why the last try failed; None when it did not."""
        self._journal = journal
        self._open_store = open_store
        self._projection = projection
        self._batch = batch
        self._redact = redact
        self._tallies = tallies
        self._told = dict(told)
        self._drained = 0
        self._failures = 0
        self._recovered = False
        self._store: Store | None = None
        self._stop_asked = False
        self._changed = threading.Condition()

    def flush(self, timeout: float | None) -> bool:
        """Wait until all that was journaled before the call is stored and projected.

        False when that took longer than `timeout` seconds, or when the store failed meanwhile.
        """
        with self._changed:
            target, failures = self._journal.appended, self._failures
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done(target) or self._failures > failures or self._ended(), timeout)
            return self._done(target)

    def stop(self, timeout: float | None = None) -> None:
        """Drain what is there, once, and end."""
        with self._changed:
            self._stop_asked = True
            self._changed.notify_all()
        self.join(timeout)

    @property
    def lag(self) -> int:
        """Records journaled and not stored yet."""
        return self._journal.appended - self._drained

    def run(self) -> None:
        """Drain until told to stop, then seal the journal and drain what is left in it."""
        retry = FIRST_RETRY_S
        while not self._stop_asked:
            moved, retry = self._try(retry)
            if not moved:
                with contextlib.suppress(BaseException):
                    self._rest(POLL_S if self.trouble is None else retry)
        try:
            self._journal.seal()
            while self._try(retry)[0] and self.trouble is None:
                pass
            self._let_go()
        except BaseException:
            log.exception("the journal was not closed as it should be; what is in it waits for the next start")

    def untold(self) -> dict[str, int]:
        """What is new in the tallies and not yet among the store's counters."""
        totals = self._tallies()
        return {name: n - self._told.get(name, 0) for name, n in totals.items() if n != self._told.get(name, 0)}

    def _try(self, retry: float) -> tuple[int, float]:
        """One step; returns how many records it moved, and how long to wait after the next failure."""
        try:
            moved = self._step()
        except BaseException as error:  # a plugin that exits in this thread is a plugin that failed
            try:
                self._failed(error)
            except BaseException:
                log.exception("in trouble, more trouble")
            return 0, min(retry * 2, LAST_RETRY_S)
        self.trouble = None
        return moved, FIRST_RETRY_S

    def _step(self) -> int:
        """Carry one batch over; return how many records it had."""
        if self._store is None:
            self._store = self._open_store()
            ingest(self._store, [], self._projection)  # catches up, so that questions are answered before any event
        if not self._recovered:
            self._recover(self._store)
        with contextlib.suppress(OSError):  # no room for the next segment; emptying this one is what makes room
            self._journal.prepare()
        payloads, end = self._journal.read(self._batch)
        if payloads:
            self.total = self.total.plus(self._carry(self._store, payloads))
            self._journal.release(end)
        else:
            self._tell(self._store)
        with self._changed:
            self._drained += len(payloads)
            self._changed.notify_all()
        return len(payloads)

    def _carry(self, store: Store, payloads: Iterable[bytes]) -> Ingested:
        events, letters = self._read(payloads)
        return ingest(store, events, self._projection).plus(bury(store, letters))

    def _recover(self, store: Store) -> None:
        for dead in dead_sets(self._journal.directory):
            try:
                records = dead.records()
                while batch := list(islice(records, self._batch)):
                    self._carry(store, batch)
            except BaseException:
                dead.release()
                raise
            dead.remove()
        self._recovered = True

    def _read(self, payloads: Iterable[bytes]) -> tuple[list[Event], list[DeadLetter]]:
        """The events of some records, redacted; and letters about those of which nothing valid is left."""
        events: list[Event] = []
        letters: list[DeadLetter] = []
        redact = self._redact()
        for payload in payloads:
            try:
                event = decode(payload)
            except (msgspec.MsgspecError, SparkError) as error:  # its checksum held: another version wrote it
                letters.append(DeadLetter("journal", hashlib.sha256(payload).hexdigest(), "unknown", str(error)))
                continue
            try:
                events.append(redacted(event, redact))
            except Exception as error:  # ours too: what cannot be redacted must neither be stored nor hold up the rest
                reason = str(error) if isinstance(error, SparkError) else type(error).__name__
                letters.append(
                    DeadLetter(event.source, event.id, event.type, f"redaction left nothing valid: {reason}")
                )
        return events, letters

    def _tell(self, store: Store) -> None:
        """Add what is new in the tallies to the store's counters."""
        if news := self.untold():
            with store.transaction() as transaction:
                transaction.count_up(news)
            for name, n in news.items():
                self._told[name] = self._told.get(name, 0) + n

    def _failed(self, error: BaseException) -> None:
        if self.trouble is None:
            log.warning("events stay in the journal: %s", error, exc_info=not isinstance(error, SparkError))
        with self._changed:
            self.trouble = str(error) or type(error).__name__
            self._failures += 1
            self._changed.notify_all()
        self._projection.despair()
        self._close_store()
        if isinstance(error, StoreCorrupt):
            self._mend(error)

    def _mend(self, error: StoreCorrupt) -> None:
        """Begin a new store in place of a damaged one; what can be read of the old one is drained next."""
        try:
            if mend(path_of(error.where), self._journal.directory) is not None:
                self._recovered = False
        except Exception as trouble:  # it is damaged still, so it is tried again
            log.warning("the damaged store %s cannot be set aside: %s", error.where, trouble)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            if not self._stop_asked:
                self._changed.wait(seconds)

    def _let_go(self) -> None:
        if self._store is not None:
            try:
                with self._store.transaction() as transaction:
                    self._projection.rest(transaction)
            except Exception as error:
                log.warning("the last snapshot was not written: %s", error)
        self._close_store()
        self._journal.close(drained=self.lag == 0)
        with self._changed:
            self._changed.notify_all()

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _done(self, target: int) -> bool:
        return self._drained >= target

    def _ended(self) -> bool:
        return self.ident is not None and not self.is_alive()
