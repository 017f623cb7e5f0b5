"""Outcomes counted, and the plain rates that every forecast is held against."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest

AGENT_STRENGTH = 4.0
CELL_STRENGTH = 4.0
MAX_AGENTS, MAX_CELLS = 10_000, 10_000


@dataclass(slots=True)
class Tally:
    """Outcomes counted."""

    outcomes: int = 0
    successes: int = 0

    def add(self, succeeded: bool) -> None:
        self.outcomes += 1
        self.successes += succeeded

    def shrunk(self, prior: float, strength: float) -> float:
        """Posterior mean under a Beta prior with mean `prior`, worth `strength` outcomes."""
        return (self.successes + strength * prior) / (self.outcomes + strength)


_NOTHING = Tally()


@dataclass(slots=True)
class Rates:
    """The swarm's rate and each agent's: the baselines."""

    swarm: Tally = field(default_factory=Tally)
    agents: dict[str, Tally] = field(default_factory=dict)
    cells: dict[str, Tally] = field(default_factory=dict)
    """Of an agent in a category, by `cell_key`."""

    def base_rate(self) -> float:
        """The swarm's rate under a uniform prior (Laplace's rule of succession)."""
        return (self.swarm.successes + 1) / (self.swarm.outcomes + 2)

    def agent_rate(self, agent: str) -> float:
        """The agent's rate, drawn towards the swarm's by four outcomes' worth."""
        return self.agents.get(agent, _NOTHING).shrunk(self.base_rate(), AGENT_STRENGTH)

    def log_odds(self, agent: str, category: str | None, base: float) -> tuple[float, float]:
        """Log odds of the agent's rate, overall and in a category; `base` is the swarm's rate."""
        known = self.agents.get(agent, _NOTHING)
        own = (known.successes + AGENT_STRENGTH * base) / (known.outcomes + AGENT_STRENGTH)
        overall = math.log(own / (1.0 - own))
        here = None if category is None else self.cells.get(cell_key(agent, category))
        if here is None:
            return overall, overall
        rate = (here.successes + CELL_STRENGTH * own) / (here.outcomes + CELL_STRENGTH)
        return overall, math.log(rate / (1.0 - rate))

    def learn_one(self, agent: str, category: str | None, succeeded: bool) -> None:
        """Count one outcome."""
        self.swarm.add(succeeded)
        _count(self.agents, agent, succeeded, MAX_AGENTS)
        if category is not None:
            _count(self.cells, cell_key(agent, category), succeeded, MAX_CELLS)


def cell_key(agent: str, category: str) -> str:
    """Names an agent in a category; ids hold no NUL."""
    return f"{agent}\0{category}"


def _count(tallies: dict[str, Tally], key: str, succeeded: bool, limit: int) -> None:
    known = tallies.pop(key, None) or Tally()
    known.add(succeeded)
    tallies[key] = known
    forget_oldest(tallies, limit)
