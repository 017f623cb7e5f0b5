"""The little statistics that detectors need."""

from __future__ import annotations

import math
from typing import NamedTuple

from spark_hooks.views import MeanView, TallyView

Z95 = 1.959964
"""Normal quantile of a 95% interval: what is shown."""
Z99 = 2.575829
"""Normal quantile of a 99% interval: what must be passed before anything is said."""


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Interval of a rate after `successes` of `n` (Wilson, JASA 22, 1927), to six decimals; (0, 1) when `n` is 0.

    >>> [round(x, 3) for x in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return 0.0, 1.0
    rate, slack = successes / n, z * z / n
    centre = (rate + slack / 2.0) / (1.0 + slack)
    half = z / (1.0 + slack) * math.sqrt(rate * (1.0 - rate) / n + slack / (4.0 * n))
    return round(max(0.0, centre - half), 6), round(min(1.0, centre + half), 6)


def mean_interval(of: MeanView, z: float = Z95) -> tuple[float, float]:
    """Interval of a running mean, by the normal approximation; needs two values."""
    half = z * math.sqrt(of.m2 / (of.n - 1) / of.n)
    return of.mean - half, of.mean + half


MIN_OTHERS = 5
"""Outcomes that the others need before anybody is held against them."""


class Others(NamedTuple):
    """The success rate of everybody else, and the bounds one must pass to be worse or better beyond doubt.

    The bounds keep few outcomes from passing for certainty: ten of ten are no 100%, so they include the rate drawn
    towards one half by two outcomes' worth.
    """

    rate: float
    lower: float
    upper: float


def others(everybody: TallyView, own: TallyView) -> Others | None:
    """How everybody but oneself does; None while too little is known of them."""
    outcomes, successes = everybody.outcomes - own.outcomes, everybody.successes - own.successes
    if outcomes < MIN_OTHERS:
        return None
    rate, drawn = successes / outcomes, (successes + 1.0) / (outcomes + 2.0)
    return Others(rate, min(rate, drawn), max(rate, drawn))


def percent(rate: float) -> str:
    """A rate in words: ``37%``."""
    return f"{100.0 * rate:.0f}%"
