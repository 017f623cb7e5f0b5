"""The carrier: takes records into the store, whatever drains them; and what to do when the store will not have them."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from spark_hooks import SparkError
from spark_hooks.events import Event
from spark_plugin.capture.counts import Ingested
from spark_plugin.capture.dead import DeadSet, dead_sets
from spark_plugin.capture.ingest import Projection, bury, ingest
from spark_plugin.capture.mend import mend
from spark_plugin.capture.record import Told, decode
from spark_plugin.errors import StoreCorrupt, StoreLocked
from spark_plugin.redaction import Redact, redacted
from spark_plugin.store import DeadLetter, Store, path_of

log = logging.getLogger("spark.capture")

POLL_S = 0.05  # senders never wake a drainer: a wake-up costs them more than the event itself
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 5.0


class Carrier:
    """Opens the store when it is first needed and again after each failure: `open_store` is told whether what is
    committed must outlast a power cut. For one thread.

    `redact` tells, batch by batch, what plugins take out of texts, None for nothing; the built-in redaction always has
    its turn.
    """

    def __init__(
        self,
        directory: Path,
        open_store: Callable[[bool], Store],
        projection: Projection,
        *,
        batch: int,
        durable: bool,
        redact: Callable[[], Redact | None],
    ) -> None:
        self.trouble: str | None = None
        """Why the last try failed; None when it did not."""
        self.failures = 0
        self.batch = batch
        self._directory = directory
        self._open_store = open_store
        self._durable = durable
        self._projection = projection
        self._redact = redact
        self._store: Store | None = None
        self._recovered = False
        self._retry_s = FIRST_RETRY_S

    def attempt(self, step: Callable[[], int]) -> int:
        """Do one step of draining; return how many records it moved, none when it failed."""
        try:
            moved = step()
        except BaseException as error:  # a plugin that exits in this thread is a plugin that failed
            try:
                self._failed(error)
            except BaseException:
                log.exception("in trouble, more trouble")
            return 0
        self.trouble, self._retry_s = None, FIRST_RETRY_S
        return moved

    @property
    def pause_s(self) -> float:
        """How long to wait before the next step when the last one moved nothing."""
        return POLL_S if self.trouble is None else self._retry_s

    def prepare(self) -> None:
        """Have the store open, the projection caught up, the sets of dead processes drained. Raises `StoreError`."""
        if self._store is None:
            self._store = self._open_store(self._durable)
            self._projection.catch_up(self._store)  # by reading alone: whoever holds the lock keeps nobody from answers
        if not self._recovered:
            for dead in dead_sets(self._directory):
                self.recover(dead)
            self._recovered = True

    def harden(self) -> None:
        """From now on what is committed outlasts a power cut: somebody was promised that. Raises `StoreError`."""
        if not self._durable:
            self._durable = True
            self._close_store()
            self._store = self._open_store(True)

    def recover(self, dead: DeadSet) -> None:
        """Drain what a dead process left. Raises `StoreError`."""
        try:
            if dead.durable:
                self.harden()
            records = dead.records()
            while batch := list(islice(records, self.batch)):
                self.carry(batch)
        except BaseException:
            dead.release()
            raise
        dead.remove()

    def carry(self, payloads: Iterable[bytes]) -> Ingested:
        """Store and project some records, in their order. Raises `StoreError`, with nothing stored."""
        events, letters, told = self._read(payloads)
        ingested = bury(self._at_hand(), letters)  # first: when the rest fails, to do it again changes nothing
        if events:
            return ingested.plus(ingest(self._at_hand(), events, self._projection, told))
        self.tell(told)
        return ingested

    def tell(self, counters: Mapping[str, int]) -> None:
        """Add to the store's counters. Raises `StoreError`."""
        if counters:
            with self._at_hand().transaction() as transaction:
                transaction.count_up(counters)

    def rest(self) -> None:
        """No more comes for now: leave a snapshot, so that the next start is quick. Raises `StoreError`."""
        with self._at_hand().transaction() as transaction:
            self._projection.rest(transaction)

    def close(self) -> None:
        """Leave a snapshot if that can be, and let go of the store."""
        if self._store is not None:
            try:
                self.rest()
            except Exception as error:
                log.warning("the last snapshot was not written: %s", error)
        self._close_store()

    def _read(self, payloads: Iterable[bytes]) -> tuple[list[Event], list[DeadLetter], Counter[str]]:
        """The events of some records, redacted; letters about those of which nothing valid is left; told counters."""
        events: list[Event] = []
        letters: list[DeadLetter] = []
        told: Counter[str] = Counter()
        redact = self._redact()
        for payload in payloads:
            try:
                event = decode(payload)
            except (msgspec.MsgspecError, SparkError) as error:  # its checksum held: another version wrote it
                letters.append(DeadLetter("journal", hashlib.sha256(payload).hexdigest(), "unknown", str(error)))
                continue
            if isinstance(event, Told):
                told.update(event.counters)
                continue
            try:
                events.append(redacted(event, redact))
            except Exception as error:  # ours too: what cannot be redacted must neither be stored nor hold up the rest
                reason = str(error) if isinstance(error, SparkError) else type(error).__name__
                letters.append(
                    DeadLetter(event.source, event.id, event.type, f"redaction left nothing valid: {reason}")
                )
        return events, letters, told

    def _failed(self, error: BaseException) -> None:
        if self.trouble is None:
            log.warning("events stay in the journal: %s", error, exc_info=not isinstance(error, SparkError))
        self.trouble = str(error) or type(error).__name__
        self.failures += 1
        longer = min(self._retry_s * 2, LAST_RETRY_S)
        self._retry_s = FIRST_RETRY_S if isinstance(error, StoreLocked) else longer  # who asked for a lock has waited
        self._projection.despair()
        self._close_store()
        if isinstance(error, StoreCorrupt):
            self._mend(error)

    def _mend(self, error: StoreCorrupt) -> None:
        """Begin a new store in place of a damaged one; what can be read of the old one is drained next."""
        try:
            if mend(path_of(error.where), self._directory) is not None:
                self._recovered = False
        except Exception as trouble:  # it is damaged still, so it is tried again
            log.warning("the damaged store %s cannot be set aside: %s", error.where, trouble)

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _at_hand(self) -> Store:
        assert self._store is not None, "prepare comes first"
        return self._store
