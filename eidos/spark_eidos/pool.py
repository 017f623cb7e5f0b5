"""Whom to believe? A mixture of recipes, each a fixed blend of the experts' log odds; the evidence weighs the
recipes.

Blending log odds is the logarithmic pool (Genest & Zidek, "Combining Probability Distributions", Statistical Science
1, 1986); weighing the blends is Bayes' rule, whose cost against the best recipe in hindsight is the logarithm of
their number (Vovk, "Aggregating Strategies", COLT 1990). The evidence counts for less than its face value, because
outcomes come in bursts and are not independent (Grünwald & van Ommen, "Inconsistency of Bayesian Inference for
Misspecified Linear Models", Bayesian Analysis 12, 2017: the learning rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import logistics, products, total
from spark_eidos.rules import FLOOR
from spark_eidos.stack import Stack

EXPERTS = (
    "skill", "kin", "text", "base", "agent", "cell", "family_now", "swarm_now", "swarm_lately", "agent_lately", "stack",
)  # fmt: skip
"""Whose log odds are blended, in this order; the last one is itself a blend of those before it."""
KIN = 0.6
LATELY = {"family_now": 0.1, "agent_lately": 0.1, "swarm_now": 0.15, "swarm_lately": 0.15}
NOW = {"family_now": 0.12, "swarm_now": 0.17, "swarm_lately": 0.15}
_WEIGHED: tuple[tuple[float, dict[str, float]], ...] = (
    (0.09, {"skill": 1.0, "kin": KIN}),  # tasks come again, and nothing changes
    (0.09, {"skill": 0.85, "kin": KIN, "text": 0.25}),  # and their words say something
    (0.03, {"skill": 0.6, "text": 0.15}),  # as before, and less sure of itself
    (0.25, {"skill": 0.25, "kin": 0.2, "text": 0.25, **LATELY}),  # outcomes come in bursts, and agents change
    (0.24, {"skill": 0.28, "kin": 0.2, "text": 0.28, **NOW}),  # outcomes come in bursts
    (0.05, {"base": 1.0}),  # nothing is to be known
    (0.12, {"agent": 1.0}),  # an agent's record is all there is to know
    (0.05, {"cell": 1.0}),  # agents differ by category
    (0.04, {"text": 1.2}),  # each task comes once, and its words tell
    (0.04, {"stack": 1.0}),  # none of these
)
RECIPES = np.array([[blend.get(expert, 0.0) for expert in EXPERTS] for _, blend in _WEIGHED])
PRIOR = np.array([share for share, _ in _WEIGHED])
STACK_START = tuple({"skill": 0.5, "kin": 0.5, "text": 0.5}.get(expert, 0.0) for expert in EXPERTS[:-1])
LEARNING_RATE = 0.4
LEAST = 1e-9
"""No recipe's weight falls below: the world may change to its liking."""


@dataclass(slots=True)
class Pool:
    """`weights`: of the recipes, summing to 1."""

    weights: np.ndarray = field(default_factory=PRIOR.copy)
    stack: Stack = field(default_factory=lambda: Stack.starting(STACK_START))

    def blend(self, experts: np.ndarray) -> np.ndarray:
        """Probabilities, shape (agents,), of experts' log odds, shape (agents, experts)."""
        return products(self._recipes(experts), self.weights)

    def learn_one(self, experts: Sequence[float], succeeded: bool) -> None:
        """Weigh the recipes by what they gave to what happened, the experts' log odds being as they were then."""
        said = np.array(experts, dtype=float)
        given = logistics(RECIPES @ said if succeeded else RECIPES @ -said)
        weights = self.weights * np.minimum(np.maximum(given, FLOOR), 1.0 - FLOOR) ** LEARNING_RATE
        weights = np.maximum(weights, LEAST * total(weights))
        self.weights = weights / total(weights)
        self.stack.learn_one(experts[:-1], succeeded)

    def shares(self) -> np.ndarray:
        """How much each expert counts in the blend as it is now, shape (experts,): for explanations."""
        direct: np.ndarray = (self.weights[:, None] * RECIPES).sum(axis=0)
        stacked = direct[-1] * self.stack.weights[:-1]
        shares: np.ndarray = np.append(direct[:-1] + stacked, 0.0)
        return shares

    @staticmethod
    def _recipes(experts: np.ndarray) -> np.ndarray:
        """What each recipe says, shape (agents, recipes). Not by BLAS, see `products`."""
        chances = logistics(np.einsum("ij,kj->ik", experts, RECIPES))
        held: np.ndarray = np.minimum(np.maximum(chances, FLOOR), 1.0 - FLOOR)
        return held
