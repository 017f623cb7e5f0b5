"""A swarm made by hand: plain records that fulfil the view protocols, and nothing of the projection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from spark_hooks import Finding, Touched


@dataclass
class Tally:
    outcomes: int = 0
    successes: int = 0

    def add(self, succeeded: bool) -> None:
        self.outcomes += 1
        self.successes += succeeded


@dataclass
class Mean:
    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Mean:
        values = list(values)
        mean = sum(values) / len(values)
        return cls(len(values), mean, sum((value - mean) ** 2 for value in values))


@dataclass
class Record(Tally):
    recent_failures: list[str] = field(default_factory=list)
    recent_successes: list[str] = field(default_factory=list)

    def observe(self, event_id: str, succeeded: bool) -> None:
        self.add(succeeded)
        recent = self.recent_successes if succeeded else self.recent_failures
        recent[:] = [*recent, event_id][-5:]


@dataclass
class Agent(Record):
    failure_streak: int = 0
    assigned: int = 0
    by_category: dict[str, Record] = field(default_factory=lambda: defaultdict(Record))
    overrun: Mean = field(default_factory=Mean)
    recent_overruns: list[str] = field(default_factory=list)


@dataclass
class Category(Tally):
    award_ratio: Mean = field(default_factory=Mean)
    recent_awards: list[str] = field(default_factory=list)


@dataclass
class Forecasts:
    excess: Mean = field(default_factory=Mean)

    @property
    def evaluated(self) -> int:
        return self.excess.n


@dataclass
class Swarm(Tally):
    """All that is known; `outcome` and `outcomes_of` bring it about, and return what was touched."""

    position: int = 0
    time: float = 0.0
    agents: dict[str, Agent] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    forecasts: object = field(default_factory=Forecasts)

    def agent(self, name: str) -> Agent:
        return self.agents.setdefault(name, Agent())

    def category(self, name: str) -> Category:
        return self.categories.setdefault(name, Category())

    def step(self, seconds: float = 60.0) -> str:
        """One more event; return its id."""
        self.position += 1
        self.time += seconds
        return f"e{self.position}"

    def outcome(self, agent: str, category: str | None, succeeded: bool) -> Touched:
        event_id, card = self.step(), self.agent(agent)
        self.add(succeeded)
        card.observe(event_id, succeeded)
        card.failure_streak = 0 if succeeded else card.failure_streak + 1
        if category is not None:
            self.category(category).add(succeeded)
            card.by_category[category].observe(event_id, succeeded)
        return Touched(event_id, agent, category)

    def outcomes_of(self, agent: str, category: str | None, successes: int, failures: int) -> Touched:
        """Failures first, so that no streak of them is left at the end."""
        touched = Touched("", agent, category)
        for n in range(successes + failures):
            touched = self.outcome(agent, category, n >= failures)
        return touched


@dataclass
class Scripted:
    """A detector that finds what it was told to, or raises it."""

    name: str = "scripted"
    finds: object = ()

    def detect(self, view: object, touched: Touched) -> object:
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds


def make_finding(agent: str | None = None, task_category: str | None = None, **fields: object) -> Finding:
    made = {
        "category": "failure_prevention",
        "title": "Something is wrong",
        "detail": "It is.",
        "suggested_action": "Look.",
        "action": {"action": "look"},
        "priority": 0.5,
        "evidence": ("e1",),
        "evidence_count": 1,
    }
    return Finding(**made | fields, agent=agent, task_category=task_category)


@pytest.fixture(scope="session")
def new_swarm() -> type[Swarm]:
    return Swarm


@pytest.fixture(scope="session")
def mean_of():
    return Mean.of


@pytest.fixture(scope="session")
def new_mean() -> type[Mean]:
    return Mean


@pytest.fixture(scope="session")
def new_forecasts() -> type[Forecasts]:
    return Forecasts


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def finding():
    return make_finding
