"""How important an event is: a base score by type, and boosts for what is unusual. 0..1, two decimals."""

from __future__ import annotations

from collections.abc import Mapping

BASE: Mapping[str, float] = {
    "task_posted": 0.4,
    "bid_submitted": 0.2,
    "task_assigned": 0.5,
    "task_completed": 0.6,
    "task_failed": 1.0,
    "agent_joined": 0.5,
}
OTHER = 0.5
SCORED = 0.7
"""Of a scored prediction, which is a derived row."""

FIRST_TIME = 0.1
LARGE_BID = 0.3
SURPRISE = 0.3
UNUSUAL_DEVIATIONS = 2.0  # a bid this many standard deviations above those seen begins to count as large
UNLIKELY = 0.3  # an outcome held less likely than this is a surprise


def score(type_name: str, *, first_time: bool = False, deviations: float = 0.0, likelihood: float = 1.0) -> float:
    """Importance of an event.

    `first_time`: nothing like it was seen before. `deviations`: how many standard deviations a bid lies above the bids
    seen. `likelihood`: the probability that the forecast gave to this outcome.

    >>> score("bid_submitted"), score("bid_submitted", deviations=4.0), score("task_completed", likelihood=0.1)
    (0.2, 0.5, 0.8)
    """
    value = BASE.get(type_name, OTHER)
    if first_time:
        value += FIRST_TIME
    if deviations > UNUSUAL_DEVIATIONS:
        value += LARGE_BID * min(deviations / UNUSUAL_DEVIATIONS - 1.0, 1.0)
    if likelihood < UNLIKELY:
        value += SURPRISE * (1.0 - likelihood / UNLIKELY)
    return bounded(value)


def bounded(value: float) -> float:
    """`value` held in 0..1, to two decimals."""
    return round(min(1.0, max(0.0, value)), 2)
