"""How an agent stands beside the others, overall or in one category: what struggling and excelling have in common."""

from __future__ import annotations

import math
from typing import NamedTuple

from spark_advisor.records import Compared, certain
from spark_advisor.statistics import beyond, difference, others, surely, wilson
from spark_hooks.views import SwarmView

GAP = 0.05
"""A difference smaller than this is not worth anybody's time, however certain."""
LONE = 0.5
"""With nobody to compare with: what most of the tasks are."""
STILL = 1.0
"""Nats that keep advice alive."""


class Standing(NamedTuple):
    """The rate of an agent since it changed last, less that of the others, with its 95% interval.

    `others` are None where too little is known of them; then the effect is held against `LONE`.
    """

    effect: float
    low: float
    high: float
    rate: float
    others: float | None
    probability: float
    firm: bool
    figures: dict[str, float]


def standing(view: SwarmView, record: Compared, *, above: bool) -> Standing | None:
    """How an agent does better (`above`) or worse than the others; None when it does not, or nobody knows."""
    trend = record.own.trend
    n = trend.outcomes
    if not n or record.card.trend.fell or trend.fell:
        return None
    rate, beside = trend.successes / n, others(record.everybody, record.own)
    if beside is None:
        if above or rate >= LONE:
            return None
        nats = beyond(trend.successes, trend.failures, LONE)
    elif above:
        if rate <= beside.upper + GAP:
            return None  # nothing speaks for it, and most end here
        nats = beyond(trend.failures, trend.successes, 1.0 - beside.upper - GAP)
    else:
        if rate >= beside.lower - GAP:
            return None
        nats = beyond(trend.successes, trend.failures, beside.lower - GAP)
    if nats < STILL:
        return None
    of, succeeded = record.everybody.outcomes - record.own.outcomes, record.everybody.successes - record.own.successes
    if beside is None:
        effect, low, high = rate - LONE, *(bound - LONE for bound in wilson(trend.successes, n))
    else:
        effect, low, high = difference(trend.successes, n, succeeded, of)
    figures: dict[str, float] = {
        "since": trend.since,
        "outcomes": n,
        "successes": trend.successes,
        "apart": sum(trend.apart),
    }
    if beside is not None:
        figures |= {"others_outcomes": of, "others_successes": succeeded}
    probability = min(surely(effect, low, high), 1.0 - math.exp(-nats))
    firm = nats >= certain(view, record)
    return Standing(effect, low, high, rate, beside.rate if beside else None, probability, firm, figures)
