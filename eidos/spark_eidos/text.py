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

from spark_eidos.arithmetic import PROBIT, logistic
from spark_eidos.task import SLOTS, TaskFacts, slot

LEVEL, CATEGORY, DESCRIPTION, FAMILY, WORD, AGENT, CELL = 4.0, 0.5, 1.5, 1.0, 0.6, 1.0, 0.2
"""Prior variances."""
LEAST = 1e-4

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
        shared = _of_task(task)
        mean = float(self.weights[shared.slots] @ shared.values)
        variance = float(self.known[shared.slots] @ shared.spread)
        own = [slot("agent", agent) for agent in agents]
        means, variances = mean + self.weights[own], variance + self.known[own] * AGENT
        if task.category is not None:
            cells = [slot("cell", agent, task.category) for agent in agents]
            means, variances = means + self.weights[cells], variances + self.known[cells] * CELL
        drawn: np.ndarray = means / np.sqrt(1.0 + PROBIT * variances)
        return drawn

    def learn_one(self, task: TaskFacts, agent: str, succeeded: bool) -> None:
        """Take in one outcome."""
        read = _of_attempt(task, agent)
        slots, values, priors = read.slots, read.values, read.priors
        variances = self.known[slots] * priors
        step = variances * values
        p = logistic(float(self.weights[slots] @ values))
        curvature = max(p * (1.0 - p), 1e-4)
        damping = 1.0 + curvature * float(step @ values)
        self.weights[slots] += step * ((succeeded - p) / damping)
        self.known[slots] = np.maximum(variances - step * step * (curvature / damping), LEAST) / priors

    def loosen(self) -> None:
        """The swarm has changed: its level is learned anew."""
        self.known[_LEVEL_SLOT] = max(float(self.known[_LEVEL_SLOT]), 0.25)


class Read(NamedTuple):
    """What is read of a task: where its features lie, their values, prior variances, and values squared times those."""

    slots: np.ndarray
    values: np.ndarray
    priors: np.ndarray
    spread: np.ndarray


@functools.lru_cache(maxsize=2_048)
def _of_task(task: TaskFacts) -> Read:
    """A task's own features. Pure; kept because a task is read when it is posted, awarded and done."""
    named = [(_LEVEL_SLOT, LEVEL)]
    if task.category is not None:
        named.append((slot("category", task.category), CATEGORY))
    if task.fingerprint:
        named.append((slot("description", task.fingerprint), DESCRIPTION))
    if task.family:
        named.append((slot("family", task.family), FAMILY))
    words = task.slots
    slots = np.concatenate((np.array([at for at, _ in named], dtype=np.int64), words))
    values = np.ones(len(slots))
    values[len(named) :] = 1.0 / np.sqrt(max(len(words), 1))
    priors = np.full(len(slots), WORD)
    priors[: len(named)] = [prior for _, prior in named]
    return Read(slots, values, priors, priors * values * values)


def _of_attempt(task: TaskFacts, agent: str) -> Read:
    """The features of an agent at a task."""
    shared, extra = _of_task(task), [(slot("agent", agent), AGENT)]
    if task.category is not None:
        extra.append((slot("cell", agent, task.category), CELL))
    slots = np.concatenate((shared.slots, np.array([at for at, _ in extra])))
    values = np.concatenate((shared.values, np.ones(len(extra))))
    priors = np.concatenate((shared.priors, np.array([prior for _, prior in extra])))
    return Read(slots, values, priors, priors * values * values)
