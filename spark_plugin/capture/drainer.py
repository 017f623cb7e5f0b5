"""The drainer: one thread that carries the journal's records into the store, batch by batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from spark_hooks import SparkError
from spark_hooks.events import AnyEvent, Event
from spark_plugin.capture.ingest import Ingested, Projection, ingest
from spark_plugin.capture.journal import Journal, dead_sets
from spark_plugin.redaction import Redact, redacted
from spark_plugin.store import Store

log = logging.getLogger("spark.capture")

POLL_S = 0.02  # senders never wake the drainer: a wake-up costs them more than the event itself
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 5.0

decode: Callable[[bytes], Event] = msgspec.msgpack.Decoder(AnyEvent).decode
encode: Callable[[Event], bytes] = msgspec.msgpack.Encoder().encode


class Drainer(threading.Thread):
    """Drains the sets of dead processes first, then this process's own, until told to stop.

    `open_store` is called in this thread and again after each failure. `redact` tells, batch by batch, what takes
    secrets out of texts, None for nothing. `tallies` tells the counts that never become
    events (rejected, dropped, plugin errors), as totals of this process; what is new of them goes to the store.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path,
        open_store: Callable[[], Store],
        projection: Projection,
        *,
        batch: int,
        redact: Callable[[], Redact | None],
        tallies: Callable[[], Mapping[str, int]],
    ) -> None:
        super().__init__(name="spark-drainer", daemon=True)
        self.total = Ingested()
        """What became of this process's own records."""
        self.trouble: str | None = None
        """Why the last try failed; None when it did not."""
        self._journal = journal
        self._directory = directory
        self._open_store = open_store
        self._projection = projection
        self._batch = batch
        self._redact = redact
        self._tallies = tallies
        self._told: dict[str, int] = {}
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
        retry = FIRST_RETRY_S
        while True:
            try:
                moved = self._step()
                retry, self.trouble = FIRST_RETRY_S, None
            except Exception as error:
                moved, retry = 0, self._failed(error, retry)
            if self._stop_asked and not moved:
                break
            if not moved:
                self._rest(POLL_S if self.trouble is None else retry)
        self._let_go()

    def _step(self) -> int:
        """Carry one batch over; return how many records it had."""
        if self._store is None:
            self._store = self._open_store()
            ingest(
                self._store, [], self._projection
            )  # catches up, so that questions are answered before the first event
        if not self._recovered:
            self._recover(self._store)
        payloads, end = self._journal.read(self._batch)
        if payloads:
            ingested = ingest(self._store, self._events(payloads), self._projection)
            self._journal.release(end)
            self.total = self.total.plus(ingested)
        self._tell(self._store, idle=not payloads)
        with self._changed:
            self._drained += len(payloads)
            self._changed.notify_all()
        return len(payloads)

    def _recover(self, store: Store) -> None:
        for dead in dead_sets(self._directory):
            try:
                records = dead.records()
                while batch := list(islice(records, self._batch)):
                    ingest(store, self._events(batch), self._projection)
            except BaseException:
                dead.release()
                raise
            dead.remove()
        self._recovered = True

    def _events(self, payloads: Iterable[bytes]) -> list[Event]:
        events = []
        redact = self._redact()
        for payload in payloads:
            try:
                event = decode(payload)
                events.append(event if redact is None else redacted(event, redact))
            except (msgspec.MsgspecError, SparkError) as error:  # its checksum held: another version wrote it
                log.error("a journaled record cannot be read and is left out: %s", error)
        return events

    def _tell(self, store: Store, *, idle: bool) -> None:
        """Add what is new in the tallies to the store's counters; between batches, not for each."""
        if not idle:
            return
        totals = self._tallies()
        news = {name: n - self._told.get(name, 0) for name, n in totals.items() if n != self._told.get(name, 0)}
        if news:
            with store.transaction() as transaction:
                transaction.count_up(news)
            self._told = dict(totals)

    def _failed(self, error: Exception, retry: float) -> float:
        if self.trouble is None:
            log.warning("events stay in the journal: %s", error, exc_info=not isinstance(error, SparkError))
        with self._changed:
            self.trouble = str(error)
            self._failures += 1
            self._changed.notify_all()
        self._close_store()
        return min(retry * 2, LAST_RETRY_S)

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
        if self._store is not None:
            self._store.close()
            self._store = None

    def _done(self, target: int) -> bool:
        return self._drained >= target

    def _ended(self) -> bool:
        return self.ident is not None and not self.is_alive()
