"""Will this agent succeed at this task? Experts of different make, blended as the evidence has it.

`skill` knows who is able and which task is hard, corrected by what agents alike did at the same task (`kinship`);
`text` reads the words; the fading rates know what happened just now and lately. See `pool` for how they are blended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import logit
from spark_eidos.fading import FadingRate
from spark_eidos.kinship import Kinship
from spark_eidos.pool import EXPERTS, Pool
from spark_eidos.rules import clip
from spark_eidos.skill import SkillModel
from spark_eidos.tally import Rates
from spark_eidos.task import TaskFacts
from spark_eidos.text import TextModel


@dataclass(slots=True)
class SuccessModel:
    """Probability of success for an agent at a task.

    >>> model, task = SuccessModel(), TaskFacts(category="db", fingerprint="f")
    >>> float(model.predict(task, ["ada"], now=0.0)[0])
    0.5
    >>> for n in range(20): model.learn_one(task, "ada", False, now=float(n))
    >>> ada, bo = model.predict(task, ["ada", "bo"], now=20.0)
    >>> bool(ada < bo < 0.5)
    True
    """

    rates: Rates = field(default_factory=Rates)
    skill: SkillModel = field(default_factory=SkillModel)
    kinship: Kinship = field(default_factory=Kinship)
    text: TextModel = field(default_factory=TextModel)
    family_now: FadingRate = field(default_factory=lambda: FadingRate(1.0, 0.7))
    swarm_now: FadingRate = field(default_factory=lambda: FadingRate(1.0, 0.7))
    swarm_lately: FadingRate = field(default_factory=lambda: FadingRate(12.0, 2.0))
    agent_lately: FadingRate = field(default_factory=lambda: FadingRate(24.0, 0.7))
    pool: Pool = field(default_factory=Pool)

    def predict(self, task: TaskFacts, agents: Sequence[str], now: float) -> np.ndarray:
        """Probability of success at `now`, each in [0.001, 0.999]; shape (agents,)."""
        return self.blend(self.experts(task, agents, now))

    def blend(self, experts: np.ndarray) -> np.ndarray:
        """Probabilities of `experts`; one half each before anything was learned."""
        return self.pool.blend(experts) if self.rates.swarm.outcomes else np.full(len(experts), 0.5)

    def experts(self, task: TaskFacts, agents: Sequence[str], now: float) -> np.ndarray:
        """What each expert says, in log odds; shape (agents, experts)."""
        found = np.zeros((len(agents), len(EXPERTS)))
        if self.rates.swarm.outcomes and agents:
            found[:, 0] = self.skill.predict(task, agents)
            found[:, 1] = self.kinship.predict(task.fingerprint, agents)
            found[:, 2] = self.text.predict(task, agents)
            self._say_rates(found, task, agents, now)
        return found

    def experts_later(self, said: np.ndarray, task: TaskFacts, agents: Sequence[str], now: float) -> np.ndarray:
        """What `experts` would say at another moment, given what they `said` with no outcome in between."""
        found = said.copy()
        if self.rates.swarm.outcomes and agents:
            self._say_rates(found, task, agents, now)
        return found

    def _say_rates(self, found: np.ndarray, task: TaskFacts, agents: Sequence[str], now: float) -> None:
        """Fill in what the rates say, and the stack that builds on all."""
        base, rows = self.rates.base_rate(), found.T
        rows[3] = logit(clip(base))
        rows[4], rows[5] = self.rates.log_odds(agents, task.category, base)
        rows[6] = logit(clip(self.family_now.predict_one(task.family, base, now)))
        rows[7] = logit(clip(self.swarm_now.predict_one("", base, now)))
        rows[8] = logit(clip(self.swarm_lately.predict_one("", base, now)))
        rows[9] = self.agent_lately.log_odds(agents, base, now)
        rows[10] = self.pool.stack.predict(found[:, :10])

    def spread(self, task: TaskFacts, agent: str) -> float:
        """Standard deviation of the log odds that is this agent's own: what trying it could tell."""
        return math.sqrt(self.skill.spread(agent, task.category))

    def learn_one(
        self, task: TaskFacts, agent: str, succeeded: bool, now: float, experts: Sequence[float] = ()
    ) -> None:
        """Take in one outcome; `experts` as they were when the attempt began, empty where that is not known."""
        if len(experts) == len(EXPERTS) and self.rates.swarm.outcomes:
            self.pool.learn_one(experts, succeeded)
        self.rates.learn_one(agent, task.category, succeeded)
        expected = self.skill.learn_one(task, agent, succeeded)
        if task.fingerprint:
            self.kinship.learn_one(task.fingerprint, agent, expected, succeeded)
        self.text.learn_one(task, agent, succeeded)
        self.family_now.learn_one(task.family, succeeded, now)
        self.swarm_now.learn_one("", succeeded, now)
        self.swarm_lately.learn_one("", succeeded, now)
        self.agent_lately.learn_one(agent, succeeded, now)

    def loosen(self) -> None:
        """The swarm has changed: forget faster."""
        self.text.loosen()
