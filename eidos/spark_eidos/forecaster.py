"""EIDOS: predict, wait, score, then learn. The models inside may change; this order may not.

It is prequential evaluation (Dawid, "Present Position and Potential Developments", JRSS A 147, 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spark_eidos.bids import BidModel
from spark_eidos.scoreboard import Scoreboard
from spark_eidos.success import SuccessModel
from spark_eidos.winner import WinnerModel
from spark_hooks import Interval

VERSION = "rates-1"
"""Names the models; kept in every row of the ledger."""


class TaskFacts(NamedTuple):
    """What is known of a task when it is posted."""

    candidates: Sequence[str]
    category: str | None
    reserve: float | None


@dataclass(slots=True)
class Forecast:
    """Frozen when a task is posted."""

    winner: dict[str, float]
    success: dict[str, float]
    bid: Interval | None


@dataclass(slots=True)
class AwardForecast:
    """Frozen when a task is assigned: the agent's probability of success, and the swarm's base rate at that moment."""

    agent_id: str
    success: float
    base_rate: float


@dataclass(slots=True)
class Eidos:
    """The models and their record. All of its state is plain data, so that a snapshot restores it to the same bytes."""

    success: SuccessModel = field(default_factory=SuccessModel)
    winner: WinnerModel = field(default_factory=WinnerModel)
    bids: BidModel = field(default_factory=BidModel)
    scoreboard: Scoreboard = field(default_factory=Scoreboard)

    def forecast(self, task: TaskFacts) -> Forecast:
        """What to expect of a task, before any bid."""
        return Forecast(
            winner=self.winner.predict_one(task.candidates),
            success={agent: self.success.predict_one(agent, task.category) for agent in task.candidates},
            bid=self.bids.predict_one(task.category, task.reserve),
        )

    def forecast_award(self, task: TaskFacts, agent: str) -> AwardForecast:
        """What to expect of one attempt."""
        return AwardForecast(agent, self.success.predict_one(agent, task.category), self.success.base_rate())

    def observe_award(
        self, task: TaskFacts, made: Forecast | None, agent: str, bid: float | None, first: bool
    ) -> dict[str, float]:
        """Score what was said of winner and bid, then learn; later attempts of a task are no new choice."""
        scores: dict[str, float] = {}
        if first:
            if made is not None:
                scores |= self.scoreboard.score_winner(made.winner, agent)
            self.winner.learn_one(task.candidates, agent)
        if bid is not None:
            if made is not None and made.bid is not None:
                scores |= self.scoreboard.score_bid(made.bid, bid)
            self.bids.learn_one(task.category, task.reserve, bid)
        return scores

    def observe_outcome(self, task: TaskFacts, made: AwardForecast, succeeded: bool) -> dict[str, float]:
        """Score an attempt by the forecast frozen at its assignment, then learn from it."""
        scores = self.scoreboard.score_success(made.success, made.base_rate, succeeded)
        self.success.learn_one(made.agent_id, task.category, succeeded)
        return scores
