"""Who succeeds where whom else does? What other agents did at this very task, weighed by how alike they are.

Residuals of a task's earlier attempts predict the next agent's, through the covariance of the two agents' residuals
on the tasks they shared: best linear prediction, or kriging (Goldberger, "Best Linear Unbiased Prediction in the
Generalized Linear Regression Model", JASA 57, 1962), on the working scale of logistic regression. Covariances are
sums of products, drawn towards none: where agents have nothing in common beyond ability this changes nothing; where
tasks come in kinds that suit some agents and not others (a low-rank structure) it finds them without naming them.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import products
from spark_eidos.bounds import forget_oldest

MAX_AGENTS = 256
MAX_TASKS = 4_000
MAX_TRIALS = 16
"""Agents whose attempt at a task is remembered, each its newest."""
STRENGTH = 12.0
"""Weight of shared attempts that a covariance of nothing is worth."""
NUGGET = 0.4
MOST = 3.0
NOBODY = -1


@dataclass(slots=True)
class Trials:
    """Earlier attempts at a task, the oldest first: by whom, the working residual (in log odds), and its weight
    p (1 - p)."""

    agents: list[str] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def without(self, gone: Container[str]) -> Trials:
        """Those of other agents."""
        left = [one for one in zip(self.agents, self.residuals, self.weights, strict=True) if one[0] not in gone]
        return Trials([one[0] for one in left], [one[1] for one in left], [one[2] for one in left])

    def add(self, agent: str, residual: float, weight: float) -> None:
        """One more; the oldest are forgotten."""
        self.agents.append(agent)
        self.residuals.append(residual)
        self.weights.append(weight)
        for of in (self.agents, self.residuals, self.weights):
            del of[:-MAX_TRIALS]


@dataclass(slots=True)
class Kinship:
    """Correction of the log odds by what others did at the same task.

    `covariance`: of two agents' residuals, drawn towards none; `weights`: of the attempts it is made of, summed.
    """

    rows: dict[str, int] = field(default_factory=dict)
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((16, 16)))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((16, 16)))
    tasks: dict[str, Trials] = field(default_factory=dict)

    def predict(self, fingerprint: str, agents: Sequence[str]) -> np.ndarray:
        """What to add to the log odds, shape (agents,); 0 where nothing is known."""
        trials, at = self._known(self.tasks.get(fingerprint))
        n = len(at)
        if n == 0:
            return np.zeros(len(agents))
        asked = [self.rows.get(agent, NOBODY) for agent in agents]
        both = np.array(at + asked)
        covariance = self.covariance[both[:, None], both[:n]]
        among = covariance[:n]
        among.reshape(-1)[:: n + 1] = 1.0 / np.array(trials.weights) + NUGGET
        pull = np.linalg.solve(among, np.array(trials.residuals))
        shift: np.ndarray = np.minimum(np.maximum(products(covariance[n:], pull), -MOST), MOST)
        if NOBODY in asked:
            shift[both[n:] == NOBODY] = 0.0
        return shift

    def learn_one(self, fingerprint: str, agent: str, expected: float, succeeded: bool) -> None:
        """Take in one outcome, and the probability that was expected of it."""
        p = min(max(expected, 0.02), 0.98)
        weight = p * (1.0 - p)
        residual = (succeeded - p) / weight
        row, trials = self._row(agent), self.tasks.pop(fingerprint, None) or Trials()
        if agent in trials.agents:
            trials = trials.without((agent,))
        known, at = self._known(trials)
        if at:
            others = np.array(at)
            both = weight * np.array(known.weights)
            before = self.weights[row, others]
            after = before + both
            product = self.covariance[row, others] * (before + STRENGTH) + both * (residual * np.array(known.residuals))
            for table, now in ((self.weights, after), (self.covariance, product / (after + STRENGTH))):
                table[row, others] = table[others, row] = now
        trials.add(agent, residual, weight)
        self.tasks[fingerprint] = trials
        forget_oldest(self.tasks, MAX_TASKS)

    def _known(self, trials: Trials | None) -> tuple[Trials, list[int]]:
        """The trials of agents that have a row, and these rows."""
        if trials is None:
            return _NONE, []
        at = [self.rows.get(agent, NOBODY) for agent in trials.agents]
        if NOBODY in at:
            trials = trials.without({agent for agent, row in zip(trials.agents, at, strict=True) if row == NOBODY})
            at = [row for row in at if row != NOBODY]
        return trials, at

    def _row(self, agent: str) -> int:
        """The agent's row; the agent not heard of for longest makes room for a new one."""
        row = self.rows.pop(agent, None)
        if row is None:
            gone = forget_oldest(self.rows, MAX_AGENTS - 1)
            row = gone[0][1] if gone else len(self.rows)
            if row >= len(self.weights):
                self.covariance, self.weights = (
                    np.pad(table, (0, len(table))) for table in (self.covariance, self.weights)
                )
            for table in (self.covariance, self.weights):
                table[row, :] = table[:, row] = 0.0
        self.rows[agent] = row
        return row


_NONE = Trials()
