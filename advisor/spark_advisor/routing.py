"""Routing: whom to give a task to, weighing what is known against what is not.

Thompson sampling (Thompson, Biometrika 25, 1933): each candidate is put first as often as it is best among draws from
the posteriors. The draws give the propensities, and the choice is then drawn from the propensities themselves, so that
each is exactly the probability that its candidate had of being put first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spark_hooks.records import Recommendation

DRAWS = 256
FLOOR = 0.02
"""Share of the choices spread evenly over all candidates: no propensity is zero, so effects can be estimated later."""


class Contender(NamedTuple):
    """What is known of a candidate: Beta posterior of its success as (mean, strength in outcomes), and its cost."""

    agent_id: str
    mean: float
    strength: float
    cost: float | None
    reasons: tuple[str, ...]


def recommend(contenders: Sequence[Contender], *, seed: int, task_id: str, attempt: int) -> list[Recommendation]:
    """The contenders, the choice first and the others by probability of success, then cost, then id.

    The same contenders, seed, task and attempt give the same answer. Empty without contenders.
    """
    if not contenders:
        return []
    contenders = sorted(contenders, key=lambda c: c.agent_id)
    rng = np.random.default_rng(_key(seed, task_id, attempt))
    alpha = np.array([c.mean * c.strength for c in contenders])
    beta = np.array([(1.0 - c.mean) * c.strength for c in contenders])
    best = rng.beta(alpha, beta, size=(DRAWS, len(contenders))).argmax(axis=1)
    share = np.bincount(best, minlength=len(contenders)) / DRAWS
    propensity = (1.0 - FLOOR) * share + FLOOR / len(contenders)
    choice = int(np.searchsorted(np.cumsum(propensity), rng.random() * propensity.sum(), side="right"))
    choice = min(choice, len(contenders) - 1)
    others = [n for n in range(len(contenders)) if n != choice]
    others.sort(key=lambda n: (-contenders[n].mean, _known(contenders[n].cost), contenders[n].agent_id))
    return [
        Recommendation(c.agent_id, c.mean, c.cost, float(propensity[n]), c.reasons)
        for n in (choice, *others)
        for c in (contenders[n],)
    ]


def _known(cost: float | None) -> float:
    """For ordering: an unknown cost is not taken for a low one."""
    return math.inf if cost is None else cost


def _key(seed: int, task_id: str, attempt: int) -> int:
    """Seed of one choice: nothing else may move it, neither order nor hash randomisation."""
    text = f"{seed}\0{task_id}\0{attempt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
