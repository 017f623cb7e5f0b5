"""The winner's curse: whose work costs more than it bid."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor.ranking import worth
from spark_advisor.statistics import Z95, Z99, mean_interval, surely
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

MIN_ATTEMPTS = 5
OVERRUN = 1.25
"""Cost by bid."""


class Overruns:
    """An agent's work costs clearly more than it bid: the lowest bid wins, and is the most mistaken one (Capen, Clapp &
    Campbell, "Competitive Bidding in High-Risk Situations", Journal of Petroleum Technology 23, 1971)."""

    name = "overruns"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent, name = view.agents.get(touched.agent or ""), touched.agent
        if agent is None or name is None or agent.overrun.n < MIN_ATTEMPTS:
            return
        of, bar = agent.overrun, math.log(OVERRUN)
        if of.mean <= bar:
            return
        low, high = mean_interval(of, Z95)
        factor, probability = _factor(of.mean), surely(of.mean - bar, low, high)
        saves = 100.0 * of.n / view.outcomes * (1.0 - 1.0 / factor)
        yield Finding(
            category="bid_optimization",
            title=f"{name} costs {factor:.1f} times what it bids",
            detail=f"Over {of.n} attempts the cost was {factor:.2f} times the bid in the geometric mean (95% interval "
            f"{_factor(low):.2f} to {_factor(high):.2f}).",
            suggested_action=f"Multiply the bids of {name} by {factor:.2f} before comparing them.",
            action={"action": "scale_bids", "agent": name, "factor": round(factor, 3)},
            priority=worth(saves, probability),
            evidence=tuple(agent.recent_overruns),
            evidence_count=of.n,
            agent=name,
            interval=(_factor(low), _factor(high)),
            effect=factor,
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"attempts": of.n, "log_overrun": of.mean},
            firm=mean_interval(of, Z99)[0] > bar,
        )


def _factor(logarithm: float) -> float:
    return math.exp(min(logarithm, 7.0))  # beyond a thousandfold, how much more it costs says nothing more
