"""Who succeeds where whom else does? What other agents did at this very task, weighed by how alike they are.

Residuals of a task's earlier attempts predict the next agent's, through the covariance of the two agents' residuals
on the tasks they shared: best linear prediction, or kriging (Goldberger, "Best Linear Unbiased Prediction in the
Generalized Linear Regression Model", JASA 57, 1962), on the working scale of logistic regression. Covariances are
sums of products, drawn towards none: where agents have nothing in common beyond ability this changes nothing; where
tasks come in kinds that suit some agents and not others (a low-rank structure) it finds them without naming them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spark_eidos.arithmetic import total
from spark_eidos.bounds import forget_oldest

MAX_AGENTS = 256
MAX_TASKS = 4_000
MAX_TRIALS = 16
"""Agents whose attempt at a task is remembered, each its newest."""
STRENGTH = 12.0
"""Weight of shared attempts that a covariance of nothing is worth."""
NUGGET = 0.4
MOST = 3.0


class Trial(NamedTuple):
    """An earlier attempt at a task: by whom, its working residual (in log odds), and its weight p (1 - p)."""

    agent: str
    residual: float
    weight: float


@dataclass(slots=True)
class Kinship:
    """Correction of the log odds by what others did at the same task."""

    rows: dict[str, int] = field(default_factory=dict)
    products: np.ndarray = field(default_factory=lambda: np.zeros((16, 16)))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((16, 16)))
    tasks: dict[str, list[Trial]] = field(default_factory=dict)

    def predict(self, fingerprint: str, agents: Sequence[str]) -> np.ndarray:
        """What to add to the log odds, shape (agents,); 0 where nothing is known."""
        known = [trial for trial in self.tasks.get(fingerprint, ()) if trial.agent in self.rows]
        if not known:
            return np.zeros(len(agents))
        at = np.array([self.rows[trial.agent] for trial in known])
        among = self._covariance(at[:, None], at)
        among.flat[:: len(at) + 1] = [1.0 / trial.weight + NUGGET for trial in known]
        pull = np.linalg.solve(among, np.array([trial.residual for trial in known]))
        asked = np.array([self.rows.get(agent, -1) for agent in agents], dtype=np.int64)
        shift = total(self._covariance(asked[:, None], at) * pull, axis=-1)
        return np.where(asked < 0, 0.0, np.minimum(np.maximum(shift, -MOST), MOST))

    def learn_one(self, fingerprint: str, agent: str, expected: float, succeeded: bool) -> None:
        """Take in one outcome, and the probability that was expected of it."""
        p = min(max(expected, 0.02), 0.98)
        weight = p * (1.0 - p)
        residual = (succeeded - p) / weight
        row = self._row(agent)
        others = [trial for trial in self.tasks.pop(fingerprint, []) if trial.agent != agent]
        known = [trial for trial in others if trial.agent in self.rows]
        if known:
            at = [self.rows[trial.agent] for trial in known]
            both = weight * np.array([trial.weight for trial in known])
            product = both * (residual * np.array([trial.residual for trial in known]))
            for table, change in ((self.products, product), (self.weights, both)):
                table[row, at] += change
                table[at, row] = table[row, at]
        self.tasks[fingerprint] = [*others, Trial(agent, residual, weight)][-MAX_TRIALS:]
        forget_oldest(self.tasks, MAX_TASKS)

    def _covariance(self, of: np.ndarray, to: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.products[of, to] / (self.weights[of, to] + STRENGTH)
        return found

    def _row(self, agent: str) -> int:
        """The agent's row; the agent not heard of for longest makes room for a new one."""
        row = self.rows.pop(agent, None)
        if row is None:
            gone = forget_oldest(self.rows, MAX_AGENTS - 1)
            row = gone[0][1] if gone else len(self.rows)
            if row >= len(self.products):
                self.products, self.weights = (
                    np.pad(table, (0, len(table))) for table in (self.products, self.weights)
                )
            for table in (self.products, self.weights):
                table[row, :] = table[:, row] = 0.0
        self.rows[agent] = row
        return row
