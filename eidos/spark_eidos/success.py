"""Will this agent succeed at this task? Bayesian rates with shrinkage, from the swarm down to the agent in a category.

Each rate is the mean of a Beta posterior whose prior is the rate one step up, worth a fixed number of outcomes: an
agent is shrunk towards the swarm, an agent in a category towards what agent and category say together. This is the
beta-binomial form of empirical-Bayes shrinkage (Efron & Morris, "Data Analysis Using Stein's Estimator", JASA 70,
1975) with the prior's strength set, not fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest
from spark_eidos.rules import clip

AGENT_STRENGTH = 8.0
CATEGORY_STRENGTH = 8.0
CELL_STRENGTH = 16.0
CATEGORY_WEIGHT = 0.5  # how much of a category's log odds against the swarm is believed for each agent
MAX_TALLIES = 100_000


@dataclass(slots=True)
class Tally:
    """Outcomes counted."""

    outcomes: int = 0
    successes: int = 0

    def add(self, succeeded: bool) -> None:
        self.outcomes += 1
        self.successes += succeeded

    def shrunk(self, prior: float, strength: float) -> float:
        """Posterior mean under a Beta prior with mean `prior`, worth `strength` outcomes."""
        return (self.successes + strength * prior) / (self.outcomes + strength)


_NOTHING = Tally()


@dataclass(slots=True)
class SuccessModel:
    """Probability of success for an agent in a category.

    >>> model = SuccessModel()
    >>> model.predict_one("ada", "db")
    0.5
    >>> for _ in range(20): model.learn_one("ada", "db", False)
    >>> model.predict_one("ada", "db") < model.predict_one("bo", "db") < model.predict_one("bo", "docs")
    True
    """

    swarm: Tally = field(default_factory=Tally)
    agents: dict[str, Tally] = field(default_factory=dict)
    categories: dict[str, Tally] = field(default_factory=dict)
    cells: dict[str, dict[str, Tally]] = field(default_factory=dict)
    cell_count: int = 0

    def base_rate(self) -> float:
        """The swarm's rate under a uniform prior (Laplace's rule of succession): what forecasts are held against."""
        return (self.swarm.successes + 1) / (self.swarm.outcomes + 2)

    def predict_one(self, agent: str, category: str | None) -> float:
        """Probability in [0.001, 0.999] that `agent` succeeds at a task of `category`."""
        return clip(self.posterior(agent, category)[0])

    def posterior(self, agent: str, category: str | None) -> tuple[float, float]:
        """(mean, strength) of the Beta posterior for `agent` in `category`; strength counts outcomes."""
        base = self.base_rate()
        tally = self.agents.get(agent, _NOTHING)
        rate = tally.shrunk(base, AGENT_STRENGTH)
        if category is None:
            return rate, tally.outcomes + AGENT_STRENGTH
        group = self.categories.get(category)
        if group is not None:
            shift = _logit(group.shrunk(base, CATEGORY_STRENGTH)) - _logit(base)
            rate = 1.0 / (1.0 + math.exp(-_logit(rate) - CATEGORY_WEIGHT * shift))
        cell = self.cells.get(agent, {}).get(category, _NOTHING)
        prior_strength = min(tally.outcomes - cell.outcomes + AGENT_STRENGTH, CELL_STRENGTH)
        return cell.shrunk(rate, CELL_STRENGTH), cell.outcomes + prior_strength

    def learn_one(self, agent: str, category: str | None, succeeded: bool) -> None:
        """Take in one outcome."""
        self.swarm.add(succeeded)
        self.agents.setdefault(agent, Tally()).add(succeeded)
        if category is not None:
            self.categories.setdefault(category, Tally()).add(succeeded)
            row = self.cells.setdefault(agent, {})
            if category not in row:
                row[category] = Tally()
                self.cell_count += 1
            row[category].add(succeeded)
        self._stay_bounded()

    def _stay_bounded(self) -> None:
        forget_oldest(self.agents, MAX_TALLIES)
        forget_oldest(self.categories, MAX_TALLIES)
        while self.cell_count > MAX_TALLIES:
            for _, row in forget_oldest(self.cells, len(self.cells) - 1):
                self.cell_count -= len(row)


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))
