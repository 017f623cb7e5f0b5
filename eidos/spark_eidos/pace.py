"""The swarm's own time. Clocks of many machines tell nothing that holds; what was heard of, and what came of it, does.

It moves on by one with every task that is heard of for the first time, and by `PER_OUTCOME` with every outcome: neither
a clock that is wrong nor the order in which a task's own events are told makes a difference to it.
"""

from __future__ import annotations

PER_OUTCOME = 0.15


def own_time(tasks: int, outcomes: int) -> float:
    """The swarm's own time after so many tasks and outcomes.

    >>> own_time(2, 0) < own_time(2, 1) < own_time(3, 0)
    True
    """
    return tasks + PER_OUTCOME * outcomes


def faded(elapsed: float, half_life: float) -> float:
    """What is left of something after `elapsed`, when half is left after `half_life`; nothing grows."""
    left: float = 0.5 ** (elapsed / half_life) if elapsed > 0.0 else 1.0
    return left
