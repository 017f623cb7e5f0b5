"""Capture: journal and drainer as one, with the receipts that senders get."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from spark_hooks import Receipt
from spark_hooks.events import Event
from spark_plugin.capture.drainer import Drainer
from spark_plugin.capture.ingest import Ingested, Projection
from spark_plugin.capture.journal import (
    DEFAULT_TERMS,
    Journal,
    JournalFull,
    JournalSealed,
    JournalTerms,
    RecordTooLarge,
)
from spark_plugin.capture.record import encode
from spark_plugin.redaction import Redact
from spark_plugin.store import Store, path_of

log = logging.getLogger("spark.capture")

RETRY_S = 1.0
MAX_KINDS = 500
"""Types of dropped events that are told apart: a swarm may have any number of its own."""
OTHER_KINDS = "(other types)"


def journal_directory(store_url: str) -> Path:
    """Where the journals of a store lie: beside it. Raises `StoreError` for a URL that is none."""
    path = path_of(store_url)
    return path.with_name(path.name + ".capture")


class Capture:
    """Takes events in. Opening never raises for the disk's sake: what cannot be journaled is dropped, and counted.

    After a fork the child captures into a journal of its own, from its first event on.
    """

    def __init__(
        self,
        directory: Path,
        open_store: Callable[[], Store],
        projection: Projection,
        *,
        batch: int,
        terms: JournalTerms = DEFAULT_TERMS,
        redact: Callable[[], Redact | None] = lambda: None,
        tallies: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """Events that could not be kept, by type."""
        self._directory = directory
        self._terms = terms
        self._outside = tallies
        self._projection = projection
        self._new_drainer = partial(
            Drainer,
            open_store=open_store,
            projection=projection,
            batch=batch,
            redact=redact,
            tallies=self.tallies,
        )
        self._trouble: str | None = None
        self._journal: Journal | None = None
        self._drainer: Drainer | None = None
        self._inherited: Drainer | None = None
        self._next_try = 0.0
        self._closed = False
        self._forking = threading.Lock()  # taken in children only: at a fork nobody holds it
        self._opening = threading.Lock()
        self._open(told={})
        self._process = os.getpid()

    def take(self, event: Event) -> Receipt:
        """Journal one event; its receipt says whether it is safe."""
        if os.getpid() != self._process:
            self._after_fork()
        journal = self._journal or self._opened_late()
        if journal is None:
            return self._drop(event, self._trouble or "closed")
        try:
            journal.append(encode(event))
        except (OSError, RecordTooLarge, JournalFull, JournalSealed) as error:
            return self._drop(event, str(error))
        return Receipt(event.id, "journaled")

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was taken so far is stored and projected; False when that failed or took too long."""
        if os.getpid() != self._process:
            self._after_fork()
        return self._drainer is not None and self._drainer.flush(timeout)

    def close(self) -> None:
        """Drain what is there and let go. What the store would not take stays in the journal."""
        if os.getpid() != self._process:
            self._after_fork()
        self._closed = True
        if self._drainer is not None:
            self._drainer.stop()
        self._journal = None

    @property
    def trouble(self) -> str | None:
        """Why events are not being stored, in words; None when they are."""
        return self._trouble if self._drainer is None else self._drainer.trouble

    @property
    def lag(self) -> int:
        """Events taken and not stored yet."""
        return 0 if self._drainer is None else self._drainer.lag

    @property
    def total(self) -> Ingested:
        """What became of the events taken so far."""
        return Ingested() if self._drainer is None else self._drainer.total

    def tallies(self) -> dict[str, int]:
        """Counts of this process that never become events."""
        return {**self._outside(), "dropped": self.dropped.total()}

    def untold(self) -> dict[str, int]:
        """Those of the `tallies` that are not in the store's counters yet."""
        return self.tallies() if self._drainer is None else self._drainer.untold()

    def _open(self, told: Mapping[str, int]) -> None:
        """Begin capturing in this process; `told` are the tallies that somebody else tells the store."""
        try:
            journal = Journal(self._directory, self._terms)
        except OSError as error:
            self._next_try = time.monotonic() + RETRY_S
            self._trouble = f"journal {self._directory} cannot be written: {error.strerror or error}"
            log.warning("events are dropped: %s", self._trouble)
            return
        self._drainer = self._new_drainer(journal, told=told)
        self._drainer.start()
        self._journal, self._trouble = journal, None

    def _opened_late(self) -> Journal | None:
        """The journal, if it can be opened now after it could not be at first; tried once in a while."""
        with self._opening:
            if self._journal is None and not self._closed and time.monotonic() >= self._next_try:
                self._open(told={})
            return self._journal

    def _after_fork(self) -> None:
        """In a child: the journal and the drainer are the parent's; open our own. Only the first thread to ask does."""
        with self._forking:
            if os.getpid() == self._process:
                return
            self._opening = threading.Lock()  # the parent's may have been held
            if self._journal is not None:
                self._journal.disown()
                self._inherited = self._drainer  # with its store: a child must not close its parent's connections
                self._journal = self._drainer = None
                self._projection.renew()
                self._open(told=self.tallies())
            self._process = os.getpid()  # last: until then other threads of the child wait here

    def _drop(self, event: Event, reason: str) -> Receipt:
        known = event.type in self.dropped or len(self.dropped) < MAX_KINDS
        self.dropped[event.type if known else OTHER_KINDS] += 1
        return Receipt(event.id, "dropped", reason)
