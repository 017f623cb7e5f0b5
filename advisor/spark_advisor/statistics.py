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


def difference(successes: int, n: int, others: int, of: int) -> tuple[float, float, float]:
    """The first rate less the second, with its 95% interval (Newcombe, Statistics in Medicine 17, 1998, method 10).

    >>> [round(x, 2) for x in difference(4, 10, 17, 20)]
    [-0.45, -0.7, -0.09]
    """
    p, q = successes / n, others / of
    (p_low, p_high), (q_low, q_high) = wilson(successes, n), wilson(others, of)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return round(p - q, 6), round(max(low, -1.0), 6), round(min(high, 1.0), 6)


def surely(effect: float, low: float, high: float) -> float:
    """Probability that an effect has the sign it seems to have, from its 95% interval by the normal approximation.

    >>> round(surely(-0.3, -0.6, 0.0), 3), surely(0.0, 0.0, 0.0)
    (0.975, 0.5)
    """
    error = (high - low) / (2.0 * Z95)
    return 0.5 * math.erfc(-abs(effect) / error / math.sqrt(2.0)) if error > 0.0 else 0.5


def beyond(successes: int, failures: int, bound: float) -> float:
    """Nats that speak for a rate below `bound`: a mixture of smaller rates against the bound itself.

    However often it is looked at, a rate that is not below comes to log(1/a) with probability a at most (Robbins,
    "Statistical Methods Related to the Law of the Iterated Logarithm", Annals of Mathematical Statistics 41, 1970).

    >>> beyond(2, 18, 0.8) > 10.0 > 0.0 > beyond(16, 4, 0.8)
    True
    """
    if not 0.0 < bound < 1.0:
        return -math.inf
    parts = [
        successes * math.log(share) + failures * math.log((1.0 - bound * share) / (1.0 - bound)) for share in _SHARES
    ]
    top = max(parts)
    return top + math.log(sum(math.exp(part - top) for part in parts) / len(parts))


_SHARES = (0.15, 0.4, 0.65, 0.85)
"""The smaller rates, as shares of the bound."""

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
