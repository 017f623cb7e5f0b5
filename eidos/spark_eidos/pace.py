"""Time in units of the log's own pace: a swarm may live through a thousand outcomes a second, or one a day."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """How far apart, in seconds of the log's time, things happen on average.

    >>> pace = Pace()
    >>> for at in (0.0, 10.0, 20.0): pace.beat(at)
    >>> pace.unit
    10.0
    """

    beats: int = 0
    first: float = 0.0
    last: float = 0.0

    def beat(self, now: float) -> None:
        """Something happened at `now`."""
        if self.beats == 0:
            self.first = now
        self.beats += 1
        self.last = max(self.last, now)

    @property
    def unit(self) -> float:
        """Mean seconds between two of them; 1 while there is no telling."""
        return (self.last - self.first) / (self.beats - 1) if self.beats > 1 and self.last > self.first else 1.0


def faded(elapsed: float, half_life: float) -> float:
    """What is left of something after `elapsed`, when half is left after `half_life`; nothing grows."""
    left: float = 0.5 ** min(max(elapsed, 0.0) / half_life, 1000.0)
    return left
