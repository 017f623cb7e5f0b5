"""Outcomes counted, and the plain rates that every forecast is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_eidos.bounds import forget_oldest

AGENT_STRENGTH = 4.0
CELL_STRENGTH = 4.0
MAX_AGENTS, MAX_CELLS = 20_000, 50_000


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

    def cell_rate(self, agent: str, category: str | None) -> float:
        """The agent's rate in a category, drawn towards its rate overall by four outcomes' worth."""
        own = self.agent_rate(agent)
        if category is None:
            return own
        return self.cells.get(cell_key(agent, category), _NOTHING).shrunk(own, CELL_STRENGTH)

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
