"""Work that went to one although another candidate was expected to do it better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spark_eidos.bounds import forget_oldest

MARGIN = 0.1
"""By so much another must have been expected to do better."""
MOST = 20.0
MAX_RIVALS = 8


class Rival(NamedTuple):
    """The other candidate that was expected to do best."""

    forecast: float
    agent: str


def rival(forecasts: Mapping[str, float], agent: str) -> Rival | None:
    """Who but `agent` was expected to do best; None where there was no choice.

    >>> rival({"ada": 0.9, "bo": 0.6, "cy": 0.6}, "ada")
    Rival(forecast=0.6, agent='cy')
    """
    best = max(((chance, other) for other, chance in forecasts.items() if other != agent), default=None)
    return None if best is None else Rival(*best)


@dataclass(slots=True)
class Regret:
    """A likelihood ratio: that one does as badly as of late, against that it does as well as the best of the others was
    expected to, less a margin. Page's sum of it, so that it begins anew whenever it was as good.

    `nats` is what speaks for regret; the rest counts the outcomes since.
    """

    nats: float = 0.0
    outcomes: int = 0
    successes: int = 0
    promised: float = 0.0
    since: int = 0
    rivals: dict[str, int] = field(default_factory=dict)

    def observe(self, succeeded: bool, position: int, own: float, rival: Rival) -> None:
        """Take in the outcome of an attempt: the agent's own rate of late, and whom it was preferred to."""
        bound = rival.forecast - MARGIN
        if own < bound:
            step = math.log(own / bound) if succeeded else math.log((1.0 - own) / (1.0 - bound))
            self.nats = min(self.nats + step, MOST)
        elif self.nats > 0.0:
            self.nats -= 0.25 if succeeded else 0.0  # there is less to regret with each
        if self.nats <= 0.0:
            self.nats, self.outcomes, self.successes, self.promised, self.since = 0.0, 0, 0, 0.0, 0
            self.rivals.clear()
            return
        self.outcomes += 1
        self.successes += succeeded
        self.promised += rival.forecast
        self.since = self.since or position
        self.rivals[rival.agent] = self.rivals.pop(rival.agent, 0) + 1
        forget_oldest(self.rivals, MAX_RIVALS)
