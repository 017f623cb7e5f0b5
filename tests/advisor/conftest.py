"""A place in a log, and detectors that find what they are told to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from spark_hooks import Finding, Touched


@dataclass
class Swarm:
    """Where in the log an event is: all that the book asks of a view."""

    position: int = 0
    time: float = 0.0

    def step(self, seconds: float = 60.0) -> str:
        """One more event; return its id."""
        self.position += 1
        self.time += seconds
        return f"e{self.position}"


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
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def finding():
    return make_finding
