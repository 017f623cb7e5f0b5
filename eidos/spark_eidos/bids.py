"""Where will the winning bid lie? The shortest interval of past winning bids in like auctions that holds its level.

Past values are weighed by how alike their auctions were (number of candidates, what the cheapest of them usually asks
for) and by age: weighted conformal prediction (Tibshirani, Barber, Candès & Ramdas, "Conformal Prediction Under
Covariate Shift", NeurIPS 2019). The level asked for is steered by what was covered, so that coverage holds under
drift (Gibbs & Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021).

Values are parts of the reserve; without one, of the middle of the category's past winning bids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.bidding import sane
from spark_eidos.bounds import forget_oldest
from spark_hooks import Interval

LEVEL = 0.8
STEP = 0.02
"""How far one hit or miss steers the level asked for."""
ASKED = 0.3, 0.97
WINDOW = 400
HALF_LIFE = 400.0
ENOUGH = 4
ALIKE_LOG_NUMBER = 0.5
ALIKE_SPREADS = 0.57
"""Auctions are alike within so much of the logarithm of their candidates, and so many spreads of usual bids."""
FAR = 2e-5
"""Weight of what is not alike at all: where nothing is, everything counts the same."""
UNSEEN = (0.7, 0.9, 1.0)
"""Of the reserve, before anything is known: no bid above the reserve wins."""
MAX_SCALES = 2_000
MOVE = 0.1


@dataclass(slots=True)
class Past:
    """Winning bids in the order of their values: value, log of the number of candidates, usual lowest bid, and which
    bid it was; shape (4, n)."""

    columns: np.ndarray = field(default_factory=lambda: np.zeros((4, 0)))
    taken: int = 0
    asked: float = LEVEL

    def interval(self, number: float, lowest: float, spread: float) -> tuple[float, float, float]:
        """(low, median, high) of the shortest interval that holds the level now asked for."""
        values, numbers, usual, at = self.columns
        far = (numbers - number) * (math.sqrt(0.5) / ALIKE_LOG_NUMBER)
        dear = (usual - lowest) * (math.sqrt(0.5) / (ALIKE_SPREADS * spread))
        faded = (at - self.taken) * (math.log(2.0) / HALF_LIFE)
        weights = np.exp(faded - far * far - dear * dear) + FAR
        return _shortest(values, weights, self.asked)

    def add(self, value: float, number: float, lowest: float, covered: bool | None) -> None:
        """Take in one winning bid, and whether the interval that was given covered it."""
        self.taken += 1
        columns, new = self.columns, np.array([[value], [number], [lowest], [self.taken]])
        at = int(columns[0].searchsorted(value, side="right"))
        columns = np.concatenate((columns[:, :at], new, columns[:, at:]), axis=1)
        if columns.shape[1] > WINDOW:
            gone = int(columns[3].argmin())
            columns = np.concatenate((columns[:, :gone], columns[:, gone + 1 :]), axis=1)
        self.columns = columns
        if covered is not None:
            self.asked = min(max(self.asked + STEP * (LEVEL - covered), ASKED[0]), ASKED[1])


@dataclass(slots=True)
class BidModel:
    """Interval for the winning bid.

    >>> model = BidModel()
    >>> model.predict_one("db", None, 2, 0.9, 0.05) is None
    True
    >>> for n in range(40): model.learn_one("db", 100.0, 2, 0.9, 90.0 + n % 10, None)
    >>> found = model.predict_one("db", 200.0, 2, 0.9, 0.05)
    >>> 180.0 <= found.low < found.median < found.high <= 198.0
    True
    """

    of_reserve: Past = field(default_factory=Past)
    of_scale: Past = field(default_factory=Past)
    scales: dict[str, float] = field(default_factory=dict)
    """Middle of a category's winning bids without a reserve, as a logarithm."""

    def predict_one(
        self, category: str | None, reserve: float | None, number: int, lowest: float, spread: float
    ) -> Interval | None:
        """Where the winning bid will lie, in the bids' own unit; None where nothing is known to go by.

        `number` of candidates, `lowest` part of the reserve that the cheapest of them usually asks for, and the
        `spread` of such parts.
        """
        past, scale = self._on(category, reserve)
        if scale is None:
            return None
        if past.columns.shape[1] >= ENOUGH:
            low, median, high = past.interval(math.log(max(number, 1)), lowest, spread)
        elif past is self.of_reserve:
            low, median, high = UNSEEN
        else:
            return None
        return Interval(LEVEL, low * scale, median * scale, high * scale)

    def learn_one(
        self,
        category: str | None,
        reserve: float | None,
        number: int,
        lowest: float,
        bid: float,
        given: Interval | None,
    ) -> None:
        """Take in one winning bid; `given` is the interval it was forecast with."""
        if not sane(bid):
            return
        past, scale = self._on(category, reserve)
        if scale:
            covered = None if given is None else given.low <= bid <= given.high
            past.add(bid / scale, math.log(max(number, 1)), lowest, covered)
        if past is self.of_scale and bid > 0.0:
            key = category or ""
            before = self.scales.pop(key, math.log(bid))
            self.scales[key] = before + MOVE * (math.log(bid) - before)
            forget_oldest(self.scales, MAX_SCALES)

    def _on(self, category: str | None, reserve: float | None) -> tuple[Past, float | None]:
        """Which past to go by, and what its values are parts of; None where that is not known."""
        if reserve and sane(reserve):
            return self.of_reserve, reserve
        known = self.scales.get(category or "")
        return self.of_scale, None if known is None else math.exp(known)


def _shortest(values: np.ndarray, weights: np.ndarray, level: float) -> tuple[float, float, float]:
    """(low, median, high) of the shortest interval between two of the sorted values that holds `level` of the weight,
    with room for one value more (as conformal prediction has it)."""
    upto = np.cumsum(weights)
    total = float(upto[-1])
    like = total * total / float(weights @ weights)
    need = min(level * (1.0 + 1.0 / like), 0.995) * total
    ends = upto.searchsorted((upto - weights) + (need - 1e-12 * total))
    median = float(values[min(int(upto.searchsorted(0.5 * total)), len(values) - 1)])
    starts = int(ends.searchsorted(len(values)))  # from here on there is not enough to the right
    if starts == 0:
        return float(values[0]), median, float(values[-1])
    best = int((values[ends[:starts]] - values[:starts]).argmin())
    low, high = float(values[best]), float(values[ends[best]])
    return low, min(max(median, low), high), high
