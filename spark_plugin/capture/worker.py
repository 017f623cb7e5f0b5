"""The worker: drains the journals of other processes, living and dead, for as long as it is wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.counts import Drained
from spark_plugin.capture.dead import dead_sets
from spark_plugin.capture.duty import Duty
from spark_plugin.capture.live import LiveSet, sets_for_a_worker

LOOK_S = 0.2
"""Between two looks at who has come and who has died."""
SNAPSHOT_S = 1.0
SNAPSHOT_SHARE = 50
"""Snapshots are for those who ask elsewhere: one a second, and at most one part in so many of the time."""


class Worker:
    """Drains for all processes that leave it to a worker. Of several workers in a directory one works; others wait.

    `wanted` is asked again and again; when it says no, what is there is drained once more, and the work ends.
    """

    def __init__(self, directory: Path, carrier: Carrier, *, durable: bool, wanted: Callable[[], bool]) -> None:
        self._directory = directory
        self._carrier = carrier
        self._durable = durable
        self._wanted = wanted
        self._duty = Duty(directory)
        self._sets: dict[str, LiveSet] = {}
        self._next_look = 0.0
        self._next_snapshot = 0.0
        self._moved_since = False
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopped.set()

    def run(self) -> None:
        """Work until told to stop."""
        last = False
        while not last:
            last = self._stopped.is_set() or not self._wanted()
            if not self._duty.taken():
                self._stopped.wait(LOOK_S)
                continue
            self._next_look = 0.0 if last else self._next_look
            while self._carrier.attempt(self._step) and (last or not self._stopped.is_set()):
                self._duty.say(None)
            self._duty.say(self._carrier.trouble)
            self._stopped.wait(0.0 if last else self._carrier.pause_s)
        self._close()

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
        self._moved_since = self._moved_since or moved > 0
        if self._moved_since and time.monotonic() >= self._next_snapshot:
            self._snapshot()
        return moved

    def _look(self) -> None:
        """See who has come, and drain whom death has left behind."""
        self._next_look = time.monotonic() + LOOK_S
        for dead in dead_sets(self._directory):
            if dead.name in self._sets:
                self._sets.pop(dead.name).close()
            self._moved_since = True
            self._carrier.recover(dead)
        for name in sets_for_a_worker(self._directory):
            if name not in self._sets:
                self._sets[name] = LiveSet(self._directory, name, durable=self._durable)
        for name in self._sets.keys() - set(sets_for_a_worker(self._directory)):
            self._sets.pop(name).close()

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
