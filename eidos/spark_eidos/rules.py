"""Proper scoring rules: what a forecast costs once the truth is known. Smaller is better in all of them.

A rule is proper when nobody can score better than by saying what they believe (Gneiting & Raftery, "Strictly Proper
Scoring Rules, Prediction, and Estimation", JASA 102, 2007).
"""

from __future__ import annotations

import math

FLOOR = 1e-3
"""Probabilities are held in [FLOOR, 1 - FLOOR]: one surprise must not outweigh a thousand good forecasts."""


def clip(p: float) -> float:
    """`p` held in [FLOOR, 1 - FLOOR].

    >>> clip(0.0), clip(0.5), clip(1.0)
    (0.001, 0.5, 0.999)
    """
    return FLOOR if p < FLOOR else p if p < 1.0 - FLOOR else 1.0 - FLOOR


def log_loss(p: float, happened: bool) -> float:
    """Minus the natural logarithm of the probability given to what happened (Good, "Rational Decisions", 1952).

    >>> round(log_loss(0.5, True), 4), round(log_loss(0.999, False), 4)
    (0.6931, 6.9078)
    """
    p = clip(p)
    return -math.log(p if happened else 1.0 - p)


def brier(p: float, happened: bool) -> float:
    """Squared distance of the probability from 0 or 1 (Brier, Monthly Weather Review 78, 1950).

    >>> brier(0.7, True) < brier(0.6, True)
    True
    """
    return (p - happened) ** 2


def categorical_log_loss(p: float) -> float:
    """Minus the natural logarithm of the probability `p` given to the one of several outcomes that came true.

    >>> round(categorical_log_loss(0.25), 4)
    1.3863
    """
    return -math.log(max(p, FLOOR))


def winkler(level: float, low: float, high: float, truth: float) -> float:
    """Interval score: the width, and 2 / (1 - level) times the distance by which the truth was missed.

    Winkler, "A Decision-Theoretic Approach to Interval Estimation", JASA 67, 1972.

    >>> winkler(0.8, 10.0, 20.0, 15.0), round(winkler(0.8, 10.0, 20.0, 21.0), 9)
    (10.0, 20.0)
    """
    missed = max(low - truth, truth - high, 0.0)
    return (high - low) + 2.0 / (1.0 - level) * missed
