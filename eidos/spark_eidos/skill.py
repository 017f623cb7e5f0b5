"""How able is an agent, how hard is a task? Item response theory, online.

The log odds of success are ``ability + slope * ease``: the two-parameter model (Birnbaum, in Lord & Novick,
"Statistical Theories of Mental Test Scores", 1968) with agents in the place of tests. A task is recognised by its
fingerprint, and what is believed of its ease is a distribution over a grid, exact under Bayes' rule. Everything else
(the swarm's level, abilities and slopes of agents, effects of categories and of an agent in a category) is normal and
moved by an extended Kalman step on the likelihood with the ease summed out. An agent whose outcomes keep surprising
the same way is taken for a changed one, and learned anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import PROBIT, logistics, logits, products, total
from spark_eidos.bounds import forget_oldest
from spark_eidos.change import Change
from spark_eidos.tally import cell_key, cell_keys
from spark_eidos.task import TaskFacts

MAX_AGENTS, MAX_CATEGORIES, MAX_CELLS, MAX_TASKS = 10_000, 2_000, 10_000, 4_000

EASE = np.linspace(-7.5, 7.5, 13)
"""The grid of a task's ease, in log odds."""
EASE_PRIOR = np.exp(-0.5 * (EASE / 3.0) ** 2)
EASE_PRIOR /= EASE_PRIOR.sum()
EASE_SQUARED = EASE * EASE
PROBIT_EASE_SQUARED = PROBIT * EASE_SQUARED
MOMENTS = np.stack([np.ones_like(EASE), EASE, EASE_SQUARED])

LEVEL_VARIANCE, ABILITY_VARIANCE, SLOPE_VARIANCE = 4.0, 3.0, 0.1
CATEGORY_VARIANCE, CELL_VARIANCE = 0.15, 0.08
LEAST_VARIANCE, LEAST_CURVATURE = 1e-4, 0.05
SLOPES = 0.2, 3.0


@dataclass(slots=True)
class Effect:
    """A normal belief about one effect on the log odds."""

    mean: float
    variance: float

    def move(self, gradient: float, curvature: float) -> None:
        """One step towards what was seen; the belief gets firmer."""
        self.mean += self.variance * gradient
        self.variance = max(self.variance - self.variance * self.variance * curvature, LEAST_VARIANCE)


@dataclass(slots=True)
class Ability:
    """What is believed of one agent."""

    level: Effect = field(default_factory=lambda: Effect(0.0, ABILITY_VARIANCE))
    slope: Effect = field(default_factory=lambda: Effect(1.0, SLOPE_VARIANCE))
    change: Change = field(default_factory=Change)


_NEW = Effect(0.0, ABILITY_VARIANCE), Effect(1.0, SLOPE_VARIANCE)


@dataclass(slots=True)
class SkillModel:
    """Probability of success from ability and ease.

    >>> model, task = SkillModel(), TaskFacts(fingerprint="a")
    >>> for _ in range(5): _ = model.learn_one(task, "ada", False)
    >>> new = TaskFacts(fingerprint="b")
    >>> float(model.predict(task, ["ada"])[0]) < float(model.predict(new, ["ada"])[0]) < 0.0
    True
    """

    level: Effect = field(default_factory=lambda: Effect(0.0, LEVEL_VARIANCE))
    agents: dict[str, Ability] = field(default_factory=dict)
    categories: dict[str, Effect] = field(default_factory=dict)
    cells: dict[str, Effect] = field(default_factory=dict)
    tasks: dict[str, np.ndarray] = field(default_factory=dict)

    def predict(self, task: TaskFacts, agents: Sequence[str]) -> np.ndarray:
        """Log odds of success, shape (agents,)."""
        mean, slope, variance, slope_variance = self._terms(task, agents)
        drawn_in = np.sqrt(variance + slope_variance * PROBIT_EASE_SQUARED)
        return logits(products(logistics((mean + slope * EASE) / drawn_in), self.ease(task)))

    def ease(self, task: TaskFacts) -> np.ndarray:
        """What is believed of a task's ease, shape (grid,)."""
        return self.tasks.get(task.fingerprint, EASE_PRIOR)

    def spread(self, agent: str, category: str | None) -> float:
        """Variance of the log odds that is this agent's own: what exploring it could tell."""
        known, cell = self.agents.get(agent), self.cells.get(cell_key(agent, category or ""))
        own = ABILITY_VARIANCE if known is None else known.level.variance
        return own + (0.0 if category is None else CELL_VARIANCE if cell is None else cell.variance)

    def terms(self, task: TaskFacts, agent: str) -> tuple[float, float]:
        """What `agent` and `task` add to the log odds, each by itself: for explanations."""
        known = self.agents.get(agent)
        if known is None:
            return 0.0, float((self.ease(task) * EASE).sum())
        return known.level.mean, known.slope.mean * float((self.ease(task) * EASE).sum())

    def learn_one(self, task: TaskFacts, agent: str, succeeded: bool) -> float:
        """Take in one outcome; return the probability of success that was expected just before, ease summed out."""
        moved = self._touched(task, agent)
        ability = self.agents[agent]
        ease, mean, spread = self.ease(task), 0.0, 0.0
        for effect in moved:
            mean, spread = mean + effect.mean, spread + effect.variance
        z = mean + ability.slope.mean * EASE
        fair = logistics(z / np.sqrt(1.0 + PROBIT * spread + ability.slope.variance * PROBIT_EASE_SQUARED))
        expected = float(ease @ fair)
        plain = logistics(z)
        weight = ease * (plain if succeeded else 1.0 - plain)
        weight /= total(weight)
        self._move(moved, ability.slope, spread, weight, plain, succeeded)
        if task.fingerprint:
            self._believe(task.fingerprint, ease * (fair if succeeded else 1.0 - fair))
        if ability.change.saw((succeeded - expected) / math.sqrt(max(expected * (1.0 - expected), 1e-6))):
            ability.level.variance, ability.slope.variance = ABILITY_VARIANCE, SLOPE_VARIANCE
        self._stay_bounded()
        return expected

    def _terms(self, task: TaskFacts, agents: Sequence[str]) -> np.ndarray:
        """What the log odds are made of, apart from the task's own ease: mean and slope; one plus `PROBIT` times the
        mean's variance, and the slope's. Shape (4, agents, 1)."""
        mean, spread, category = self.level.mean, self.level.variance, task.category
        unknown = 0.0
        if category is not None:
            shared, unknown = self.categories.get(category), CELL_VARIANCE
            mean += shared.mean if shared else 0.0
            spread += shared.variance if shared else CATEGORY_VARIANCE
        rows: list[float] = []
        for agent, key in zip(agents, cell_keys(tuple(agents), category), strict=True):
            known, cell = self.agents.get(agent), self.cells.get(key)
            level, slope = (known.level, known.slope) if known is not None else _NEW
            own, apart = (cell.mean, cell.variance) if cell is not None else (0.0, unknown)
            variance = spread + apart + level.variance
            rows += mean + own + level.mean, slope.mean, 1.0 + PROBIT * variance, slope.variance
        terms: np.ndarray = np.array(rows).reshape(-1, 4, 1).swapaxes(0, 1)
        return terms

    def _touched(self, task: TaskFacts, agent: str) -> list[Effect]:
        """The effects that an outcome of `agent` at `task` bears on; made where they are new, the newest last."""
        self.agents[agent] = known = self.agents.pop(agent, None) or Ability()
        effects = [self.level, known.level]
        if task.category is not None:
            shared = self.categories.pop(task.category, None) or Effect(0.0, CATEGORY_VARIANCE)
            key = cell_key(agent, task.category)
            cell = self.cells.pop(key, None) or Effect(0.0, CELL_VARIANCE)
            self.categories[task.category], self.cells[key] = shared, cell
            effects += [shared, cell]
        return effects

    def _move(
        self, moved: list[Effect], slope: Effect, spread: float, weight: np.ndarray, p: np.ndarray, succeeded: bool
    ) -> None:
        """The extended Kalman step: gradient and curvature of the log likelihood, ease summed out by `weight`."""
        surprise = succeeded - p
        weighed = weight * surprise
        gradient, turned, _ = (MOMENTS @ weighed).tolist()
        bend, _, turned_bend = (MOMENTS @ (weight * p * (1.0 - p) - weighed * surprise)).tolist()
        curvature = max(bend + gradient * gradient, LEAST_CURVATURE)
        damping = 1.0 + curvature * spread
        for effect in moved:
            effect.move(gradient / damping, curvature / damping)
        gradient = turned
        curvature = max(turned_bend + gradient * gradient, 0.0)
        damping = 1.0 + curvature * slope.variance
        slope.move(gradient / damping, curvature / damping)
        slope.mean = min(max(slope.mean, SLOPES[0]), SLOPES[1])

    def _believe(self, fingerprint: str, belief: np.ndarray) -> None:
        self.tasks.pop(fingerprint, None)
        self.tasks[fingerprint] = belief / total(belief)

    def _stay_bounded(self) -> None:
        forget_oldest(self.agents, MAX_AGENTS)
        forget_oldest(self.categories, MAX_CATEGORIES)
        forget_oldest(self.cells, MAX_CELLS)
        forget_oldest(self.tasks, MAX_TASKS)
