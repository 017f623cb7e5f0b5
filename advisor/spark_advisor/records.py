"""Whose record an event puts to the test, whose it is held against, and how much of the swarm's work it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from spark_hooks.views import AgentView, RecordView, SwarmView, TallyView, Touched

DOUBT = 0.1
"""Probability, at most, that anybody at all is ever said to differ by a little who does not differ at all."""


class Compared(NamedTuple):
    """An agent's record, overall (`category` None) or in one category, and that of everybody there, itself included."""

    agent: str
    category: str | None
    own: RecordView
    everybody: TallyView
    card: AgentView
    """The agent's whole record."""

    @property
    def tasks(self) -> str:
        """What the record is about, in words."""
        return f"tasks of category '{self.category}'" if self.category else "tasks"

    @property
    def among(self) -> int:
        """In how many such records of its own an agent is looked at."""
        return len(self.card.by_category) if self.category else 1


def compared(view: SwarmView, touched: Touched) -> Iterator[Compared]:
    """The records of the agent that an event touched: overall, then in its category if it has others too."""
    agent = view.agents.get(touched.agent or "")
    if agent is None or touched.agent is None:
        return
    yield Compared(touched.agent, None, agent, view, agent)
    cell, everybody = agent.by_category.get(touched.category or ""), view.categories.get(touched.category or "")
    if cell is not None and everybody is not None and len(agent.by_category) > 1:
        yield Compared(touched.agent, touched.category, cell, everybody, agent)


def certain(view: SwarmView, record: Compared) -> float:
    """Nats that must speak for it that somebody differs from the others: Bonferroni's, over all who are looked at."""
    return math.log(2.0 * len(view.agents) * record.among / DOUBT)


def share(outcomes: int, view: SwarmView) -> float:
    """How much of the swarm's work something is."""
    return outcomes / view.outcomes if view.outcomes else 0.0
