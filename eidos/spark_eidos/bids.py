"""Where will the winning bid lie? Empirical quantiles of past winning bids, with the finite-sample ranks of conformal
prediction (Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005): of n past values the next one
lies between ranks (n + 1) a and (n + 1) (1 - a) with probability at least 1 - 2 a, if all are exchangeable.

With a reserve the scale is bid / reserve, in the task's category where enough is known, else over the whole swarm;
without one it is the category's plain bids.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest
from spark_eidos.mean import SANE
from spark_hooks import Interval

TAIL_PARTS = 10  # one part in so many lies below the interval, and one above
LEVEL = 1.0 - 2.0 / TAIL_PARTS
WINDOW = 250
ENOUGH_HERE = 20  # values a category needs before it stands on its own scale
ENOUGH = 5  # values needed before quantiles say anything
MAX_SCALES = 2_000
UNSEEN = (0.5, 0.85, 1.0)  # of the reserve, before anything is known: no bid above the reserve wins


def _sane(amount: float) -> bool:
    """Whether an amount can be compared with others; a contract allows any finite number."""
    return amount == 0.0 or 1.0 / SANE <= amount <= SANE


@dataclass(slots=True)
class Window:
    """The newest values, and the same values sorted."""

    newest: list[float] = field(default_factory=list)
    ranked: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.newest.append(value)
        bisect.insort(self.ranked, value)
        if len(self.newest) > WINDOW:
            old = self.newest.pop(0)
            del self.ranked[bisect.bisect_left(self.ranked, old)]

    def quantiles(self) -> tuple[float, float, float]:
        """(low, median, high) of a central interval at `LEVEL`."""
        n = len(self.ranked)
        below = (n + 1) // TAIL_PARTS  # in whole numbers: a rank must not hang on the rounding of a tenth
        return self.ranked[max(below - 1, 0)], self.ranked[n // 2], self.ranked[min(n - below, n - 1)]


@dataclass(slots=True)
class BidModel:
    """Interval for the winning bid.

    >>> model = BidModel()
    >>> model.predict_one("db", None) is None
    True
    >>> for bid in range(90, 100): model.learn_one("db", 100.0, float(bid))
    >>> model.predict_one("db", 200.0)
    Interval(level=0.8, low=180.0, median=190.0, high=198.0)
    """

    ratios: Window = field(default_factory=Window)
    ratios_in: dict[str, Window] = field(default_factory=dict)
    prices_in: dict[str, Window] = field(default_factory=dict)

    def predict_one(self, category: str | None, reserve: float | None) -> Interval | None:
        """Where the winning bid will lie, in the bids' own unit; None where nothing is known to go by."""
        here = category or ""
        if reserve and _sane(reserve):
            window = self.ratios_in.get(here)
            if window is None or len(window.ranked) < ENOUGH_HERE:
                window = self.ratios
            low, median, high = window.quantiles() if len(window.ranked) >= ENOUGH else UNSEEN
            return Interval(LEVEL, low * reserve, median * reserve, high * reserve)
        window = self.prices_in.get(here)
        if window is None or len(window.ranked) < ENOUGH:
            return None
        return Interval(LEVEL, *window.quantiles())

    def learn_one(self, category: str | None, reserve: float | None, bid: float) -> None:
        """Take in one winning bid."""
        here = category or ""
        if not _sane(bid):
            return
        if reserve and _sane(reserve):
            self.ratios.add(bid / reserve)
            self.ratios_in.setdefault(here, Window()).add(bid / reserve)
            forget_oldest(self.ratios_in, MAX_SCALES)
        else:
            self.prices_in.setdefault(here, Window()).add(bid)
            forget_oldest(self.prices_in, MAX_SCALES)
