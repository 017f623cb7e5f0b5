"""Changes in a rate, found one outcome after the other: an agent's own record against its newest run.

A page's cumulative sum (Page, "Continuous Inspection Schemes", Biometrika 41, 1954) in its likelihood form: the run
since the suspected change is held against what the record before it foresees, and is begun anew when the record
explains it better. The record is a Beta posterior, so that a short one foresees little; its prior is what the swarm is
like, as strong as the swarm's agents are alike (empirical Bayes: Efron & Morris, JASA 70, 1975). The change itself is a
mixture of a moderate and a large one, which makes the likelihood ratio an e-process whatever the true one is (Shin,
Ramdas & Rinaldo, "E-detectors", New England Journal of Statistics in Data Science 2, 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

BAR = 6.2
"""Nats that a fall must come to at the first look."""
LOOKS = 5000.0
"""After so many outcomes of the whole swarm the bar has risen by log 2: false alarms grow with their logarithm."""
RECOVERED = 5.0
IMPROVED = 8.0
WEAK = 2.0
FOUNDED = 10
"""Outcomes that a record needs before it can have fallen from anything."""
SURER = 2.0
"""Nats more that a fall must come to from a record that is young."""
STRONGEST, WEAKEST = 500.0, 4.0
_LOG2 = math.log(2.0)


def bar(looks: int, among: int = 1) -> float:
    """Nats that evidence must come to after `looks` outcomes of the swarm, where each is looked at `among` times.

    The chance spent on one look falls with their number (Foster & Stine, "Alpha-investing", JRSS B 70, 2008).
    """
    return BAR + math.log((1.0 + looks / LOOKS) * among)


class Falls(NamedTuple):
    """The changes that are looked for, and what they must rest on."""

    shares: tuple[float, float]
    """Parts of the way from the record's rate to its extreme."""
    fewest: int
    """Outcomes that a fall takes. A run that is short and bad is mostly chance, and one that is none goes on: to wait
    for it costs no fall that is to be found within twice as many, and lets the bar be lower (the bounded delay of
    Lai, "Sequential Change-Point Detection in Quality Control and Dynamical Systems", JRSS B 57, 1995)."""
    young: int
    """With fewer outcomes a record has shown no level from which to fall, but for a fall that is plain."""


OVERALL = Falls((0.25, 0.45), 12, 40)
"""Of .85, falls to .64 and .47."""
IN_CATEGORY = Falls((0.55, 0.75), 8, 24)
"""There is less to be had of one category, so it is only large falls that show."""


class Prior(NamedTuple):
    """What a record is drawn to while it is short: a rate, and how many outcomes that is worth."""

    mean: float
    strength: float


@dataclass(slots=True)
class Spread:
    """How much records differ beyond chance: the mean product of an outcome's distance from what is common and that
    of its own record before it, which is unbiased for the variance of the true rates."""

    products: float = 0.0
    weight: float = 0.0

    def observe(self, successes: int, outcomes: int, mean: float, succeeded: bool) -> None:
        """Take in an outcome, with the record before it and the rate that is common."""
        if outcomes == 0:
            return
        weight = outcomes / (outcomes + 20.0)
        self.products += weight * (succeeded - mean) * (successes / outcomes - mean)
        self.weight += weight

    def strength(self, mean: float) -> float:
        """Outcomes that the common rate is worth; a dozen, as long as nothing is known."""
        chance = mean * (1.0 - mean)
        variance = (self.products + 10.0 * chance / 12.0) / (self.weight + 10.0)
        return STRONGEST if variance * STRONGEST <= chance else max(WEAKEST, chance / variance)


@dataclass(slots=True)
class Trend:
    """A record since the last change that was found in it, and the runs in which the next one is suspected."""

    successes: int = 0
    failures: int = 0
    since: int = 0
    """Position of the first outcome of this record."""
    apart: list[int] = field(default_factory=lambda: [0, 0])
    """Successes and failures since then that something else explains; they are no part of the record."""
    down: list[int] = field(default_factory=lambda: [0] * 5)
    """Successes and failures since a fall is suspected, and the position of the first; part of the record. Then those
    apart."""
    up: list[int] = field(default_factory=lambda: [0] * 5)
    """The same of a rise."""
    before: list[int] = field(default_factory=lambda: [0] * 5)
    """The same of the record before the last fall, while that lasts."""
    fell: bool = False

    @property
    def outcomes(self) -> int:
        return self.successes + self.failures

    @property
    def settled(self) -> tuple[int, int]:
        """(successes, outcomes) of the record without the run in which a fall is suspected."""
        return self.successes - self.down[0], self.outcomes - self.down[0] - self.down[1]

    def observe(self, succeeded: bool, position: int, prior: Prior, threshold: float, falls: Falls) -> None:
        """Take in the outcome at `position`; a fall is found at `threshold` nats."""
        self.since = self.since or position
        self.successes += succeeded
        self.failures += not succeeded
        if self.fell:
            prior = Prior(prior.mean, WEAK)
        self._look_down(succeeded, position, prior, threshold, falls)
        if self.fell or self.up[2] or self.successes < prior.mean * self.outcomes:
            self._look_up(succeeded, position, prior)

    def leave_out(self, succeeded: bool) -> None:
        """An outcome that something else explains: it is noted, and says nothing."""
        self.apart[not succeeded] += 1
        for run in (self.down, self.up):
            run[3 + (not succeeded)] += run[2] > 0

    def _look_down(self, succeeded: bool, position: int, prior: Prior, threshold: float, falls: Falls) -> None:
        run = self.down
        if succeeded and not run[2]:
            return
        run[not succeeded] += 1
        run[2] = run[2] or position
        a = prior.mean * prior.strength + self.successes - run[0]
        b = (1.0 - prior.mean) * prior.strength + self.failures - run[1]
        evidence = _evidence(b, a, run[1], run[0], falls.shares)
        if evidence <= 0.0:
            self.down = [0] * 5
        elif evidence >= threshold + SURER * (self.outcomes < falls.young) and run[0] + run[1] >= falls.fewest:
            gone = (self.apart[0] - run[3], self.apart[1] - run[4])
            record = [self.successes - run[0], self.failures - run[1], self.since, *gone]
            if not self.fell and record[0] + record[1] < FOUNDED:  # it has been like this from the start
                self.down = [0] * 5
                return
            self.before = self.before if self.fell else record
            self.fell = True
            self._begin(run)

    def _look_up(self, succeeded: bool, position: int, prior: Prior) -> None:
        run = self.up
        if not succeeded and not run[2]:
            return
        run[not succeeded] += 1
        run[2] = run[2] or position
        a = prior.mean * prior.strength + self.successes - run[0]
        b = (1.0 - prior.mean) * prior.strength + self.failures - run[1]
        evidence = _evidence(a, b, run[0], run[1], OVERALL.shares)
        if evidence <= 0.0:
            self.up = [0] * 5
        elif evidence >= (RECOVERED if self.fell else IMPROVED):
            self.fell, self.before = False, [0] * 5
            self._begin(run)

    def _begin(self, run: list[int]) -> None:
        """The run is the record now."""
        self.successes, self.failures, self.since, *self.apart = run
        self.down, self.up = [0] * 5, [0] * 5


def _evidence(a: float, b: float, hits: int, misses: int, changes: tuple[float, float]) -> float:
    """Nats that speak for more hits than a Beta(a, b) foresees, as a mixture of two changes against its predictive.

    >>> _evidence(15.0, 85.0, 6, 2, (0.25, 0.5)) > 4.0 > 0.0 > _evidence(15.0, 85.0, 1, 9, (0.25, 0.5))
    True
    """
    rate = a / (a + b)
    lgamma = math.lgamma
    foreseen = (
        lgamma(a + hits) - lgamma(a) + lgamma(b + misses) - lgamma(b) - lgamma(a + b + hits + misses) + lgamma(a + b)
    )
    one, other = (
        hits * math.log(rate + (1.0 - rate) * share) + misses * math.log((1.0 - rate) * (1.0 - share))
        for share in changes
    )
    top, low = (one, other) if one > other else (other, one)
    return top + math.log1p(math.exp(low - top)) - _LOG2 - foreseen
