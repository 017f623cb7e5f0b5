"""The drainer: one thread that carries this process's own journal into the store, batch by batch."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping

from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.counts import NOTHING, Ingested
from spark_plugin.capture.helper import Helper
from spark_plugin.capture.journal import Journal

log = logging.getLogger("spark.capture")


class Drainer(Helper):
    """Drains the sets of dead processes first, then this process's own, until told to stop.

    `tallies` tells the counts that never become events (rejected, dropped, plugin errors), as totals of this process;
    what is new of them since `told` goes to the store.
    """

    def __init__(
        self,
        journal: Journal,
        carrier: Carrier,
        *,
        tallies: Callable[[], Mapping[str, int]],
        told: Mapping[str, int],
    ) -> None:
        super().__init__("spark-drainer")
        self.total: Ingested = NOTHING
        """What became of this process's own records."""
        self._journal = journal
        self._carrier = carrier
        self._tallies = tallies
        self._told = Counter(told)
        self._drained = 0

    def flush(self, timeout: float | None) -> bool:
        """Wait until all that was journaled before the call is stored and projected.

        False when that took longer than `timeout` seconds, or when the store failed meanwhile.
        """
        with self.changed:
            target, failures = self._journal.appended, self._carrier.failures
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self._done(target) or self._carrier.failures > failures or self.ended, timeout
            )
            return self._done(target)

    @property
    def trouble(self) -> str | None:
        """Why events are not being stored; None when they are."""
        return self._carrier.trouble

    @property
    def lag(self) -> int:
        """Records journaled and not stored yet."""
        return self._journal.appended - self._drained

    def untold(self) -> dict[str, int]:
        """What is new in the tallies and not yet among the store's counters."""
        return news(self._tallies(), self._told)

    def work(self) -> None:
        """Drain until told to stop, then seal the journal and drain what is left in it."""
        while not self.stop_asked:
            with contextlib.suppress(BaseException):
                if not self._move():
                    self.rest(self._carrier.pause_s)
        try:
            self._end()
        except BaseException:
            log.exception("the journal was not closed as it should be; what is in it waits for the next start")

    def _end(self) -> None:
        self._journal.seal()
        while self._move() and self.trouble is None:
            pass
        self._carrier.close()
        self._journal.close(drained=self.lag == 0)

    def _move(self) -> int:
        moved = self._carrier.attempt(self._step)
        with self.changed:
            self.changed.notify_all()
        return moved

    def _step(self) -> int:
        """Carry one batch over; return how many records it had."""
        self._carrier.prepare()
        with contextlib.suppress(OSError):  # no room for the next segment; emptying this one is what makes room
            self._journal.prepare()
        payloads, end = self._journal.read(self._carrier.batch)
        if payloads:
            self.total = self.total.plus(self._carrier.carry(payloads))
            self._journal.release(end)
        elif untold := self.untold():
            self._carrier.tell(untold)
            self._told.update(untold)
        with self.changed:
            self._drained += len(payloads)
        return len(payloads)

    def _done(self, target: int) -> bool:
        return self._drained >= target


def news(totals: Mapping[str, int], told: Mapping[str, int]) -> dict[str, int]:
    """What is new in some totals since they were told."""
    return {name: n - told.get(name, 0) for name, n in totals.items() if n != told.get(name, 0)}
