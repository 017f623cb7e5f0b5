"""Who will get the task? A choice among the candidates by their record of being chosen.

Each candidate's worth is the number of awards it won against the number it would have won had every choice been made
by lot, both with a prior; the candidates' shares of the total worth are the distribution. This is Luce's choice rule
(Luce, "Individual Choice Behavior", 1959) with worths estimated by ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest

PRIOR = 2.0  # awards each agent is taken to have won, and to have been due, before its first
MAX_AGENTS = 100_000


@dataclass(slots=True)
class Chances:
    """Awards won, and awards due by lot."""

    won: float = 0.0
    due: float = 0.0


_NOTHING = Chances()


@dataclass(slots=True)
class WinnerModel:
    """Distribution over candidates.

    >>> model = WinnerModel()
    >>> model.predict_one(["ada", "bo"])
    {'ada': 0.5, 'bo': 0.5}
    >>> model.learn_one(["ada", "bo"], "bo")
    >>> model.predict_one(["ada", "bo"])["bo"] > 0.5
    True
    """

    agents: dict[str, Chances] = field(default_factory=dict)

    def predict_one(self, candidates: Sequence[str]) -> dict[str, float]:
        """Probability of winning per candidate, in the order given, summing to 1; empty without candidates."""
        worth = [self._worth(agent) for agent in candidates]
        total = sum(worth)
        return {agent: w / total for agent, w in zip(candidates, worth, strict=True)}

    def learn_one(self, candidates: Sequence[str], winner: str) -> None:
        """Take in one award; an award to somebody who was no candidate teaches nothing."""
        if winner not in candidates:
            return
        share = 1.0 / len(candidates)
        for agent in candidates:
            chances = self.agents.setdefault(agent, Chances())
            chances.due += share
            chances.won += agent == winner
        forget_oldest(self.agents, MAX_AGENTS)

    def _worth(self, agent: str) -> float:
        chances = self.agents.get(agent, _NOTHING)
        return (chances.won + PRIOR) / (chances.due + PRIOR)
