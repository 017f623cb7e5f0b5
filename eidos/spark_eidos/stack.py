"""A blend of the experts that is learned: Bayesian logistic regression over their log odds, full covariance.

Stacking (Wolpert, "Stacked Generalization", Neural Networks 5, 1992), online: a normal belief about the weights,
moved by the extended Kalman step. It finds blends that no recipe has, and needs more outcomes for it than weighing
recipes does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import logistic, products

VARIANCE = 0.2
LEVEL_VARIANCE = 0.05
LEAST_CURVATURE = 1e-3


@dataclass(slots=True)
class Stack:
    """`weights`: of the experts and of a constant, shape (experts + 1,); `covariance`: of the belief about them."""

    weights: np.ndarray
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def starting(cls, blend: Sequence[float]) -> Stack:
        """Begins as a given blend."""
        spread = [VARIANCE] * len(blend) + [LEVEL_VARIANCE]
        return cls(np.array([*blend, 0.0]), np.diag(spread))

    def predict(self, experts: np.ndarray) -> np.ndarray:
        """Log odds, shape (agents,), of experts' log odds, shape (agents, experts)."""
        return products(experts, self.weights[:-1]) + float(self.weights[-1])

    def learn_one(self, experts: Sequence[float], succeeded: bool) -> None:
        """Take in one outcome, the experts' log odds being as they were when it was forecast."""
        inputs = np.array((*experts, 1.0))
        toward = self.covariance @ inputs
        p = logistic(float(inputs @ self.weights))
        curvature = max(p * (1.0 - p), LEAST_CURVATURE)
        damping = 1.0 + curvature * float(inputs @ toward)
        self.weights = self.weights + toward * ((succeeded - p) / damping)
        self.covariance = self.covariance - toward[:, None] * (toward * (curvature / damping))
