"""How agents bid: what of the reserve each one asks for lately, overall and per category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest
from spark_eidos.mean import SANE
from spark_eidos.tally import cell_key, cell_keys

MAX_AGENTS, MAX_CELLS = 10_000, 10_000
KEEP = 0.75
"""What is left of an earlier bid's weight with each new one of the same agent."""
STRENGTH, HERE_STRENGTH = 1.5, 3.0
SPREAD_UNKNOWN = 0.05
USUAL_UNKNOWN = 0.95


def sane(amount: float) -> bool:
    """Whether an amount can be compared with others; a contract allows any finite number."""
    return amount == 0.0 or 1.0 / SANE <= amount <= SANE


GRAIN = 1e-4
"""Parts of the reserve are counted to this precision over all bids, in whole numbers: their order rounds nothing."""
MOST = 10.0
"""A part beyond this counts as this much."""


@dataclass(slots=True)
class Parts:
    """Parts of the reserve that were asked for, by whomever: number, sum and sum of squares, in grains.

    >>> one, other = Parts(), Parts()
    >>> for part in (0.1, 0.2, 0.7): one.add(part)
    >>> for part in (0.7, 0.1, 0.2): other.add(part)
    >>> one == other, round(one.mean, 6)
    (True, 0.333333)
    """

    n: int = 0
    total: int = 0
    squares: int = 0

    def add(self, part: float) -> None:
        """Take in one."""
        grains = round(min(part, MOST) / GRAIN)
        self.n += 1
        self.total += grains
        self.squares += grains * grains

    @property
    def mean(self) -> float:
        return GRAIN * self.total / self.n

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return GRAIN * math.sqrt(max(self.squares * self.n - self.total * self.total, 0)) / self.n


@dataclass(slots=True)
class Bids:
    """Bids of one agent, as parts of the reserve: weight, and weighted sum."""

    weight: float = 0.0
    total: float = 0.0

    def add(self, part: float, keep: float) -> None:
        self.weight = self.weight * keep + 1.0
        self.total = self.total * keep + part


_NONE = Bids()


@dataclass(slots=True)
class Bidding:
    """What agents ask for, as parts of the reserve.

    >>> bidding = Bidding()
    >>> for _ in range(20):
    ...     bidding.learn_one("ada", "db", 100.0, 60.0)
    ...     bidding.learn_one("bo", "db", 100.0, 90.0)
    >>> bidding.usual("ada") < 0.65 < bidding.usual("cy") < bidding.usual("bo")
    True
    """

    taken: int = 0
    """Bids taken in: as long as it stays the same, so does all that is asked of this."""
    parts: Parts = field(default_factory=Parts)
    agents: dict[str, Bids] = field(default_factory=dict)
    cells: dict[str, Bids] = field(default_factory=dict)

    def learn_one(self, agent: str, category: str | None, reserve: float | None, bid: float) -> None:
        """Take in one bid; one for a task without a reserve has nothing to be held against."""
        if not reserve or not sane(reserve) or not sane(bid):
            return
        part = bid / reserve
        self.taken += 1
        self.parts.add(part)
        known = self.agents.pop(agent, None) or Bids()
        known.add(part, KEEP)
        self.agents[agent] = known
        forget_oldest(self.agents, MAX_AGENTS)
        if category is not None:
            self.cells.setdefault(cell_key(agent, category), Bids()).add(part, 1.0)
            forget_oldest(self.cells, MAX_CELLS)

    def usual(self, agent: str) -> float:
        """What part of the reserve `agent` will ask for, drawn towards what all ask for."""
        return self._usual(agent, self._middle)

    def standings(self, agents: Sequence[str], category: str | None) -> list[tuple[float, float]]:
        """How much dearer than usual each agent is, and how much dearer in this category than elsewhere; in standard
        deviations of all bids."""
        if not self.parts.n:
            return [(0.0, 0.0)] * len(agents)
        middle, spread, found = self.parts.mean, self.spread, []
        for agent, key in zip(agents, cell_keys(tuple(agents), category), strict=True):
            usual, cell, here = self._usual(agent, middle), self.cells.get(key), 0.0
            if cell is not None:
                here = (cell.total + HERE_STRENGTH * usual) / (cell.weight + HERE_STRENGTH) - usual
            found.append(((usual - middle) / spread, here / spread))
        return found

    @property
    def spread(self) -> float:
        """Standard deviation of all bids, in parts of the reserve."""
        return max(self.parts.deviation, 1e-3) if self.parts.n > 10 else SPREAD_UNKNOWN

    def lowest(self, agents: Sequence[str]) -> float:
        """What part of the reserve the cheapest of some agents will usually ask for."""
        middle = self._middle
        return min([self._usual(agent, middle) for agent in agents], default=middle)

    @property
    def _middle(self) -> float:
        return self.parts.mean if self.parts.n else USUAL_UNKNOWN

    def _usual(self, agent: str, middle: float) -> float:
        known = self.agents.get(agent, _NONE)
        return (known.total + STRENGTH * middle) / (known.weight + STRENGTH)
