"""Work that went to one although another candidate was expected to do it better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest

MARGIN = 0.1
"""By so much another must have been expected to do better."""
MOST = 20.0
MAX_RIVALS = 8


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

    def observe(self, succeeded: bool, position: int, agent: str, own: float, forecasts: Mapping[str, float]) -> None:
        """Take in the outcome of an attempt: the agent's own rate of late, and the forecasts when it was posted."""
        rival = max((other for other in forecasts if other != agent), key=lambda a: (forecasts[a], a), default=None)
        if rival is None:
            return
        bound = forecasts[rival] - MARGIN
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
        self.promised += forecasts[rival]
        self.since = self.since or position
        self.rivals[rival] = self.rivals.pop(rival, 0) + 1
        forget_oldest(self.rivals, MAX_RIVALS)
