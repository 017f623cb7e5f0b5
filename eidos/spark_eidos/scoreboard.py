"""How good the forecasts were: running sums of the scores of every attempt, so that asking costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_eidos import rules
from spark_eidos.mean import SANE, Mean
from spark_hooks import Interval

BINS = 15


@dataclass(slots=True)
class Bin:
    """Forecasts that fell between two probabilities: how many, what they promised, what came."""

    n: int = 0
    promised: float = 0.0
    came: int = 0


@dataclass(slots=True)
class Scoreboard:
    """Sums over all attempts scored so far: success at the outcome, the winner at a task's first award, bids at any."""

    made: int = 0
    evaluated: int = 0
    log_loss: float = 0.0
    brier: float = 0.0
    base_log_loss: float = 0.0
    excess: Mean = field(default_factory=Mean)
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])
    awards: int = 0
    awards_foreseen: int = 0
    winner_log_loss: float = 0.0
    bids: int = 0
    bids_covered: int = 0
    bid_levels: float = 0.0
    bid_winkler: float = 0.0

    def score_success(self, p: float, base: float, succeeded: bool) -> dict[str, float]:
        """Score one attempt; return its scores."""
        scores = {
            "log_loss": rules.log_loss(p, succeeded),
            "brier": rules.brier(p, succeeded),
            "base_rate_log_loss": rules.log_loss(base, succeeded),
        }
        self.evaluated += 1
        self.log_loss += scores["log_loss"]
        self.brier += scores["brier"]
        self.base_log_loss += scores["base_rate_log_loss"]
        self.excess.add(scores["log_loss"] - scores["base_rate_log_loss"])
        cell = self.bins[min(int(p * BINS), BINS - 1)]
        cell.n += 1
        cell.promised += p
        cell.came += succeeded
        return scores

    def score_winner(self, forecast: dict[str, float], winner: str) -> dict[str, float]:
        """Score the choice among several candidates; one alone, or a winner who was none of them, is no choice."""
        if len(forecast) < 2 or winner not in forecast:
            return {}
        foreseen = max(forecast, key=forecast.__getitem__) == winner
        loss = rules.categorical_log_loss(forecast[winner])
        self.awards += 1
        self.awards_foreseen += foreseen
        self.winner_log_loss += loss
        return {"winner_log_loss": loss, "winner_top1": float(foreseen)}

    def score_bid(self, forecast: Interval, bid: float) -> dict[str, float]:
        """Score the interval for a winning bid."""
        covered = forecast.low <= bid <= forecast.high
        winkler = min(rules.winkler(forecast.level, forecast.low, forecast.high, bid), SANE)
        self.bids += 1
        self.bids_covered += covered
        self.bid_levels += forecast.level
        self.bid_winkler += winkler
        return {"bid_covered": float(covered), "bid_winkler": winkler}

    @property
    def mean_log_loss(self) -> float | None:
        return self.log_loss / self.evaluated if self.evaluated else None

    @property
    def mean_base_log_loss(self) -> float | None:
        return self.base_log_loss / self.evaluated if self.evaluated else None

    def ece(self) -> float | None:
        """Expected calibration error over 15 equal bins (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
        if not self.evaluated:
            return None
        return sum(abs(cell.promised - cell.came) for cell in self.bins) / self.evaluated

    def summary(self) -> dict[str, float | int | None]:
        """What the commands show; None where nothing was measured."""
        loss, base = self.mean_log_loss, self.mean_base_log_loss
        return {
            "made": self.made,
            "evaluated": self.evaluated,
            "log_loss": loss,
            "brier": _mean(self.brier, self.evaluated),
            "base_rate_log_loss": base,
            "skill": None if loss is None or not base else 1.0 - loss / base,
            "ece": self.ece(),
            "winner_top1": _mean(self.awards_foreseen, self.awards),
            "winner_log_loss": _mean(self.winner_log_loss, self.awards),
            "bid_coverage": _mean(self.bids_covered, self.bids),
            "bid_level": None if not self.bids else round(self.bid_levels / self.bids, 9),
        }


def _mean(total: float, n: int) -> float | None:
    return total / n if n else None
