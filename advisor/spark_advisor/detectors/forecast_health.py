"""Whether the success forecasts can be trusted: worth more than the base rate, calibrated, as good as they were."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor.ranking import worth
from spark_advisor.statistics import Z95, mean_interval, percent, surely
from spark_hooks.records import Finding
from spark_hooks.views import CHECKUP, SwarmView, Touched

MIN_EVALUATED = 50
Z, STILL = 3.5, 1.5
"""It is looked at after every outcome: what wanders by chance must not trip it."""
IN_A_BIN = 20
ERROR = 0.05
"""A calibration error worth telling."""


class WorthlessForecasts:
    """The success forecasts score worse than the plain base rate, beyond what chance would do."""

    name = "worthless_forecasts"
    watches = CHECKUP

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        excess = view.forecasts.excess
        if excess.n < MIN_EVALUATED or excess.mean <= 0.0 or mean_interval(excess, STILL)[0] <= 0.0:
            return
        low, high = mean_interval(excess, Z95)
        yield _finding(
            touched,
            title="The success forecasts are worth less than the base rate",
            detail=f"Over {excess.n} attempts each lost {excess.mean:.4f} nats more than the base rate would have "
            f"(95% interval {low:.4f} to {high:.4f}).",
            effect=(excess.mean, low, high),
            count=excess.n,
            figures={"attempts": excess.n, "excess": excess.mean},
            firm=mean_interval(excess, Z)[0] > 0.0,
        )


class MiscalibratedForecasts:
    """What the success forecasts promise is not what comes: the calibration error over 15 bins, beyond chance by a
    normal approximation of Pearson's chi-square (Hosmer & Lemeshow, Communications in Statistics A9, 1980)."""

    name = "miscalibrated_forecasts"
    watches = CHECKUP

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        bins = [one for one in view.forecasts.bins if one.n >= IN_A_BIN]
        if not bins:
            return
        n = sum(one.n for one in bins)
        error = sum(abs(one.promised - one.came) for one in bins) / n
        chances = [max(one.promised * (1.0 - one.promised / one.n), 1e-6) for one in bins]
        squares = sum((one.promised - one.came) ** 2 / of for one, of in zip(bins, chances, strict=True))
        z = (squares - len(bins)) / math.sqrt(2.0 * len(bins))
        if error < ERROR / 2.0 or z < STILL:
            return
        by_chance = sum(math.sqrt(of) for of in chances) / n
        yield _finding(
            touched,
            title=f"The success forecasts are off by {percent(error)}",
            detail=f"Over {n} attempts what was promised and what came differ by {error:.3f} on average; by chance "
            f"they would by {by_chance * math.sqrt(2.0 / math.pi):.3f}.",
            effect=(error, max(0.0, error - Z95 * by_chance), error + Z95 * by_chance),
            count=n,
            figures={"attempts": n, "error": error},
            firm=error >= ERROR and z >= Z,
        )


class DriftingForecasts:
    """The success forecasts lose more against the base rate than they did (`spark_advisor.levels`)."""

    name = "drifting_forecasts"
    watches = CHECKUP

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        loss = view.work.loss
        if loss.shifted <= 0 or loss.now.n < 2 or loss.now.mean <= loss.before.mean:
            return
        error = math.sqrt(
            loss.now.m2 / (loss.now.n - 1) / loss.now.n + loss.before.m2 / (loss.before.n - 1) / loss.before.n
        )
        more = loss.now.mean - loss.before.mean
        yield _finding(
            touched,
            title="The success forecasts have become worse",
            detail=f"Since position {loss.since} ({loss.now.n} attempts) each loses {more:.4f} nats more against the "
            f"base rate than before (95% interval {more - Z95 * error:.4f} to {more + Z95 * error:.4f}).",
            effect=(more, more - Z95 * error, more + Z95 * error),
            count=loss.now.n,
            figures={
                "since": loss.since,
                "attempts": loss.now.n,
                "loss": loss.now.mean,
                "before_since": loss.before_since,
                "before_attempts": loss.before.n,
                "before_loss": loss.before.mean,
            },
            firm=more >= ERROR,
        )


def _finding(
    touched: Touched,
    *,
    title: str,
    detail: str,
    effect: tuple[float, float, float],
    count: int,
    figures: dict[str, float],
    firm: bool,
) -> Finding:
    size, low, high = (round(value, 6) for value in effect)
    probability = surely(size, low, high)
    return Finding(
        category="system_health",
        title=title,
        detail=detail,
        suggested_action="Do not follow recommendations until the forecasts have caught up.",
        action={"action": "ignore_forecasts"},
        priority=worth(100.0 * size, probability),
        evidence=(touched.event_id,),
        evidence_count=count,
        interval=(low, high),
        effect=size,
        probability=round(probability, 6),
        saves=round(100.0 * size, 4),  # choices by forecasts that are off by so much are no better than that
        figures=figures,
        firm=firm,
    )
