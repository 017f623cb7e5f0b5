"""Where work is dear, and whose bids do not hold."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor.statistics import Z95, Z99, mean_interval, percent
from spark_hooks.records import Finding
from spark_hooks.views import AWARDS, OUTCOMES, SwarmView, Touched

MIN_AWARDS = 10
DEAR = 0.95  # of the reserve
MIN_ATTEMPTS = 5
OVERRUN = 1.25  # cost / bid


class DearCategories:
    """A category's winning bids lie so close to the reserve that there is hardly any competition on price."""

    name = "dear_categories"
    watches = AWARDS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category = view.categories.get(touched.category or "")
        if category is None or touched.category is None or category.award_ratio.n < MIN_AWARDS:
            return
        low, high = mean_interval(category.award_ratio, Z99)
        if low <= DEAR:
            return
        low, high = mean_interval(category.award_ratio, Z95)
        ratio = category.award_ratio.mean
        yield Finding(
            category="bid_optimization",
            title=f"Tasks of category '{touched.category}' go for {percent(ratio)} of the reserve",
            detail=f"Over {category.award_ratio.n} awards the winning bid was {percent(ratio)} of the reserve on "
            f"average (95% interval {percent(low)} to {percent(high)}).",
            suggested_action=f"Ask more agents to bid in category '{touched.category}', or lower the reserve.",
            action={"action": "widen_bidding", "category": touched.category},
            priority=round(min(0.6, 0.3 + 2.0 * (ratio - DEAR)), 4),
            evidence=tuple(category.recent_awards),
            evidence_count=category.award_ratio.n,
            task_category=touched.category,
            interval=(low, high),
        )


class Overruns:
    """An agent's work costs clearly more than it bid."""

    name = "overruns"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent = view.agents.get(touched.agent or "")
        if agent is None or touched.agent is None or agent.overrun.n < MIN_ATTEMPTS:
            return
        if mean_interval(agent.overrun, Z99)[0] <= math.log(OVERRUN):
            return
        low, high = (_factor(bound) for bound in mean_interval(agent.overrun, Z95))
        factor = _factor(agent.overrun.mean)
        yield Finding(
            category="bid_optimization",
            title=f"{touched.agent} costs {factor:.1f} times what it bids",
            detail=f"Over {agent.overrun.n} attempts the cost was {factor:.1f} times the bid in the geometric mean "
            f"(95% interval {low:.1f} to {high:.1f}).",
            suggested_action=f"Multiply the bids of {touched.agent} by {factor:.1f} before comparing them.",
            action={"action": "scale_bids", "agent": touched.agent, "factor": round(factor, 3)},
            priority=round(min(0.7, 0.25 * math.log2(factor) + 0.1), 4),
            evidence=tuple(agent.recent_overruns),
            evidence_count=agent.overrun.n,
            agent=touched.agent,
            interval=(low, high),
        )


def _factor(logarithm: float) -> float:
    return math.exp(min(logarithm, 7.0))  # beyond a thousandfold, how much more it costs says nothing more
