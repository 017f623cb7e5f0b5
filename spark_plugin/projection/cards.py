"""The read models' cards: what is kept of an agent, a category, a task. Plain data, each bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec

from spark_advisor import Auctions, Durations, Level, Regret, Trend, UnderWay
from spark_eidos import AwardForecast, Forecast, Mean, TaskFacts, facts
from spark_eidos.bounds import forget_oldest
from spark_hooks.events import RecommendationGiven, TaskPosted

EVIDENCE = 5
"""Event ids kept as evidence, per kind."""
MAX_CATEGORIES = 2_000
"""Categories kept, of the swarm and of each agent."""
MAX_BIDS = 200
"""Bids kept per task."""
MAX_OPEN_ATTEMPTS = 64
"""Open attempts kept per task; the oldest is given up."""


@dataclass(slots=True)
class Record:
    """Outcomes counted, with the newest of them as evidence."""

    outcomes: int = 0
    successes: int = 0
    recent_failures: list[str] = field(default_factory=list)
    recent_successes: list[str] = field(default_factory=list)
    trend: Trend = field(default_factory=Trend)
    regret: Regret = field(default_factory=Regret)

    def observe(self, event_id: str, succeeded: bool) -> None:
        """Count one outcome."""
        self.outcomes += 1
        self.successes += succeeded
        remember(self.recent_successes if succeeded else self.recent_failures, event_id)


@dataclass(slots=True)
class AgentCard(Record):
    """One agent's record over all of the log."""

    name: str | None = None
    capabilities: tuple[str, ...] = ()
    present: bool = True
    events: int = 0
    bids: Mean = field(default_factory=Mean)
    assigned: int = 0
    open_attempts: int = 0
    failure_streak: int = 0
    cost: Mean = field(default_factory=Mean)
    duration_s: Mean = field(default_factory=Mean)
    overrun: Mean = field(default_factory=Mean)
    recent_overruns: list[str] = field(default_factory=list)
    by_category: dict[str, Record] = field(default_factory=dict)
    attempts: UnderWay = field(default_factory=UnderWay)
    durations: Durations = field(default_factory=Durations)
    recent_awards: list[str] = field(default_factory=list)
    passed_over: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Awards since its last one for which it was a candidate, nats against chance, position of the first."""

    def observe_outcome(self, event_id: str, category: str | None, succeeded: bool) -> None:
        """Count one outcome of an attempt of this agent's."""
        self.observe(event_id, succeeded)
        self.failure_streak = 0 if succeeded else self.failure_streak + 1
        if category is not None:
            cell = self.by_category.get(category)
            if cell is None:
                cell = self.by_category[category] = Record()
                forget_oldest(self.by_category, MAX_CATEGORIES)
            cell.observe(event_id, succeeded)

    def observe_effort(self, event_id: str, bid: float | None, cost: float | None, duration_s: float | None) -> None:
        """Count what an attempt took, and how that compares with what was bid."""
        if duration_s is not None:
            self.duration_s.add(duration_s)
        if cost is not None:
            self.cost.add(cost)
            if bid and cost > 0:
                self.overrun.add(math.log(cost) - math.log(bid))  # the quotient itself may overflow
                if cost > bid:
                    remember(self.recent_overruns, event_id)


@dataclass(slots=True)
class CategoryCard:
    """One category's record over all of the log."""

    posted: int = 0
    outcomes: int = 0
    successes: int = 0
    bids: Mean = field(default_factory=Mean)
    award_ratio: Mean = field(default_factory=Mean)
    recent_awards: list[str] = field(default_factory=list)
    price: Level = field(default_factory=Level)
    """log(winning bid / reserve)."""
    auctions: Auctions = field(default_factory=Auctions)
    unawarded: UnderWay = field(default_factory=UnderWay)


class Recommended(msgspec.Struct, frozen=True):
    """A recommendation as it was given: the choice, and each candidate's chance of being it, and of success."""

    agent_id: str
    propensities: dict[str, float] = {}
    chances: dict[str, float] = {}

    @classmethod
    def of(cls, event: RecommendationGiven) -> Recommended:
        """As an event tells it; lists that do not fit the candidates tell nothing."""
        names = event.candidates
        told = (event.propensities, event.chances)
        shares, chances = (dict(zip(names, one, strict=False)) if len(one) == len(names) else {} for one in told)
        return cls(event.agent_id, shares, chances)


@dataclass(slots=True)
class Attempt:
    """One assignment whose outcome is not known yet. `scores`: of winner and bid, known since the award."""

    number: int
    forecast: AwardForecast
    bid: float | None
    scores: dict[str, float]
    followed: Recommended | None = None
    """The recommendation that this assignment followed."""


@dataclass(slots=True)
class TaskCard:
    """One task: what was posted, what was forecast, what is under way."""

    first_position: int
    status: str = "open"
    """Completed once an attempt succeeded; else open while one is open or none was made; else failed. In this way the
    order in which attempts are heard of makes no difference."""
    posted: bool = False
    waited: bool = False
    """Something was waited for in vain: nothing of this task waits any more."""
    candidates: tuple[str, ...] = ()
    category: str | None = None
    reserve: float | None = None
    facts: TaskFacts = field(default_factory=TaskFacts)
    """What the models know of it; nothing before it is posted."""
    posted_at: float = 0.0
    """In the swarm's own time."""
    forecast: Forecast | None = None
    recommended: Recommended | None = None
    """The last recommendation since the last award."""
    bids: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    open: list[Attempt] = field(default_factory=list)
    tried: dict[str, None] = field(default_factory=dict)
    """The agents that were awarded the task, in that order."""

    def post(self, event: TaskPosted, now: float) -> None:
        """Take in what was posted, at `now` of the swarm's own time."""
        self.posted, self.posted_at = True, now
        self.candidates, self.category, self.reserve = event.candidates, event.category, event.reserve
        self.facts = facts(event.task_id, event.description, event.candidates, event.category, event.reserve)

    def bid(self, agent: str, bid: float) -> None:
        """Take in a bid; the last one of an agent counts."""
        self.bids[agent] = bid
        forget_oldest(self.bids, MAX_BIDS)

    def assign(self, attempt: Attempt) -> list[Attempt]:
        """A new attempt begins; it closes no other. Returns those given up because too many are open."""
        self.attempts, self.recommended = attempt.number, None
        if self.status == "failed":
            self.status = "open"
        self.tried[attempt.forecast.agent_id] = None
        forget_oldest(self.tried, MAX_BIDS)
        self.open.append(attempt)
        given_up = self.open[:-MAX_OPEN_ATTEMPTS]
        del self.open[:-MAX_OPEN_ATTEMPTS]
        return given_up

    def close(self, agent: str | None, succeeded: bool) -> Attempt | None:
        """End the attempt that an outcome of `agent` closes: its newest open one; without an agent, the only one."""
        attempt = self._closed_by(agent)
        return None if attempt is None else self.end(attempt.number, succeeded)

    def end(self, number: int, succeeded: bool) -> Attempt | None:
        """End the open attempt of this number; None when there is none."""
        attempt = next((attempt for attempt in self.open if attempt.number == number), None)
        if attempt is not None:
            self.open.remove(attempt)
            if succeeded:
                self.status = "completed"
            elif not self.open and self.status == "open":
                self.status = "failed"
        return attempt

    def _closed_by(self, agent: str | None) -> Attempt | None:
        if agent is None:
            return self.open[0] if len(self.open) == 1 else None
        return next((attempt for attempt in reversed(self.open) if attempt.forecast.agent_id == agent), None)


def remember(ids: list[str], event_id: str) -> None:
    """Keep `event_id` as the newest of a few."""
    ids.append(event_id)
    del ids[:-EVIDENCE]
