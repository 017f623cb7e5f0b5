"""The swarm's work as detectors look at it: rates and their changes, prices, auctions, what is under way and overdue.

Each event of a task's life is taken in once, by the method of its name; nothing here says what is worth telling.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spark_advisor import Began, Durations, Level, Prior, Regret, Rival, Spread, Trend, UnderWay, rival, trends
from spark_plugin.projection.cards import AgentCard, Attempt, CategoryCard, Record, TaskCard, remember

MAX_TIMERS = 20_000
GIVEN_UP_S = 7 * 24 * 3600.0
"""What is overdue for so long is lost, and no longer news."""
RARE = 7.0
"""Nats beyond the logarithm of all awards that being passed over must come to: by chance once in a thousand swarms."""
KNOWN = 5
"""Outcomes since the last change before a rate says anything."""
WARY = 3.0
"""Bids and losses are no coins: what they come to by chance is not so well known, and the bar is so much higher."""
EVERY = 10
"""An agent that goes on being passed over is looked at again after so many awards."""


class Due(NamedTuple):
    """A timer that has run out: of an "attempt" of an agent's or a "task" of a category's; "lost" long after that."""

    kind: str
    key: str
    owner: str | None


@dataclass(slots=True)
class Work:
    """Of all agents and categories together."""

    outcomes: int = 0
    successes: int = 0
    awarded: int = 0
    running: int = 0
    """Attempts under way."""
    durations: Durations = field(default_factory=Durations)
    """From award to outcome."""
    waits: Durations = field(default_factory=Durations)
    """From post to award."""
    unawarded: UnderWay = field(default_factory=UnderWay)
    """Tasks without a category that nobody has got yet."""
    auctions: int = 0
    tied: int = 0
    loss: Level = field(default_factory=Level)
    """Log loss of the success forecasts less that of the base rate."""
    agents: Spread = field(default_factory=Spread)
    categories: Spread = field(default_factory=Spread)
    cells: Spread = field(default_factory=Spread)
    timers: list[tuple[float, int, str, str, str | None]] = field(default_factory=list)
    timers_set: int = 0

    def posted(self, at: Began, task_id: str, category: str | None, card: CategoryCard | None) -> None:
        """A task waits for its award."""
        waiting = self.unawarded if card is None else card.unawarded
        waiting.begin(task_id, at)
        self._set_timer(at.time, self.waits.limit(), "task", task_id, category)

    def got(self, at: Began, task_id: str, card: CategoryCard | None) -> bool:
        """A task's first award; True when it was overdue."""
        waiting = self.unawarded if card is None else card.unawarded
        was_late, began = task_id in waiting.overdue, waiting.end(task_id)
        if began is not None:
            self.waits.observe(at.time - began.time, was_late)
        return was_late

    def begun(self, at: Began, task_id: str, attempt: Attempt, agent: AgentCard) -> None:
        """An attempt is under way."""
        self.awarded += 1
        self.running += 1
        remember(agent.recent_awards, at.event_id)
        key = f"{task_id}\0{attempt.number}"
        agent.attempts.begin(key, at)
        self._set_timer(at.time, agent.durations.limit(self.durations), "attempt", key, attempt.forecast.agent_id)

    def sold(self, at: Began, task: TaskCard, winner: str, bid: float | None, card: CategoryCard) -> None:
        """A task of a category went to a bidder."""
        threshold = WARY * trends.bar(self.awarded)
        if bid is not None and bid > 0.0:
            card.price.observe(math.log(bid / (task.reserve or 1.0)), at.position, threshold)
        if len(task.bids) > 1 and winner in task.bids:
            self.auctions += 1
            if card.auctions.observe(task.bids, winner, at.position, threshold):
                self.tied += 1
                remember(card.auctions.recent_ties, at.event_id)

    def passed_over(self, at: Began, task: TaskCard, winner: str, agents: Mapping[str, AgentCard]) -> list[str]:
        """Who was a candidate and was not chosen: those of whom that has become remarkable, or was until now."""
        candidates = task.bids or task.candidates
        rare = math.log(self.awarded) + RARE
        found = [winner] if winner in agents and agents[winner].passed_over[1] >= rare else []
        if winner in agents:
            agents[winner].passed_over = [0.0, 0.0, 0.0]
        if len(candidates) < 2:
            return found
        step = -math.log(1.0 - 1.0 / len(candidates))
        for candidate in candidates:
            agent = agents.get(candidate)
            if agent is None or candidate == winner:
                continue
            passed = agent.passed_over
            passed[0] += 1.0
            passed[1] += step
            passed[2] = passed[2] or float(at.position)
            if passed[1] >= rare and (passed[1] - step < rare or passed[0] % EVERY == 0.0):
                found.append(candidate)
        return found

    def ended(self, at: Began, task_id: str, number: int, agent: AgentCard) -> tuple[int, bool]:
        """An attempt has ended, or is given up: (position of its award, or 0; whether it was overdue)."""
        self.running = max(0, self.running - 1)
        key = f"{task_id}\0{number}"
        was_late, began = key in agent.attempts.overdue, agent.attempts.end(key)
        if began is None:
            return 0, False
        agent.durations.observe(at.time - began.time, was_late)
        self.durations.observe(at.time - began.time, was_late)
        return began.position, was_late

    def came(self, at: Began, task: TaskCard, name: str, agent: AgentCard, card: CategoryCard | None, ok: bool) -> None:
        """An outcome; before it is counted in the cards."""
        beside = None if task.forecast is None else rival(task.forecast.success, name)
        mean, bar = (self.successes + 1.0) / (self.outcomes + 2.0), trends.bar(self.outcomes)
        prior = Prior(mean, self.agents.strength(mean))
        cell = agent.by_category.get(task.category or "")
        explained = cell is not None and cell.trend.fell and not agent.trend.fell
        if cell is not None and card is not None:
            own = self._cell_prior(prior, agent, cell, card)
            _regret(cell, at, beside, ok)
            _compare(self.cells, cell, own.mean, ok)
            threshold = trends.bar(self.outcomes, len(agent.by_category))
            cell.trend.observe(ok, at.position, own, threshold, trends.IN_CATEGORY)
            self.categories.observe(card.successes, card.outcomes, mean, ok)
        if not explained:  # what one category explains does not speak against the rest
            _compare(self.agents, agent, mean, ok)
            fallen = agent.trend.fell
            agent.trend.observe(ok, at.position, prior, bar, trends.OVERALL)
            if fallen and not agent.trend.fell:
                _recovered(agent)
        else:
            agent.trend.leave_out(ok)
        _regret(agent, at, beside, ok)
        self.outcomes += 1
        self.successes += ok

    def due(self) -> Due:
        """The next timer, which is set no more."""
        _, _, kind, key, owner = heapq.heappop(self.timers)
        return Due(kind, key, owner)

    def late(self, due: Due, waiting: UnderWay, now: float) -> bool:
        """Something is past its time: it is overdue for a week at most. False when it has ended meanwhile."""
        if due.kind.startswith("lost "):
            return waiting.end(due.key) is not None
        late = waiting.late(due.key)
        if late:
            self._set_timer(now, GIVEN_UP_S, f"lost {due.kind}", due.key, due.owner)
        return late

    def _cell_prior(self, prior: Prior, agent: AgentCard, cell: Record, card: CategoryCard) -> Prior:
        """What is to be expected of an agent in a category: its own rate, shifted by the category's in log odds."""
        successes, outcomes = agent.trend.settled
        own = _shrunk(successes, outcomes, prior)
        strength = self.categories.strength(prior.mean)
        others = Prior(prior.mean, strength)
        here = _shrunk(card.successes - cell.successes, card.outcomes - cell.outcomes, others)
        odds = own / (1.0 - own) * here / (1.0 - here) * (1.0 - prior.mean) / prior.mean
        return Prior(odds / (1.0 + odds), self.cells.strength(prior.mean))

    def _set_timer(self, start: float, seconds: float | None, kind: str, key: str, owner: str | None) -> None:
        if seconds is not None and len(self.timers) < MAX_TIMERS:
            self.timers_set += 1
            heapq.heappush(self.timers, (start + seconds, self.timers_set, kind, key, owner))


def _shrunk(successes: int, outcomes: int, prior: Prior) -> float:
    return (successes + prior.mean * prior.strength) / (outcomes + prior.strength)


def _compare(spread: Spread, record: Record, mean: float, succeeded: bool) -> None:
    """How alike records are: the ones that have fallen are no measure of that."""
    if not record.trend.fell:
        spread.observe(*record.trend.settled, mean, succeeded)


def _recovered(agent: AgentCard) -> None:
    """What was suspected of an agent, and of it in each category, was its fall: all of it is begun anew."""
    agent.regret = Regret()
    for cell in agent.by_category.values():
        cell.trend, cell.regret = Trend(), Regret()


def _regret(record: Record, at: Began, beside: Rival | None, succeeded: bool) -> None:
    if beside is not None:
        known = record.trend.outcomes >= KNOWN
        own = (record.trend.successes + 1.0) / (record.trend.outcomes + 2.0) if known else 1.0
        record.regret.observe(succeeded, at.position, own, beside)
