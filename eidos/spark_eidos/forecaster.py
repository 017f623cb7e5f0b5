"""EIDOS: predict, wait, score, then learn. The models inside may change; this order may not.

It is prequential evaluation (Dawid, "Present Position and Potential Developments", JRSS A 147, 1984).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spark_eidos.bidding import Bidding
from spark_eidos.bids import BidModel
from spark_eidos.effort import EffortModel
from spark_eidos.following import Following
from spark_eidos.scoreboard import Scoreboard
from spark_eidos.success import SuccessModel
from spark_eidos.task import TaskFacts
from spark_eidos.winner import Look, WinnerModel
from spark_hooks import Interval

VERSION = "experts-3"
"""Names the models; kept in every row of the ledger."""
DIGITS = 4
"""Decimals of the experts' log odds that the ledger keeps, and that they are weighed by."""


@dataclass(slots=True)
class Forecast:
    """Frozen when a task is posted."""

    winner: dict[str, float]
    success: dict[str, float]
    bid: Interval | None


@dataclass(slots=True)
class AwardForecast:
    """Frozen when a task is assigned: the agent's probability of success, and the baselines at that moment.

    `experts`: what each expert said, in log odds, for weighing them once the outcome is known. `duration` in seconds,
    `cost` in the swarm's own unit; None where too little is known.
    """

    agent_id: str
    success: float
    base_rate: float
    agent_rate: float = 0.5
    experts: tuple[float, ...] = ()
    duration: Interval | None = None
    cost: Interval | None = None


@dataclass(slots=True)
class Award:
    """Who got a task, when, for what, and all that was bid for it; `first`: whether nobody had got it before."""

    agent_id: str
    posted_at: float = 0.0
    at: float = 0.0
    first: bool = True
    bid: float | None = None
    bids: Mapping[str, float] = field(default_factory=dict)


class Draft(NamedTuple):
    """The work behind a forecast. It is no part of the state: whoever has none does the work again, with the same
    result.

    It holds for the task it was made for, while no outcome (`outcomes`), and for the winner no award and no bid
    (`choices`), has come.
    """

    task: TaskFacts
    at: float
    outcomes: int
    choices: int
    experts: np.ndarray
    chances: Mapping[str, float]
    look: Look | None


@dataclass(slots=True)
class Outcome:
    """What came of an attempt, and what it took, where that was told."""

    succeeded: bool
    duration_s: float | None = None
    cost: float | None = None


@dataclass(slots=True)
class Eidos:
    """The models and their record. All of its state is plain data, so that a snapshot restores it to the same bytes."""

    success: SuccessModel = field(default_factory=SuccessModel)
    winner: WinnerModel = field(default_factory=WinnerModel)
    bidding: Bidding = field(default_factory=Bidding)
    bids: BidModel = field(default_factory=BidModel)
    duration: EffortModel = field(default_factory=EffortModel)
    cost: EffortModel = field(default_factory=EffortModel)
    scoreboard: Scoreboard = field(default_factory=Scoreboard)
    following: Following = field(default_factory=Following)

    def forecast(self, task: TaskFacts, now: float) -> tuple[Forecast, Draft]:
        """What to expect of a task at `now`, before any bid; and the work that need not be done again at its award."""
        success = self.success
        experts = success.experts(task, task.candidates, now)
        chances = dict(zip(task.candidates, success.blend(experts).tolist(), strict=True))
        look = self.winner.look(task, now, self.bidding)
        forecast = Forecast(self.winner.predict_one(task, look), chances, self._bid(task))
        return forecast, Draft(task, now, success.rates.swarm.outcomes, self._choices, experts, chances, look)

    @property
    def _choices(self) -> int:
        """How much was learned that the look at the candidates is made of: bids too, whoever gets the task."""
        return self.winner.awards + self.bidding.taken

    def _bid(self, task: TaskFacts) -> Interval | None:
        lowest = self.bidding.lowest(task.candidates)
        return self.bids.predict_one(task.category, task.reserve, len(task.candidates), lowest, self.bidding.spread)

    def chances(self, task: TaskFacts, agents: Sequence[str], now: float) -> dict[str, float]:
        """Probability of success of each agent, should it get the task."""
        return dict(zip(agents, self.success.predict(task, agents, now).tolist(), strict=True))

    def forecast_award(self, task: TaskFacts, agent: str, now: float, draft: Draft | None = None) -> AwardForecast:
        """What to expect of one attempt. A `draft` makes no difference but to the time it takes."""
        rates = self.success.rates
        experts, chance = self._at_award(task, agent, now, draft)
        return AwardForecast(
            agent,
            chance,
            rates.base_rate(),
            rates.agent_rate(agent),
            tuple(round(one, DIGITS) for one in experts.tolist()) if rates.swarm.outcomes else (),
            self.duration.predict_one(agent, task.category),
            self.cost.predict_one(agent, task.category),
        )

    def _at_award(self, task: TaskFacts, agent: str, now: float, draft: Draft | None) -> tuple[np.ndarray, float]:
        """What each expert says of an attempt, in log odds, shape (experts,); and its probability of success."""
        success = self.success
        if (
            draft is None
            or draft.task is not task
            or draft.outcomes != success.rates.swarm.outcomes
            or agent not in draft.chances
        ):
            experts = success.experts(task, (agent,), now)
        else:
            row = task.candidates.index(agent)
            experts = draft.experts[row : row + 1]
            if draft.at == now:
                return experts[0], draft.chances[agent]
            experts = success.experts_later(experts, task, (agent,), now)
        return experts[0], float(success.blend(experts)[0])

    def observe_award(
        self, task: TaskFacts, made: Forecast | None, award: Award, draft: Draft | None = None
    ) -> dict[str, float]:
        """Score what was said of winner and bid, then learn; later attempts of a task are no new choice."""
        scores: dict[str, float] = {}
        if award.first:
            if made is not None:
                scores |= self.scoreboard.score_winner(made.winner, award.agent_id)
            drafted = draft is not None and draft.task is task and draft.choices == self._choices
            look = draft.look if draft is not None and drafted and draft.at == award.posted_at else None
            self.winner.learn_one(task, award.agent_id, award.posted_at, award.at, self.bidding, look)
        if award.bid is not None:
            given = None if made is None else made.bid
            if given is not None:
                scores |= self.scoreboard.score_bid(given, award.bid)
            lowest = self.bidding.lowest(task.candidates)
            self.bids.learn_one(task.category, task.reserve, len(task.candidates), lowest, award.bid, given)
        if award.first:
            for agent, bid in award.bids.items():
                self.bidding.learn_one(agent, task.category, task.reserve, bid)
        return scores

    def observe_late_bid(self, task: TaskFacts, agent: str, bid: float) -> None:
        """Learn from a bid that is heard of after its task was awarded."""
        self.bidding.learn_one(agent, task.category, task.reserve, bid)

    def observe_outcome(self, task: TaskFacts, made: AwardForecast, outcome: Outcome, now: float) -> dict[str, float]:
        """Score an attempt by the forecast frozen at its assignment, then learn from it."""
        board, agent = self.scoreboard, made.agent_id
        scores = board.score_success(made.success, made.base_rate, made.agent_rate, outcome.succeeded)
        if board.changed:
            self.success.loosen()
        scores |= board.score_effort("duration", made.duration, outcome.duration_s)
        scores |= board.score_effort("cost", made.cost, outcome.cost)
        self.success.learn_one(task, agent, outcome.succeeded, now, made.experts)
        self.duration.learn_one(agent, task.category, outcome.duration_s)
        self.cost.learn_one(agent, task.category, outcome.cost)
        return scores
