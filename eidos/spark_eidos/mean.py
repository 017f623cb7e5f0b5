"""A running mean with its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

SANE = 1e15
"""Values beyond this are no measurements; they would drown all others, and overflow when squared."""


@dataclass(slots=True)
class Mean:
    """Number of values, their mean, and the sum of squared distances from it (Welford, Technometrics 4, 1962).

    >>> mean = Mean()
    >>> for value in (1.0, 2.0, 3.0): mean.add(value)
    >>> mean
    Mean(n=3, mean=2.0, m2=2.0)
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, value: float) -> None:
        """Take in one value; one beyond `SANE` is left out."""
        if not -SANE <= value <= SANE:
            return
        self.n += 1
        gap = value - self.mean
        self.mean += gap / self.n
        self.m2 += gap * (value - self.mean)

    def deviation(self, value: float) -> float:
        """How many standard deviations `value` lies above the mean; 0 before ten values."""
        if self.n < 10 or self.m2 <= 0.0:
            return 0.0
        return (value - self.mean) / math.sqrt(self.m2 / (self.n - 1))
