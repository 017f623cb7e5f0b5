"""Did it pay to follow the recommendations? An estimate from the choices' own propensities.

Every recommendation is drawn, and the chance that each candidate had of being drawn is kept. So the success that an
even choice among the candidates would have had can be estimated from the choices that were followed, without trying
it: doubly robust (Dudík, Langford & Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011), from the
forecasts that were made, corrected by what came, weighed by the inverse of the propensity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_eidos.mean import Mean

Z95 = 1.959964


@dataclass(slots=True)
class Following:
    """`gain`: what each followed recommendation gained in success over an even choice, as estimated."""

    asked: int = 0
    followed: int = 0
    successes: int = 0
    gain: Mean = field(default_factory=Mean)

    def learn_one(
        self, chosen: str, propensities: Mapping[str, float], forecasts: Mapping[str, float], succeeded: bool
    ) -> None:
        """Take in the outcome of a recommendation that was followed; forecasts are those it was made from."""
        self.followed += 1
        self.successes += succeeded
        chance = propensities.get(chosen, 0.0)
        if chance <= 0.0 or not forecasts.keys() >= propensities.keys():
            return
        even = 1.0 / len(propensities)
        error = succeeded - forecasts[chosen]
        drawn = sum(share * forecasts[agent] for agent, share in propensities.items())
        lot = sum(even * forecasts[agent] for agent in propensities)
        self.gain.add((drawn + error) - (lot + even / chance * error))

    def summary(self) -> dict[str, float | int | list[float] | None]:
        """Counts, success of what was followed, and the gain with its 95% interval; None where nothing was measured."""
        gain = self.gain
        half = Z95 * math.sqrt(gain.m2 / (gain.n - 1) / gain.n) if gain.n > 1 else None
        return {
            "asked": self.asked,
            "followed": self.followed,
            "success": self.successes / self.followed if self.followed else None,
            "gain": gain.mean if gain.n else None,
            "gain_interval": None if half is None else [gain.mean - half, gain.mean + half],
        }
