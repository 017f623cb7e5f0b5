"""Where work is dear: winning bids lie close to the reserve, or have risen."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor.ranking import worth
from spark_advisor.statistics import Z95, Z99, mean_interval, percent, surely
from spark_hooks.records import Finding
from spark_hooks.views import AUCTIONS, CategoryView, MeanView, SwarmView, Touched

MIN_AWARDS = 10
DEAR = 0.95
"""Of the reserve: above it there is hardly any competition on price."""
RISEN, GONE = 0.1, 0.03
"""A rise of the price worth telling, and one that is no longer worth keeping."""


class DearCategories:
    """A category's winning bids lie so close to the reserve that nobody seems to compete on price."""

    name = "dear_categories"
    watches = AUCTIONS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category = view.categories.get(touched.category or "")
        if category is None or touched.category is None or category.award_ratio.n < MIN_AWARDS:
            return
        of = category.award_ratio
        ratio, (low, high) = of.mean, mean_interval(of, Z95)
        if ratio <= DEAR:
            return
        probability = surely(ratio - DEAR, low, high)
        saves = 100.0 * of.n / view.work.awarded * (ratio - DEAR)
        yield Finding(
            category="bid_optimization",
            title=f"Tasks of category '{touched.category}' go for {percent(ratio)} of the reserve",
            detail=f"Over {of.n} awards the winning bid was {percent(ratio)} of the reserve on average (95% interval "
            f"{percent(low)} to {percent(high)}).",
            suggested_action=f"Ask more agents to bid in category '{touched.category}', or lower the reserve.",
            action={"action": "widen_bidding", "category": touched.category},
            priority=worth(saves, probability),
            evidence=tuple(category.recent_awards),
            evidence_count=of.n,
            task_category=touched.category,
            interval=(low, high),
            effect=ratio,
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"awards": of.n, "ratio": ratio},
            firm=mean_interval(of, Z99)[0] > DEAR,
        )


class RisenPrices:
    """The level of a category's winning bids has shifted upwards (`spark_advisor.levels`)."""

    name = "risen_prices"
    watches = AUCTIONS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category = view.categories.get(touched.category or "")
        if category is None or touched.category is None or category.price.shifted <= 0:
            return
        rise, low, high = _risen(category.price.now, category.price.before)
        if rise > GONE:
            yield _finding(view, touched.category, category, (rise, low, high))


def _risen(now: MeanView, before: MeanView) -> tuple[float, float, float]:
    """The rise of the price as a share, in the geometric mean, with a 95% interval (Welch, Biometrika 34, 1947)."""
    rise = now.mean - before.mean
    error = math.sqrt(_variance(now, before) / now.n + before.m2 / (before.n - 1) / before.n)
    return math.expm1(rise), math.expm1(rise - Z95 * error), math.expm1(rise + Z95 * error)


def _variance(now: MeanView, before: MeanView) -> float:
    """Of the newest values; that of those before where there is but one."""
    of = now if now.n > 1 else before
    return of.m2 / (of.n - 1)


def _finding(view: SwarmView, name: str, category: CategoryView, rise: tuple[float, float, float]) -> Finding:
    price, (effect, low, high) = category.price, rise
    probability = surely(effect, low, high)
    saves = 100.0 * category.award_ratio.n / view.work.awarded * effect / (1.0 + effect)
    return Finding(
        category="bid_optimization",
        title=f"Prices of category '{name}' have risen by {percent(effect)}",
        detail=f"The winning bids since position {price.since} ({price.now.n}) lie {percent(effect)} above those of "
        f"the {price.before.n} before, in the geometric mean, by the reserve where there is one (95% interval "
        f"{percent(low)} to {percent(high)}).",
        suggested_action=f"Look at who bids in category '{name}', and ask others.",
        action={"action": "widen_bidding", "category": name},
        priority=worth(saves, probability),
        evidence=tuple(category.recent_awards),
        evidence_count=price.now.n,
        task_category=name,
        interval=(round(low, 6), round(high, 6)),
        effect=round(effect, 6),
        probability=round(probability, 6),
        saves=round(saves, 4),
        figures={
            "since": price.since,
            "awards": price.now.n,
            "log_price": price.now.mean,
            "before_since": price.before_since,
            "before_awards": price.before.n,
            "before_log_price": price.before.mean,
        },
        firm=effect >= RISEN,
    )
