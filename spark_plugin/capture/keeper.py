"""The keeper: looks after a journal that a worker drains in another process. It touches no store."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from spark_plugin.capture.counts import Ingested
from spark_plugin.capture.drainer import news
from spark_plugin.capture.duty import on_duty
from spark_plugin.capture.helper import Helper
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.record import Told, encode

log = logging.getLogger("spark.capture")

ROUND_S = 0.05
LOOK_S = 0.5
"""Between two looks at the worker."""
GRACE_S = 5.0
"""A worker may take so long to start, or to be replaced, before its absence is called trouble."""
STALL_S = 30.0
"""A worker that is there and drains nothing of ours for so long is trouble too: it may have been stopped."""
FLUSH_POLL_S = 0.002
LAST_WAIT_S = 30.0
DISMISS_S = 10.0
"""A worker that is not needed any more may take so long to end."""


class Staff(Protocol):
    """Who sees to it that there is a worker."""

    def look(self) -> None:
        """See to it now."""
        ...

    def dismiss(self) -> None:
        """The worker is not needed any more."""
        ...


class Somebody:
    """Somebody else's business: whoever runs ``spark worker``."""

    def look(self) -> None: ...

    def dismiss(self) -> None: ...


class Child:
    """A child process that works for this one, begun anew when it died."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._wait_s = 0.5
        self._next_start = 0.0

    def look(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() < self._next_start:
            return
        if self._process is not None:
            log.warning("the worker ended with code %s and is started again", self._process.returncode)
        self._next_start = time.monotonic() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LAST_WAIT_S)
        paths = os.pathsep.join(path for path in sys.path if path)  # it imports what we import
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "spark_plugin", "worker", "--while", str(os.getpid())],
            env={**os.environ, "PYTHONPATH": paths, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what troubles it, it tells through the duty file
            start_new_session=True,  # an interrupt at the terminal is not meant for it: it ends when we do
        )

    def dismiss(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(DISMISS_S)
            except subprocess.TimeoutExpired:  # it may have been stopped; nothing is lost, nothing is stored twice
                self._process.kill()
                self._process.wait()


class Telling(NamedTuple):
    """The tallies told last: the totals without them, with them, and how many drained records mean they are stored."""

    before: Mapping[str, int]
    after: Mapping[str, int]
    arrives: int


class Keeper(Helper):
    """Keeps the next segment ready, lets go of drained ones, tells the tallies, and sees to it that there is a worker.

    `tallies` and `told`: as for the drainer.
    """

    def __init__(
        self, journal: Journal, staff: Staff, *, tallies: Callable[[], Mapping[str, int]], told: Mapping[str, int]
    ) -> None:
        super().__init__("spark-keeper")
        self.trouble: str | None = None
        """Why events are not being stored; None when they are."""
        self._journal = journal
        self._staff = staff
        self._tallies = tallies
        self._telling = Telling(told, told, 0)
        self._seen_at = self._moved_at = time.monotonic()
        self._moved = 0
        self._looks = 0
        self._next_look = 0.0

    def flush(self, timeout: float | None) -> bool:
        """Wait until the worker has stored and projected all that was journaled before the call.

        False when that took longer than `timeout` seconds, or when there is trouble.
        """
        target, looks = self._journal.appended, self._looks
        end = None if timeout is None else time.monotonic() + timeout
        while self._journal.drained.records < target:
            troubled = self.trouble is not None and self._looks > looks  # seen since the call, not before
            if troubled or self.ended or self.ident is None or (end is not None and time.monotonic() > end):
                return False
            time.sleep(FLUSH_POLL_S)
        return True

    @property
    def lag(self) -> int:
        """Records journaled and not stored yet."""
        return self._journal.appended - self._journal.drained.records

    @property
    def total(self) -> Ingested:
        """What became of this process's own records."""
        return self._journal.drained.events

    def untold(self) -> dict[str, int]:
        """What is new in the tallies and not yet among the store's counters."""
        said = self._telling
        return news(self._tallies(), said.after if self._journal.drained.records >= said.arrives else said.before)

    def work(self) -> None:
        """Keep until told to stop; then wait for what is left to be drained, if there is a worker."""
        while not self.stop_asked:
            self.rest(ROUND_S)
            try:
                self._round()
            except Exception as error:
                self._say(f"the journal is not kept as it should be: {error}")
        try:
            self._end()
        except Exception:
            log.exception("the journal was not closed as it should be; what is in it waits for the next start")

    def _end(self) -> None:
        self._tell()
        while (
            news(self._tallies(), self._telling.after) and self.trouble is None
        ):  # a full journal has no room for them
            self._round()
            self._tell()
            time.sleep(FLUSH_POLL_S)
        self._journal.seal()
        while self.lag and self.trouble is None:
            self._round()
            time.sleep(FLUSH_POLL_S)
        self._staff.dismiss()
        self._journal.close(drained=self.lag == 0)

    def _round(self) -> None:
        with contextlib.suppress(
            OSError, ValueError
        ):  # no room, which draining makes; or it is not the newest any more
            self._journal.prepare()
        self._journal.forget()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            self._tell()
            self._look()
            self._looks += 1

    def _look(self) -> None:
        """See how the worker is, and whether it can find the journal."""
        if self._journal.is_gone:
            self._journal.seal()  # what cannot be kept must not be taken in
            self._say(f"the files of the journal in {self._journal.directory} were removed: start this process again")
            return
        try:
            self._staff.look()
            worker = on_duty(self._journal.directory)
        except Exception as error:
            self._say(f"no worker can be started: {error}")
            return
        now = time.monotonic()
        if worker is None or worker.trouble or not self.lag or self._moved != self._journal.drained.records:
            self._moved, self._moved_at = self._journal.drained.records, now
        if worker is not None:
            self._seen_at = now
            stalled = f"the worker (process {worker.pid}) drains nothing: is it stopped?"
            self._say(worker.trouble or (stalled if now - self._moved_at > STALL_S else None))
        elif now - self._seen_at > GRACE_S:
            self._say("no worker is there: run `spark worker`")

    def _say(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            log.warning("events stay in the journal: %s", trouble)
        self.trouble = trouble

    def _tell(self) -> None:
        """Tell the worker what is new in the tallies, through the journal; one thing after the other."""
        told, totals = self._telling.after, self._tallies()
        if self._journal.drained.records >= self._telling.arrives and (new := news(totals, told)):
            with contextlib.suppress(ValueError, OSError):  # no room: told later
                self._journal.append(encode(Told(new)), wait=False)  # who makes room must not wait for it
                self._telling = Telling(told, totals, self._journal.appended)
