"""Shifts of a level: prices, the spread of bids, what forecasts lose.

Page's cumulative sum for a normal mean (Biometrika 41, 1954), one for each direction, against the level's own past. A
single value counts for three standard deviations at most, so that it takes several to make a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from spark_eidos import Mean

FOUNDED = 20
"""Values before a level can shift."""
MOST = 3.0
NARROWEST = 0.005
"""A standard deviation is not taken for smaller: what was all but equal may differ by a little."""


@dataclass(slots=True)
class Level:
    """The values since the last shift, and those before it. `shifted` is +1 or -1 while that lasts."""

    now: Mean = field(default_factory=Mean)
    since: int = 0
    """Position of the first value of `now`."""
    before: Mean = field(default_factory=Mean)
    before_since: int = 0
    rise: Mean = field(default_factory=Mean)
    """The values since a rise is suspected; part of `now`."""
    rise_since: int = 0
    fall: Mean = field(default_factory=Mean)
    fall_since: int = 0
    up: float = 0.0
    down: float = 0.0
    shifted: int = 0

    def observe(self, value: float, position: int, threshold: float) -> None:
        """Take in the value at `position`; a shift is found at `threshold` nats."""
        self.since = self.since or position
        past = _without(self.now, self.rise if self.up > self.down else self.fall)
        self.now.add(value)
        if past.n < FOUNDED:
            return
        spread = max(math.sqrt(past.m2 / (past.n - 1)) * (1.0 + 8.0 / past.n), NARROWEST)
        z = min(max((value - past.mean) / spread, -MOST), MOST)
        self.up, self.rise_since = _grown(self.rise, self.rise_since, self.up + z - 0.5, value, position)
        self.down, self.fall_since = _grown(self.fall, self.fall_since, self.down - z - 0.5, value, position)
        if max(self.up, self.down) >= threshold:
            self._shift()

    def _shift(self) -> None:
        sign = 1 if self.up > self.down else -1
        run, since = (self.rise, self.rise_since) if sign > 0 else (self.fall, self.fall_since)
        if self.shifted == -sign:  # it is back
            self.before, self.before_since, self.shifted = Mean(), 0, 0
        elif self.shifted == 0:
            self.before, self.before_since, self.shifted = _without(self.now, run), self.since, sign
        self.now, self.since = run, since
        self.rise, self.fall, self.up, self.down = Mean(), Mean(), 0.0, 0.0
        self.rise_since = self.fall_since = 0


def _grown(run: Mean, since: int, evidence: float, value: float, position: int) -> tuple[float, int]:
    """(evidence, first position) of a run with one more value; it is begun anew when nothing speaks for it."""
    if evidence <= 0.0:
        run.n, run.mean, run.m2 = 0, 0.0, 0.0
        return 0.0, 0
    run.add(value)
    return evidence, since or position


def _without(whole: Mean, part: Mean) -> Mean:
    """The values of `whole` that are not in `part` (Chan, Golub & LeVeque, The American Statistician 37, 1983)."""
    n = whole.n - part.n
    if part.n == 0 or n <= 0:
        return Mean(whole.n, whole.mean, whole.m2) if part.n == 0 else Mean()
    mean = (whole.n * whole.mean - part.n * part.mean) / n
    gap = part.mean - mean
    return Mean(n, mean, max(0.0, whole.m2 - part.m2 - gap * gap * n * part.n / whole.n))
