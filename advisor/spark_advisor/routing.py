"""Routing: whom to give a task to, weighing what is known against what is not.

Thompson sampling (Thompson, Biometrika 25, 1933): each candidate is put first as often as it is best among draws from
what is believed of them. The draws are drawn in (`REACH`), because a swarm has many candidates and pays for every one
it tries (Chapelle & Li, "An Empirical Evaluation of Thompson Sampling", NIPS 2011: posterior reshaping). They give
the propensities, and the choice is then drawn from the propensities themselves, so that each is exactly the
probability that its candidate had of being put first.

What is compared is success, or, where the task has a worth and costs are known, what success is worth less its cost.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spark_eidos.arithmetic import logistics, logits
from spark_hooks.records import Recommendation

DRAWS = 256
REACH = 0.3
"""Part of what is not known of a candidate that its draws reach out for."""
FLOOR = 0.02
"""Share of the choices spread evenly over all candidates: no propensity is zero, so effects can be estimated later."""


class Contender(NamedTuple):
    """What is known of a candidate: its probability of success, the standard deviation of the log odds of that, and its
    cost."""

    agent_id: str
    mean: float
    spread: float
    cost: float | None
    reasons: tuple[str, ...]


def recommend(
    contenders: Sequence[Contender], *, seed: int, task_id: str, attempt: int, worth: float | None = None
) -> list[Recommendation]:
    """The contenders, the choice first and the others by expected value, then cost, then id.

    `worth` of a success, in the unit of the costs; without it only success counts. The same contenders, seed, task and
    attempt give the same answer. Empty without contenders.
    """
    if not contenders:
        return []
    contenders = sorted(contenders, key=lambda c: c.agent_id)
    rng = np.random.default_rng(_key(seed, task_id, attempt))
    means, price = np.array([c.mean for c in contenders]), _prices(contenders, worth)
    reach = REACH * np.array([c.spread for c in contenders])
    drawn = logistics(logits(means) + reach * rng.standard_normal((DRAWS, len(contenders))))
    share = np.bincount((drawn - price).argmax(axis=1), minlength=len(contenders)) / DRAWS
    propensity = (1.0 - FLOOR) * share + FLOOR / len(contenders)
    choice = int(np.searchsorted(np.cumsum(propensity), rng.random() * propensity.sum(), side="right"))
    choice = min(choice, len(contenders) - 1)
    value = means - price
    others = [n for n in range(len(contenders)) if n != choice]
    others.sort(key=lambda n: (-value[n], _known(contenders[n].cost), contenders[n].agent_id))
    return [
        Recommendation(c.agent_id, c.mean, c.cost, float(propensity[n]), c.reasons)
        for n in (choice, *others)
        for c in (contenders[n],)
    ]


def _prices(contenders: Sequence[Contender], worth: float | None) -> np.ndarray:
    """Costs as parts of what a success is worth, at most 1 each; an unknown one is taken for the mean of the known."""
    known = [c.cost for c in contenders if c.cost is not None]
    if not worth or not known:
        return np.zeros(len(contenders))
    usual = sum(min(cost / worth, 1.0) for cost in known) / len(known)
    return np.array([usual if c.cost is None else min(c.cost / worth, 1.0) for c in contenders])


def _known(cost: float | None) -> float:
    """For ordering: an unknown cost is not taken for a low one."""
    return math.inf if cost is None else cost


def _key(seed: int, task_id: str, attempt: int) -> int:
    """Seed of one choice: nothing else may move it, neither order nor hash randomisation."""
    text = f"{seed}\0{task_id}\0{attempt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
