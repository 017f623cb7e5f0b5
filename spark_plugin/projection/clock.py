"""The log's own time: it never runs back, and no writer's clock can make it leap."""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest

MAX_STEP_S = 24 * 3600.0
MAX_WRITERS = 1000


@dataclass(slots=True)
class LogClock:
    """Each writer has a running time that starts at the log's and adds the step between its own consecutive events,
    floored at 0 and capped at 24 hours; the log's time is the highest of them. Seconds since 1970 of the first event.

    >>> clock = LogClock()
    >>> clock.advance("a", 100.0), clock.advance("a", 160.0), clock.advance("a", 90.0)
    (100.0, 160.0, 160.0)
    >>> clock.advance("b", 5.0), clock.advance("b", 15.0)
    (160.0, 170.0)
    """

    now: float = 0.0
    started: bool = False
    writers: dict[str, list[float]] = field(default_factory=dict)  # writer -> [its last stamp, its running time]

    def advance(self, writer: str, stamp: float) -> float:
        """Take in one event's own time; return the log's."""
        if not self.started:
            self.started, self.now = True, stamp
        seen = self.writers.get(writer)
        if seen is None:
            self.writers[writer] = [stamp, self.now]
            forget_oldest(self.writers, MAX_WRITERS)
            return self.now
        seen[1] += min(max(stamp - seen[0], 0.0), MAX_STEP_S)
        seen[0] = stamp
        self.now = max(self.now, seen[1])
        return self.now
