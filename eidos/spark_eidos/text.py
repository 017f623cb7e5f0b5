"""What do the words say? Online Bayesian logistic regression over hashed features of a task and an agent.

One weight per word, per description, per family of tasks, category, agent, and agent in a category, each with a
normal belief of its own (diagonal covariance), moved by the extended Kalman step of logistic regression. All lie in
one table of fixed size. What is new has its prior's whole variance, so that the forecast stays modest there.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spark_eidos.arithmetic import PROBIT, logistic, total
from spark_eidos.task import SLOTS, TaskFacts, slot

LEVEL, CATEGORY, DESCRIPTION, FAMILY, WORD, AGENT, CELL = 4.0, 0.5, 1.5, 1.0, 0.6, 1.0, 0.2
"""Prior variances."""
LEAST = 1e-4
"""What is left of a prior variance, at least."""

_LEVEL_SLOT = slot("level")


@dataclass(slots=True)
class TextModel:
    """Probability of success from what is written of the task, and who does it.

    `weights`: means, shape (SLOTS,). `known`: what is left of each prior variance, as a fraction, shape (SLOTS,).
    """

    weights: np.ndarray = field(default_factory=lambda: np.zeros(SLOTS))
    known: np.ndarray = field(default_factory=lambda: np.ones(SLOTS))

    def predict(self, task: TaskFacts, agents: Sequence[str]) -> np.ndarray:
        """Log odds of success, shape (agents,), drawn in by their uncertainty."""
        slots, features = _read(task)
        mean = float(self.weights[slots] @ features.values)
        variance = float(self.known[slots] @ features.spread)
        own = np.array([slot("agent", agent) for agent in agents], dtype=np.int64)
        means, variances = self.weights[own] + mean, self.known[own] * AGENT + variance
        if task.category is not None:
            cells = np.array([slot("cell", agent, task.category) for agent in agents], dtype=np.int64)
            means, variances = means + self.weights[cells], variances + self.known[cells] * CELL
        drawn: np.ndarray = means / np.sqrt(1.0 + PROBIT * variances)
        return drawn

    def learn_one(self, task: TaskFacts, agent: str, succeeded: bool) -> None:
        """Take in one outcome."""
        slots, features = _read(task, agent)
        known, weights = self.known[slots], self.weights[slots]
        bearing = known * features.spread
        p = logistic(float(weights @ features.values))
        curvature = max(p * (1.0 - p), 1e-4)
        damping = 1.0 + curvature * float(total(bearing))
        self.weights[slots] = weights + known * features.pull * ((succeeded - p) / damping)
        self.known[slots] = np.maximum(known - known * bearing * (curvature / damping), LEAST)

    def loosen(self) -> None:
        """The swarm has changed: its level is learned anew."""
        self.known[_LEVEL_SLOT] = max(float(self.known[_LEVEL_SLOT]), 0.25)


class Features(NamedTuple):
    """Of the features of a task, in the order of their slots: values; prior variances times those, and times their
    squares."""

    values: np.ndarray
    pull: np.ndarray
    spread: np.ndarray


def _read(task: TaskFacts, agent: str | None = None) -> tuple[np.ndarray, Features]:
    """Where the features of a task (of an agent at a task) lie, and what they are."""
    at, priors = [_LEVEL_SLOT], [LEVEL]
    if task.category is not None:
        at.append(slot("category", task.category))
        priors.append(CATEGORY)
        if agent is not None:
            at.append(slot("cell", agent, task.category))
            priors.append(CELL)
    if task.fingerprint:
        at.append(slot("description", task.fingerprint))
        priors.append(DESCRIPTION)
    if task.family:
        at.append(slot("family", task.family))
        priors.append(FAMILY)
    if agent is not None:
        at.append(slot("agent", agent))
        priors.append(AGENT)
    words = task.slots
    return np.concatenate((np.array(at, dtype=np.int64), words)), _features(tuple(priors), len(words))


@functools.lru_cache(maxsize=2_048)
def _features(priors: tuple[float, ...], words: int) -> Features:
    """Those of one kind of task. Pure; there are few kinds, by what is known and how many words there are."""
    values = np.ones(len(priors) + words)
    values[len(priors) :] = 1.0 / np.sqrt(max(words, 1))
    of = np.array([*priors, *[WORD] * words])
    return Features(values, of * values, of * values * values)
