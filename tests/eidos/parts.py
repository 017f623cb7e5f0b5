"""Each model by itself, as a forecaster: what it does not forecast is said as by lot, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spark_eidos import Award, AwardForecast, Forecast, Outcome, TaskFacts
from spark_eidos.arithmetic import logistic
from spark_eidos.bidding import Bidding
from spark_eidos.bids import BidModel
from spark_eidos.effort import EffortModel
from spark_eidos.fading import FadingRate
from spark_eidos.kinship import Kinship
from spark_eidos.rules import clip
from spark_eidos.skill import SkillModel
from spark_eidos.success import SuccessModel
from spark_eidos.tally import Rates
from spark_eidos.text import TextModel
from spark_eidos.winner import WinnerModel


@dataclass(slots=True)
class Alone:
    """Knows nothing."""

    def chances(self, task: TaskFacts, agents: Sequence[str], now: float) -> list[float]:
        return [0.5] * len(agents)

    def learn(self, task: TaskFacts, agent: str, succeeded: bool, now: float, made: AwardForecast) -> None:
        pass

    def forecast(self, task, now):
        chances = dict(zip(task.candidates, self.chances(task, task.candidates, now), strict=True))
        return Forecast({agent: 1 / len(chances) for agent in chances}, chances, None), None

    def forecast_award(self, task, agent, now, draft=None):
        return AwardForecast(agent, self.chances(task, [agent], now)[0], 0.5)

    def observe_award(self, task, made, award, draft=None):
        return {}

    def observe_outcome(self, task, made, outcome, now):
        self.learn(task, made.agent_id, outcome.succeeded, now, made)
        return {}


@dataclass(slots=True)
class RatesAlone(Alone):
    model: Rates = field(default_factory=Rates)

    def chances(self, task, agents, now):
        return [clip(self.model.agent_rate(agent)) for agent in agents]

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(agent, task.category, succeeded)


@dataclass(slots=True)
class FadingAlone(Alone):
    model: FadingRate = field(default_factory=lambda: FadingRate(20.0, 2.0))

    def chances(self, task, agents, now):
        return [clip(self.model.predict_one(agent, 0.5, now)) for agent in agents]

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(agent, succeeded, now)


@dataclass(slots=True)
class SkillAlone(Alone):
    model: SkillModel = field(default_factory=SkillModel)

    def chances(self, task, agents, now):
        return [clip(logistic(z)) for z in self.model.predict(task, agents).tolist()]

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(task, agent, succeeded)


@dataclass(slots=True)
class TextAlone(Alone):
    model: TextModel = field(default_factory=TextModel)

    def chances(self, task, agents, now):
        return [clip(logistic(z)) for z in self.model.predict(task, agents).tolist()]

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(task, agent, succeeded)


@dataclass(slots=True)
class KinshipAlone(Alone):
    """On top of the swarm's rate, which it is told."""

    model: Kinship = field(default_factory=Kinship)

    def chances(self, task, agents, now):
        return [clip(logistic(z)) for z in self.model.predict(task.fingerprint, agents).tolist()]

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(task.fingerprint, agent, 0.5, succeeded)


@dataclass(slots=True)
class SuccessAlone(Alone):
    model: SuccessModel = field(default_factory=SuccessModel)

    def chances(self, task, agents, now):
        return self.model.predict(task, agents, now).tolist()

    def forecast_award(self, task, agent, now, draft=None):
        experts = self.model.experts(task, [agent], now)
        return AwardForecast(agent, float(self.model.blend(experts)[0]), 0.5, experts=tuple(experts[0].tolist()))

    def learn(self, task, agent, succeeded, now, made):
        self.model.learn_one(task, agent, succeeded, now, made.experts)


@dataclass(slots=True)
class WinnerAlone(Alone):
    model: WinnerModel = field(default_factory=WinnerModel)
    bidding: Bidding = field(default_factory=Bidding)

    def forecast(self, task, now):
        winner = self.model.predict_one(task, self.model.look(task, now, self.bidding))
        return Forecast(winner, dict.fromkeys(task.candidates, 0.5), None), None

    def observe_award(self, task, made, award: Award, draft=None):
        self.model.learn_one(task, award.agent_id, award.posted_at, award.at, self.bidding)
        for agent, bid in award.bids.items():
            self.bidding.learn_one(agent, task.category, task.reserve, bid)
        return {}


@dataclass(slots=True)
class BidsAlone(Alone):
    model: BidModel = field(default_factory=BidModel)
    bidding: Bidding = field(default_factory=Bidding)

    def forecast(self, task, now):
        lowest = self.bidding.lowest(task.candidates)
        number, spread = len(task.candidates), self.bidding.spread
        bid = self.model.predict_one(task.category, task.reserve, number, lowest, spread)
        even = {agent: 1 / number for agent in task.candidates}
        return Forecast(even, dict.fromkeys(task.candidates, 0.5), bid), None

    def observe_award(self, task, made, award: Award, draft=None):
        if award.bid is None:
            return {}
        lowest, given = self.bidding.lowest(task.candidates), made.bid
        self.model.learn_one(task.category, task.reserve, len(task.candidates), lowest, award.bid, given)
        for agent, bid in award.bids.items():
            self.bidding.learn_one(agent, task.category, task.reserve, bid)
        return {} if given is None else {"bid_covered": float(given.low <= award.bid <= given.high)}


@dataclass(slots=True)
class EffortAlone(Alone):
    model: EffortModel = field(default_factory=EffortModel)

    def forecast_award(self, task, agent, now, draft=None):
        return AwardForecast(agent, 0.5, 0.5, duration=self.model.predict_one(agent, task.category))

    def observe_outcome(self, task, made, outcome: Outcome, now):
        self.model.learn_one(made.agent_id, task.category, outcome.duration_s)
        return {}
