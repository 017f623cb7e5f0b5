"""Capture: the journal and whoever drains it as one, with the receipts that senders get."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from spark_hooks import Receipt
from spark_hooks.events import Event
from spark_plugin import forks
from spark_plugin.capture.counts import NOTHING, Ingested
from spark_plugin.capture.journal import (
    Journal,
    JournalFull,
    JournalSealed,
    JournalTerms,
    RecordTooLarge,
)
from spark_plugin.capture.record import encode
from spark_plugin.store import path_of

log = logging.getLogger("spark.capture")

RETRY_S = 1.0
MAX_KINDS = 500
"""Types of dropped events that are told apart: a swarm may have any number of its own."""
OTHER_KINDS = "(other types)"


def journal_directory(store_url: str) -> Path:
    """Where the journals of a store lie: beside it. Raises `StoreError` for a URL that is none."""
    path = path_of(store_url)
    return path.with_name(path.name + ".capture")


class Draining(Protocol):
    """Whoever sees to it that a journal is drained: a thread of this process, or the keeper of what a worker drains."""

    @property
    def trouble(self) -> str | None:
        """Why events are not being stored, in words; None when they are."""
        ...

    @property
    def lag(self) -> int:
        """Events taken and not stored yet."""
        ...

    @property
    def total(self) -> Ingested:
        """What became of the events taken so far."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def flush(self, timeout: float | None) -> bool:
        """Wait until all that was journaled is stored and projected; False when that failed or took too long."""
        ...

    def stop(self, timeout: float | None = None) -> None:
        """Drain what is there, let go of the journal, and end."""
        ...

    def untold(self) -> dict[str, int]:
        """Those tallies that are not in the store's counters yet."""
        ...


class Crew(Protocol):
    """Where those who drain come from."""

    def begin(self, journal: Journal, tallies: Callable[[], Mapping[str, int]], told: Mapping[str, int]) -> Draining:
        """Whoever drains this journal. What is new in the tallies since `told` goes to the store."""
        ...

    def renew(self, wake: Callable[[], object]) -> None:
        """In a child process, right after the fork: begin anew; whoever asks first calls `wake`."""
        ...


class Capture:
    """Takes events in. Opening never raises for the disk's sake: what cannot be journaled is dropped, and counted.

    `tallies` tells what else never became an event, as totals. After a fork the child captures into a journal of its
    own, from its first event on.
    """

    def __init__(
        self,
        directory: Path,
        terms: JournalTerms,
        crew: Crew,
        *,
        tallies: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """Events that could not be kept, by type."""
        self._directory = directory
        self._terms = terms
        self._crew = crew
        self._outside = tallies
        self._trouble: str | None = None
        self._journal: Journal | None = None
        self._draining: Draining | None = None
        self._inherited: list[Draining] = []
        self._told: Mapping[str, int] = {}
        self._next_try = 0.0
        self._closed = self._begins = False
        self._opening = threading.RLock()
        self._open()
        forks.renew(self)

    def take(self, event: Event) -> Receipt:
        """Journal one event; its receipt says whether it is safe."""
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
        if self._journal is not None and self._journal.interrupted:
            return False  # a signal's handler, in the middle of a send of this thread's: there is no end to wait for
        return self._trouble is None if self._draining is None else self._draining.flush(timeout)

    def close(self) -> None:
        """Drain what is there and let go. What the store would not take stays in the journal."""
        self._closed = True
        if self._draining is not None:
            interrupted = self._journal is not None and self._journal.interrupted
            self._draining.stop(0.0 if interrupted else None)  # it ends once the send has that was interrupted
        self._journal = None

    @property
    def trouble(self) -> str | None:
        """Why events are not being stored, in words; None when they are."""
        return self._trouble if self._draining is None else self._draining.trouble

    @property
    def lag(self) -> int:
        """Events taken and not stored yet."""
        return 0 if self._draining is None else self._draining.lag

    @property
    def total(self) -> Ingested:
        """What became of the events taken so far."""
        return NOTHING if self._draining is None else self._draining.total

    def tallies(self) -> dict[str, int]:
        """Counts of this process that never become events."""
        return {**self._outside(), "dropped": self.dropped.total()}

    def untold(self) -> dict[str, int]:
        """Those of the `tallies` that are not in the store's counters yet."""
        return self.tallies() if self._draining is None else self._draining.untold()

    def renew(self) -> None:
        """In a child, right after the fork: journal and drainer are the parent's; ours begin with the first event."""
        self._opening = threading.RLock()  # the parent's may be held by a thread that is not here
        if self._journal is not None:
            self._journal.disown()
        if self._draining is not None:
            self._inherited.append(self._draining)
        self._journal = self._draining = None
        self._begins = False
        self._told = self.tallies()  # so far, and told to the store by the parent
        self._crew.renew(self._opened_late)

    def _open(self) -> None:
        """Begin capturing in this process."""
        try:
            journal = Journal(self._directory, self._terms)
        except OSError as error:
            self._next_try = time.monotonic() + RETRY_S
            self._trouble = f"journal {self._directory} cannot be written: {error.strerror or error}"
            log.warning("events are dropped: %s", self._trouble)
            return
        self._draining = self._crew.begin(journal, self.tallies, self._told)
        self._draining.start()
        self._journal, self._trouble = journal, None

    def _opened_late(self) -> Journal | None:
        """The journal, if it can be opened now: after a fork, or when it could not be before; tried once in a while."""
        with self._opening:
            due = not (self._closed or self._begins) and time.monotonic() >= self._next_try
            if self._journal is None and due:
                self._begins = True  # a signal's handler may send meanwhile, too
                try:
                    self._open()
                finally:
                    self._begins = False
            return self._journal

    def _drop(self, event: Event, reason: str) -> Receipt:
        known = event.type in self.dropped or len(self.dropped) < MAX_KINDS
        self.dropped[event.type if known else OTHER_KINDS] += 1
        return Receipt(event.id, "dropped", reason)
