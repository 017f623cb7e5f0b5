"""Bidders who seem to have agreed: they take turns, bid the same, or bid ever closer together.

See `spark_advisor.auctions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor import trends
from spark_advisor.auctions import PERIODS
from spark_advisor.ranking import worth
from spark_advisor.statistics import Z95, beyond, difference, percent, surely
from spark_hooks.records import Finding
from spark_hooks.views import AUCTIONS, AuctionsView, SwarmView, Touched

OVERCHARGE = 0.2
"""What cartels charge on top, in the median (Connor & Bolotova, International Journal of Industrial Organization 24,
2006)."""
DOUBT, STILL = 4.0, 1.0
"""Nats beyond the bar: bidders differ in more than the odds of winning. And those that keep advice alive."""
TIES_GAP = 0.1
CLOSER, GONE = 0.3, 0.1
"""By which share the spread must have shrunk to be worth telling, or keeping."""


class RotatingWinners:
    """A few bidders win in turns, each again when all the others have."""

    name = "rotating_winners"
    watches = AUCTIONS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category, name = view.categories.get(touched.category or ""), touched.category
        if category is None or name is None:
            return
        auctions = category.auctions
        n = max(range(len(PERIODS)), key=auctions.rotation.__getitem__)
        nats, turns = auctions.rotation[n], auctions.turns[n]
        ring = sorted(auctions.rings[n])
        if nats < STILL or not ring:
            return
        probability = 1.0 - math.exp(-nats)
        saves = 100.0 * auctions.held / view.work.awarded * OVERCHARGE
        yield Finding(
            category="bid_optimization",
            title=f"Winners of category '{name}' take turns: {', '.join(ring)}",
            detail=f"{turns} auctions went to the one of them whose turn it was. That bidders like these win by "
            f"chance in such an order is {min(math.exp(nats), 1e6):,.0f} times less likely.",
            suggested_action=f"Look at the bids of {', '.join(ring)} side by side, and ask others for '{name}'.",
            action={"action": "investigate_collusion", "category": name, "agents": ring},
            priority=worth(saves, probability),
            evidence=tuple(category.recent_awards),
            evidence_count=turns,
            task_category=name,
            effect=float(turns),
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"turns": turns, "ring": len(ring), "auctions": auctions.held},
            firm=nats >= DOUBT + trends.bar(view.work.awarded, len(PERIODS)),
        )


class IdenticalBids:
    """In a category two bids are equal far more often than elsewhere."""

    name = "identical_bids"
    watches = AUCTIONS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category, name = view.categories.get(touched.category or ""), touched.category
        if category is None or name is None or category.auctions.tied < 2:
            return
        own = category.auctions
        held, tied = view.work.auctions - own.held, view.work.tied - own.tied
        usual = (tied + 1.0) / (held + 2.0)
        if own.tied <= own.held * (usual + TIES_GAP):
            return
        nats = beyond(own.held - own.tied, own.tied, 1.0 - min(usual + TIES_GAP, 0.999))
        if nats < STILL or held == 0:
            return
        effect, low, high = difference(own.tied, own.held, tied, held)
        probability = min(surely(effect, low, high), 1.0 - math.exp(-nats))
        saves = 100.0 * own.held / view.work.awarded * OVERCHARGE * effect
        yield Finding(
            category="bid_optimization",
            title=f"In {own.tied} of {own.held} auctions of category '{name}' bids were identical",
            detail=f"Elsewhere two bids were equal in {tied} of {held}: more here by {percent(effect)} (95% interval "
            f"{percent(low)} to {percent(high)}).",
            suggested_action=f"Look at who bids the same in category '{name}', and ask others.",
            action={"action": "investigate_collusion", "category": name},
            priority=worth(saves, probability),
            evidence=tuple(own.recent_ties),
            evidence_count=own.tied,
            task_category=name,
            interval=(low, high),
            effect=effect,
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"auctions": own.held, "tied": own.tied, "others_auctions": held, "others_tied": tied},
            firm=nats >= math.log(2.0 * max(len(view.categories), 1) / 0.05),
        )


class NarrowBids:
    """The bids of a category lie closer together than they did."""

    name = "narrow_bids"
    watches = AUCTIONS

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        category, name = view.categories.get(touched.category or ""), touched.category
        if category is None or name is None or category.auctions.spread.shifted >= 0:
            return
        effect, low, high = _narrowed(category.auctions)
        if effect > -GONE:
            return
        spread, probability = category.auctions.spread, surely(effect, low, high)
        saves = 100.0 * category.auctions.held / view.work.awarded * OVERCHARGE * -effect
        yield Finding(
            category="bid_optimization",
            title=f"Bids of category '{name}' lie {percent(-effect)} closer together than before",
            detail=f"The relative spread of bids is {spread.now.mean:.3f} over {spread.now.n} auctions since "
            f"position {spread.since}, after {spread.before.mean:.3f} over {spread.before.n}: a change by "
            f"{percent(effect)} (95% interval {percent(low)} to {percent(high)}).",
            suggested_action=f"Look at who bids in category '{name}', and ask others.",
            action={"action": "investigate_collusion", "category": name},
            priority=worth(saves, probability),
            evidence=tuple(category.recent_awards),
            evidence_count=spread.now.n,
            task_category=name,
            interval=(round(low, 6), round(high, 6)),
            effect=round(effect, 6),
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={
                "since": spread.since,
                "auctions": spread.now.n,
                "spread": spread.now.mean,
                "before_since": spread.before_since,
                "before_auctions": spread.before.n,
                "before_spread": spread.before.mean,
            },
            firm=effect <= -CLOSER,
        )


def _narrowed(auctions: AuctionsView) -> tuple[float, float, float]:
    """By which share the spread is different now, with its 95% interval (Welch, Biometrika 34, 1947)."""
    now, before = auctions.spread.now, auctions.spread.before
    of = now if now.n > 1 else before
    error = math.sqrt(of.m2 / (of.n - 1) / now.n + before.m2 / (before.n - 1) / before.n)
    change = now.mean - before.mean
    return change / before.mean, (change - Z95 * error) / before.mean, (change + Z95 * error) / before.mean
