"""The worker: drains the journals of other processes, living and dead, for as long as it is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from spark_plugin.capture.carrier import POLL_S, Carrier
from spark_plugin.capture.counts import Drained
from spark_plugin.capture.dead import dead_sets
from spark_plugin.capture.drainer import news
from spark_plugin.capture.duty import Duty
from spark_plugin.capture.live import LiveSet, sets_for_a_worker

LOOK_S = 0.2
"""Between two looks at who has come and who has died."""
LAST_S = 2.0
"""At the end, what is there is drained for so long at most: those who go on sending are left to whoever comes next."""
SNAPSHOT_S = 1.0
SNAPSHOT_SHARE = 50
"""Snapshots are for those who ask elsewhere: one a second, and at most one part in so many of the time."""


class Worker:
    """Drains for all processes that leave it to a worker. Of several workers in a directory one works; others wait.

    `tallies` tells the plugin errors of this process, as totals; what is new of them goes to the store.
    `wanted` is asked after each batch; when it says no, what is there is drained once more, and the work ends.
    """

    def __init__(
        self,
        directory: Path,
        carrier: Carrier,
        *,
        wanted: Callable[[], bool],
        tallies: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._directory = directory
        self._carrier = carrier
        self._wanted = wanted
        self._tallies = tallies
        self._told: Mapping[str, int] = {}
        self._duty = Duty(directory)
        self._sets: dict[str, LiveSet] = {}
        self._next_look = 0.0
        self._next_snapshot = 0.0
        self._moved_since = False
        self._stopped = False

    def stop(self) -> None:
        """End soon; may be called from a signal handler, which may come while any lock is held: none is taken."""
        self._stopped = True

    def run(self) -> None:
        """Work until told to stop."""
        while not self._stopped and self._wanted():
            if not self._duty.taken():
                self._rest(LOOK_S)
            elif not self._work():
                self._rest(self._carrier.pause_s)
        if self._duty.taken():
            self._next_look, end = 0.0, time.monotonic() + LAST_S
            while self._work() and time.monotonic() < end:
                pass
        self._close()

    def _work(self) -> int:
        """Do one step and tell others how that went; return how many records it moved."""
        moved = self._carrier.attempt(self._step)
        self._duty.say(self._carrier.trouble)
        return moved

    def _rest(self, seconds: float) -> None:
        """Wait, and notice soon that it is time to stop: a signal does not cut a sleep short."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))

    def _step(self) -> int:
        """Carry a batch of each living process over; return how many records there were."""
        self._carrier.prepare()
        if time.monotonic() >= self._next_look:
            self._look()
        moved = 0
        for live in list(self._sets.values()):
            payloads, end = live.read(self._carrier.batch)
            if payloads:
                live.release(end, Drained(len(payloads), self._carrier.carry(payloads)))
                moved += len(payloads)
        if not moved:
            self._tell()
        self._moved_since = self._moved_since or moved > 0
        if self._moved_since and time.monotonic() >= self._next_snapshot:
            self._snapshot()
        return moved

    def _look(self) -> None:
        """See who has come, and drain whom death has left behind."""
        self._next_look = time.monotonic() + LOOK_S
        self._tell()
        for dead in dead_sets(self._directory):
            if dead.name in self._sets:
                self._sets.pop(dead.name).close()
            self._moved_since = True
            self._carrier.recover(dead)
        for name in sets_for_a_worker(self._directory):
            if name not in self._sets:
                self._sets[name] = LiveSet(self._directory, name)
                if self._sets[name].durable:
                    self._carrier.harden()
        for name in self._sets.keys() - set(sets_for_a_worker(self._directory)):
            self._sets.pop(name).close()

    def _tell(self) -> None:
        totals = self._tallies()
        if new := news(totals, self._told):
            self._carrier.tell(new)
            self._told = totals

    def _snapshot(self) -> None:
        started = time.monotonic()
        self._carrier.rest()
        now = time.monotonic()
        self._next_snapshot = now + max(SNAPSHOT_S, (now - started) * SNAPSHOT_SHARE)
        self._moved_since = False

    def _close(self) -> None:
        for live in self._sets.values():
            live.close()
        self._carrier.close()
        self._duty.leave()
