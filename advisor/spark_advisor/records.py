"""Whose record an event puts to the test, and whose it is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from spark_hooks.views import RecordView, SwarmView, TallyView, Touched


class Compared(NamedTuple):
    """An agent's record, overall (`category` None) or in one category, and that of everybody there, itself included."""

    agent: str
    category: str | None
    own: RecordView
    everybody: TallyView

    @property
    def tasks(self) -> str:
        """What the record is about, in words."""
        return f"tasks of category '{self.category}'" if self.category else "tasks"


def compared(view: SwarmView, touched: Touched, *, at_least: int) -> Iterator[Compared]:
    """The records of the agent that an event touched, overall and in its category, of `at_least` so many outcomes."""
    agent = view.agents.get(touched.agent or "")
    if agent is None or touched.agent is None:
        return
    if agent.outcomes >= at_least:
        yield Compared(touched.agent, None, agent, view)
    cell, everybody = agent.by_category.get(touched.category or ""), view.categories.get(touched.category or "")
    if cell is not None and everybody is not None and cell.outcomes >= at_least:
        yield Compared(touched.agent, touched.category, cell, everybody)
