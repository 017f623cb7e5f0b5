"""Outcomes counted, and the plain rates that every forecast is held against."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
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

    def log_odds(self, agents: Sequence[str], category: str | None, base: float) -> tuple[list[float], list[float]]:
        """Log odds of the agents' rates, overall and in a category; `base` is the swarm's rate."""
        overall, here = [], []
        for agent, key in zip(agents, cell_keys(tuple(agents), category), strict=True):
            known = self.agents.get(agent, _NOTHING)
            own = (known.successes + AGENT_STRENGTH * base) / (known.outcomes + AGENT_STRENGTH)
            odds = math.log(own / (1.0 - own))
            overall.append(odds)
            cell = self.cells.get(key)
            if cell is not None:
                rate = (cell.successes + CELL_STRENGTH * own) / (cell.outcomes + CELL_STRENGTH)
                odds = math.log(rate / (1.0 - rate))
            here.append(odds)
        return overall, here

    def learn_one(self, agent: str, category: str | None, succeeded: bool) -> None:
        """Count one outcome."""
        self.swarm.add(succeeded)
        _count(self.agents, agent, succeeded, MAX_AGENTS)
        if category is not None:
            _count(self.cells, cell_key(agent, category), succeeded, MAX_CELLS)


def cell_key(agent: str, category: str) -> str:
    """Names an agent in a category; ids hold no NUL."""
    return f"{agent}\0{category}"


@functools.lru_cache(maxsize=256)
def cell_keys(agents: tuple[str, ...], category: str | None) -> tuple[str, ...]:
    """Names several agents in a category; where there is none, what no agent in a category is called. Pure; kept
    because several models ask for the same ones."""
    return ("",) * len(agents) if category is None else tuple(cell_key(agent, category) for agent in agents)


def _count(tallies: dict[str, Tally], key: str, succeeded: bool, limit: int) -> None:
    known = tallies.pop(key, None) or Tally()
    known.add(succeeded)
    tallies[key] = known
    forget_oldest(tallies, limit)
