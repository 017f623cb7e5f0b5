"""Was advice followed, and did it help? Advice that was given, beside advice that was held out.

An advisory says to give work to an agent or to keep it from it. The tasks it bears on are those for which that agent is
a candidate; it is followed where the choice is as advised. What is compared is how those tasks ended, with advice given
and with advice held out: the intention to treat, whoever followed it (Hollis & Campbell, BMJ 319, 1999).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from spark_advisor.ranking import Stance, stances
from spark_advisor.statistics import difference, surely
from spark_eidos import Tally
from spark_hooks.records import Advisory

ENOUGH = 20
"""Outcomes on each side before they say anything."""


@dataclass(slots=True)
class Effect:
    """What came of one detector's advice. `chances`: tasks it bore on; `followed`: those that went as advised."""

    chances: int = 0
    followed: int = 0
    given: Tally = field(default_factory=Tally)
    held_out: Tally = field(default_factory=Tally)

    def observe_award(self, advice: Bearing, agent: str) -> None:
        """A task that advice bears on was given to `agent`."""
        if not advice.held_out:
            self.chances += 1
            self.followed += (agent == advice.stance.agent) == (advice.stance.sign > 0)

    def observe_outcome(self, advice: Bearing, succeeded: bool) -> None:
        """A task that advice bears on has ended."""
        (self.held_out if advice.held_out else self.given).add(succeeded)

    def compared(self) -> tuple[float, float, float] | None:
        """Success with advice less success without, and its 95% interval; None while too little is known."""
        given, without = self.given, self.held_out
        if min(given.outcomes, without.outcomes) < ENOUGH:
            return None
        return difference(given.successes, given.outcomes, without.successes, without.outcomes)

    @property
    def helpful(self) -> float:
        """What a detector's advice is worth in the light of that: 1 unless it seems to do harm, then ever less."""
        compared = self.compared()
        if compared is None or compared[0] >= 0.0:
            return 1.0
        return max(2.0 * (1.0 - surely(*compared)), math.ulp(1.0))


class Bearing(NamedTuple):
    """What a live advisory says on tasks for which an agent is a candidate."""

    stance: Stance
    detector: str
    held_out: bool
    since: int


Bearings = dict[str, list[Bearing]]
"""By agent."""


def bearings(advisories: Iterable[Advisory]) -> Bearings:
    """What advice says on which agents."""
    found: Bearings = {}
    for advisory in advisories:
        for stance in stances(advisory.action)[:1]:
            one = Bearing(stance, advisory.detector, advisory.held_out, advisory.created_position or 0)
            found.setdefault(stance.agent, []).append(one)
    return found


def bearing_on(on: Bearings, candidates: Collection[str], category: str | None) -> list[Bearing]:
    """What bears on a task of `category` with these candidates; where there is no choice, nothing does."""
    if len(candidates) < 2:
        return []
    return [
        one
        for candidate in candidates
        if candidate in on
        for one in on[candidate]
        if one.stance.category in (None, category)
    ]
