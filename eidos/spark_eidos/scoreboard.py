"""How good the forecasts were: sums of the scores of every attempt, so that asking costs nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from spark_eidos import rules
from spark_eidos.change import Change
from spark_eidos.mean import SANE, Mean
from spark_hooks import Interval

BINS = 15
LAST = 500
"""Attempts in the window of the newest."""
MAX_SPANS = 16
FIRST_SPAN = 50
DRIFT_BAR = 20.0
"""In standard deviations: outcomes of a swarm come in bursts, and a burst is no drift."""
Z95 = 1.959964


@dataclass(slots=True)
class Bin:
    """Forecasts that fell between two probabilities: how many, what they promised, what came."""

    n: int = 0
    promised: float = 0.0
    came: int = 0


@dataclass(slots=True)
class Span:
    """Log loss over some attempts: of the forecasts, and of the two baselines."""

    n: int = 0
    log_loss: float = 0.0
    base_rate: float = 0.0
    agent_rate: float = 0.0

    def add(self, loss: float, base: float, agent: float, n: int = 1) -> None:
        self.n += n
        self.log_loss += loss
        self.base_rate += base
        self.agent_rate += agent

    def summary(self) -> dict[str, float | int | None]:
        """Means per attempt; None where there was none."""
        return {
            "n": self.n,
            "log_loss": _mean(self.log_loss, self.n),
            "base_rate_log_loss": _mean(self.base_rate, self.n),
            "agent_rate_log_loss": _mean(self.agent_rate, self.n),
        }


@dataclass(slots=True)
class History:
    """Log loss over time, in at most `MAX_SPANS` spans of equal length, which doubles when there are more; and over the
    last `LAST` attempts."""

    spans: list[Span] = field(default_factory=list)
    length: int = FIRST_SPAN
    newest: list[tuple[float, float, float]] = field(default_factory=list)
    last: Span = field(default_factory=Span)

    def add(self, loss: float, base: float, agent: float) -> None:
        """Take in one attempt."""
        if not self.spans or self.spans[-1].n >= self.length:
            self.spans.append(Span())
        self.spans[-1].add(loss, base, agent)
        if len(self.spans) > MAX_SPANS:
            self._join()
        self.newest.append((loss, base, agent))
        self.last.add(loss, base, agent)
        if len(self.newest) > LAST:
            gone = self.newest.pop(0)
            self.last.add(-gone[0], -gone[1], -gone[2], -1)

    def _join(self) -> None:
        """Neighbours become one, so that spans stay few."""
        joined = []
        for n in range(0, len(self.spans), 2):
            one = Span()
            for span in self.spans[n : n + 2]:
                one.add(span.log_loss, span.base_rate, span.agent_rate, span.n)
            joined.append(one)
        self.spans, self.length = joined, self.length * 2


@dataclass(slots=True)
class Cover:
    """Intervals scored: how many, how many covered the truth, and their interval scores on the scale of the truth."""

    n: int = 0
    covered: int = 0
    levels: float = 0.0
    winkler: float = 0.0

    def score(self, given: Interval, truth: float) -> tuple[bool, float]:
        """Score one; return whether it covered, and its interval score."""
        covered = given.low <= truth <= given.high
        winkler = min(rules.winkler(given.level, given.low, given.high, truth), SANE)
        self.n += 1
        self.covered += covered
        self.levels += given.level
        self.winkler += winkler
        return covered, winkler

    @property
    def coverage(self) -> float | None:
        return _mean(self.covered, self.n)


@dataclass(slots=True)
class Scoreboard:
    """Sums over all attempts scored so far: success at the outcome, the winner at a task's first award, bids at any."""

    made: int = 0
    evaluated: int = 0
    log_loss: float = 0.0
    brier: float = 0.0
    base_log_loss: float = 0.0
    agent_log_loss: float = 0.0
    excess: Mean = field(default_factory=Mean)
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])
    history: History = field(default_factory=History)
    drift: Change = field(default_factory=lambda: Change(bar=DRIFT_BAR))
    drifts: int = 0
    drifted_at: int = 0
    """How many attempts had been scored when the last drift was found."""
    awards: int = 0
    awards_foreseen: int = 0
    winner_log_loss: float = 0.0
    uniform_log_loss: float = 0.0
    bids: Cover = field(default_factory=Cover)
    durations: Cover = field(default_factory=Cover)
    costs: Cover = field(default_factory=Cover)

    def score_success(self, p: float, base: float, agent: float, succeeded: bool) -> dict[str, float]:
        """Score one attempt by its forecast `p`, beside the swarm's and the agent's plain rates; return its scores."""
        scores = {
            "log_loss": rules.log_loss(p, succeeded),
            "brier": rules.brier(p, succeeded),
            "base_rate_log_loss": rules.log_loss(base, succeeded),
            "agent_rate_log_loss": rules.log_loss(agent, succeeded),
        }
        loss, plain, own = scores["log_loss"], scores["base_rate_log_loss"], scores["agent_rate_log_loss"]
        self.evaluated += 1
        self.log_loss += loss
        self.brier += scores["brier"]
        self.base_log_loss += plain
        self.agent_log_loss += own
        self.excess.add(loss - plain)
        self.history.add(loss, plain, own)
        cell = self.bins[min(int(p * BINS), BINS - 1)]
        cell.n += 1
        cell.promised += p
        cell.came += succeeded
        if self.drift.saw(_surprise(p, succeeded)):
            self.drifts += 1
            self.drifted_at = self.evaluated
        return scores

    @property
    def changed(self) -> bool:
        """Whether the attempt scored last made it plain that something has changed."""
        return self.drifts > 0 and self.drifted_at == self.evaluated

    def score_winner(self, forecast: dict[str, float], winner: str) -> dict[str, float]:
        """Score the choice among several candidates; one alone, or a winner who was none of them, is no choice."""
        if len(forecast) < 2 or winner not in forecast:
            return {}
        foreseen = max(forecast, key=forecast.__getitem__) == winner
        loss = rules.categorical_log_loss(forecast[winner])
        self.awards += 1
        self.awards_foreseen += foreseen
        self.winner_log_loss += loss
        self.uniform_log_loss += math.log(len(forecast))
        return {"winner_log_loss": loss, "winner_top1": float(foreseen)}

    def score_bid(self, forecast: Interval, bid: float) -> dict[str, float]:
        """Score the interval for a winning bid."""
        covered, winkler = self.bids.score(forecast, bid)
        return {"bid_covered": float(covered), "bid_winkler": winkler}

    def score_effort(self, what: str, forecast: Interval | None, truth: float | None) -> dict[str, float]:
        """Score the interval for a ``duration`` or a ``cost``, where both are known."""
        if forecast is None or truth is None:
            return {}
        covered, winkler = (self.durations if what == "duration" else self.costs).score(forecast, truth)
        return {f"{what}_covered": float(covered), f"{what}_winkler": winkler}

    @property
    def mean_log_loss(self) -> float | None:
        return _mean(self.log_loss, self.evaluated)

    @property
    def mean_base_log_loss(self) -> float | None:
        return _mean(self.base_log_loss, self.evaluated)

    def ece(self) -> float | None:
        """Expected calibration error over 15 equal bins (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
        if not self.evaluated:
            return None
        return sum(abs(cell.promised - cell.came) for cell in self.bins) / self.evaluated

    def skill(self) -> tuple[float | None, list[float] | None]:
        """1 - log loss / that of the base rate, and its 95% interval by the normal approximation for paired losses."""
        loss, base, excess = self.mean_log_loss, self.mean_base_log_loss, self.excess
        if loss is None or not base:
            return None, None
        skill = 1.0 - loss / base
        if excess.n < 2:
            return skill, None
        half = Z95 * math.sqrt(excess.m2 / (excess.n - 1) / excess.n) / base
        return skill, [skill - half, skill + half]

    def reliability(self) -> list[dict[str, float | int]]:
        """The reliability curve: per bin that was used, how many, the mean forecast, and how often it came true."""
        return [
            {"n": cell.n, "forecast": cell.promised / cell.n, "came": cell.came / cell.n}
            for cell in self.bins
            if cell.n
        ]

    def summary(self) -> dict[str, object]:
        """What the commands show; None where nothing was measured."""
        skill, interval = self.skill()
        return {
            "made": self.made,
            "evaluated": self.evaluated,
            "log_loss": self.mean_log_loss,
            "brier": _mean(self.brier, self.evaluated),
            "base_rate_log_loss": self.mean_base_log_loss,
            "agent_rate_log_loss": _mean(self.agent_log_loss, self.evaluated),
            "skill": skill,
            "skill_interval": interval,
            "ece": self.ece(),
            "reliability": self.reliability(),
            "last": self.history.last.summary(),
            "over_time": [span.summary() for span in self.history.spans],
            "drifts": self.drifts,
            "winner_top1": _mean(self.awards_foreseen, self.awards),
            "winner_log_loss": _mean(self.winner_log_loss, self.awards),
            "uniform_log_loss": _mean(self.uniform_log_loss, self.awards),
            "bid_coverage": self.bids.coverage,
            "bid_level": None if not self.bids.n else round(self.bids.levels / self.bids.n, 9),
            "bid_winkler": _mean(self.bids.winkler, self.bids.n),
            "duration_coverage": self.durations.coverage,
            "cost_coverage": self.costs.coverage,
        }


def _surprise(p: float, succeeded: bool) -> float:
    """How much better or worse an attempt went than its forecast, in standard deviations; a ledger may hold 0 and 1."""
    p = rules.clip(p)
    return (succeeded - p) / math.sqrt(p * (1.0 - p))


def _mean(total: float, n: int) -> float | None:
    return total / n if n else None
