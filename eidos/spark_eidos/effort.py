"""What will an attempt take? Intervals for its duration and its cost, where outcomes tell them.

On the logarithm: the mean of the agent in the category, drawn towards the agent's, the category's and the swarm's
(Efron & Morris, JASA 70, 1975), and around it the quantiles of past errors (split conformal prediction: Lei et al.,
"Distribution-Free Predictive Inference for Regression", JASA 113, 2018).
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field

from spark_eidos.bidding import sane
from spark_eidos.bounds import forget_oldest
from spark_eidos.tally import cell_key
from spark_hooks import Interval

LEVEL_PARTS = 10  # one part in so many lies below the interval, and one above
LEVEL = 1.0 - 2.0 / LEVEL_PARTS
STRENGTH = 3.0
KEEP = 0.95
"""What is left of an earlier value's weight with each new one."""
WINDOW = 250
ENOUGH = 10
MAX_KEYS = 10_000


@dataclass(slots=True)
class Middle:
    """A mean that slowly forgets."""

    weight: float = 0.0
    total: float = 0.0

    def add(self, value: float) -> None:
        self.weight = self.weight * KEEP + 1.0
        self.total = self.total * KEEP + value

    def drawn(self, towards: float) -> float:
        """The mean, drawn towards another by `STRENGTH` values' worth."""
        return (self.total + STRENGTH * towards) / (self.weight + STRENGTH)


_NOTHING = Middle()


@dataclass(slots=True)
class EffortModel:
    """Interval for a positive amount (seconds, or what an attempt costs).

    >>> model = EffortModel()
    >>> model.predict_one("ada", None) is None
    True
    >>> for n in range(40): model.learn_one("ada", "db", 50.0 + n % 10)
    >>> found = model.predict_one("ada", "db")
    >>> 49.0 < found.low < found.median < found.high < 60.0
    True
    """

    swarm: Middle = field(default_factory=Middle)
    by: dict[str, Middle] = field(default_factory=dict)
    """By agent, by category (behind a NUL), and by agent in a category."""
    newest: list[float] = field(default_factory=list)
    ranked: list[float] = field(default_factory=list)

    def predict_one(self, agent: str, category: str | None) -> Interval | None:
        """The interval, None before `ENOUGH` values are known."""
        n = len(self.ranked)
        if n < ENOUGH:
            return None
        middle, below = self._middle(agent, category), (n + 1) // LEVEL_PARTS
        ranks = max(below - 1, 0), n // 2, min(n - below, n - 1)
        low, median, high = (math.exp(min(middle + self.ranked[rank], 700.0)) for rank in ranks)
        return Interval(LEVEL, low, median, high)

    def learn_one(self, agent: str, category: str | None, amount: float | None) -> None:
        """Take in one amount; none, and none that can be compared, teaches nothing."""
        if not amount or amount <= 0.0 or not sane(amount):
            return
        value = math.log(amount)
        if self.swarm.weight:
            self._remember(value - self._middle(agent, category))
        self.swarm.add(value)
        for key in _keys(agent, category):
            known = self.by.pop(key, None) or Middle()
            known.add(value)
            self.by[key] = known
        forget_oldest(self.by, MAX_KEYS)

    def _middle(self, agent: str, category: str | None) -> float:
        """Of the logarithm, from the swarm down to the agent in the category."""
        found = self.swarm.total / self.swarm.weight
        for key in _keys(agent, category):
            found = self.by.get(key, _NOTHING).drawn(found)
        return found

    def _remember(self, error: float) -> None:
        self.newest.append(error)
        bisect.insort(self.ranked, error)
        if len(self.newest) > WINDOW:
            old = self.newest.pop(0)
            del self.ranked[bisect.bisect_left(self.ranked, old)]


def _keys(agent: str, category: str | None) -> tuple[str, ...]:
    """From the general to the particular."""
    return (agent,) if category is None else (cell_key("", category), agent, cell_key(agent, category))
