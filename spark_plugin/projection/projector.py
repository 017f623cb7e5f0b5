"""The state machine over the log: one event in, the state moved on, and what follows from it out.

Same log, same state: nothing here asks a clock, draws at random, or depends on how events were batched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spark_advisor import Change
from spark_eidos import Award, Draft, Outcome
from spark_eidos.bounds import forget_oldest
from spark_hooks.events import (
    AdvisoryDelivered,
    AgentJoined,
    AgentLeft,
    BidSubmitted,
    Event,
    RecommendationGiven,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
)
from spark_plugin.projection import importance, ledger, tasks
from spark_plugin.projection.advising import Advising, Extensions
from spark_plugin.projection.cards import (
    MAX_CATEGORIES,
    AgentCard,
    Attempt,
    CategoryCard,
    Recommended,
    TaskCard,
    remember,
)
from spark_plugin.projection.memories import consolidate
from spark_plugin.projection.park import Parked, is_early, opens
from spark_plugin.projection.state import MAX_WAITED, State
from spark_plugin.store import DerivedRow, Reader

_OF_A_TASK = (TaskPosted, BidSubmitted, TaskAssigned, TaskCompleted, TaskFailed)

MAX_AGENTS = 20_000
"""Agents whose records are kept."""


@dataclass(slots=True)
class Effects:
    """What events brought about since the last `clear`: rows to add, and whose read models changed."""

    derived: list[DerivedRow] = field(default_factory=list)
    agents: dict[str, None] = field(default_factory=dict)
    categories: dict[str, None] = field(default_factory=dict)
    memories: dict[str, None] = field(default_factory=dict)
    advisories: list[Change] = field(default_factory=list)  # filled by `Advising`, as are some of `derived`

    def clear(self) -> None:
        for part in (self.derived, self.agents, self.categories, self.memories, self.advisories):
            part.clear()


class Projector:
    """Moves `state` on, one event at a time; `effects` gathers what is to be written."""

    def __init__(self, state: State, extensions: Extensions) -> None:
        self.state = state
        self.effects = Effects()
        self._advising = Advising(state, extensions, self.effects.advisories, self.effects.derived)
        self._extensions = extensions
        self._reader: Reader | None = None
        self._recorded: Sequence[DerivedRow] = ()
        self._expected: dict[str, bool] = {}
        self._recalled: tuple[str, TaskCard | None] | None = None  # by the event at hand: once is enough
        self._draft: Draft | None = None
        self._position = 0
        self._time = 0.0  # of the event that is applied

    def expect(self, task_ids: Iterable[str], before: int, reader: Reader) -> None:
        """Events of these tasks come next, from a position on. About others the store is asked one by one."""
        self._expected = tasks.expect(self.state, task_ids, before, reader)

    def take(self, position: int, event: Event, reader: Reader, recorded: Sequence[DerivedRow] = ()) -> float:
        """Take in the event at `position`; return its importance as the built-in score has it.

        `recorded`: the ledger's rows of this position, when the event is taken in again; forecasts are read from there.
        """
        self._reader, self._recalled, self._advising.now = reader, None, event.time or 0.0
        state = self.state
        state.position = position
        state.clock.advance(f"{event.source}\0{event.writer}", event.time or 0.0)
        state.counts.count(event.type)
        score = self._arrived(position, event, recorded)
        while state.park.order and (task_id := state.park.overdue(state.time)) is not None:
            self._give_up_waiting(task_id)
        self._advising.settle(event)
        return score

    def overridden(self, event: Event, score: float) -> float:
        """The importance of an event after plugins had their say."""
        own = self._extensions.score_importance(event)
        return score if own is None else importance.bounded(own)

    def _arrived(self, position: int, event: Event, recorded: Sequence[DerivedRow]) -> float:
        """Apply an event, and what waited for it; or let it wait."""
        if not isinstance(event, _OF_A_TASK):
            return self._apply(position, event, recorded)
        park = self.state.park
        if is_early(event, self._known(event.task_id)):
            park.add(event.task_id, Parked(position, self.state.time, event, list(recorded)))
            return importance.score(event.type)
        score = self._apply(position, event, recorded)
        if event.task_id in park.waiting and isinstance(event, (TaskPosted, TaskAssigned)):
            self._release(event.task_id)
        return score

    def _release(self, task_id: str) -> None:
        """Apply what waited for a task, in the order of the log, as far as it waits for nothing more.

        An award that is released may be what outcomes before it wait for: they come next, before what is behind it.
        """
        skipped: dict[str | None, list[Parked]] = {}
        for parked in self.state.park.of(task_id):
            if is_early(parked.event, self._known(task_id)):
                skipped.setdefault(parked.event.agent, []).append(parked)
                continue
            self._let_in(task_id, parked)
            if isinstance(parked.event, TaskAssigned):
                ready = [*skipped.pop(parked.event.agent_id, ()), *skipped.pop(None, ())]
                for older in sorted(ready, key=lambda one: one.position):
                    self._let_in(task_id, older)

    def _let_in(self, task_id: str, parked: Parked) -> None:
        """Apply what has waited."""
        self.state.park.leave(task_id, parked)
        self._apply(parked.position, parked.event, parked.recorded)

    def _give_up_waiting(self, task_id: str) -> None:
        """Apply what waited for a task without what it waited for."""
        waiting = self.state.park.of(task_id)
        self._position = waiting[0].position
        if self._known(task_id) is not None or any(opens(parked.event) for parked in waiting):
            self._card(task_id).waited = True
            self.state.waited[task_id] = None
            forget_oldest(self.state.waited, MAX_WAITED)
        else:
            self.state.given_up[task_id] = waiting[-1].position
            forget_oldest(self.state.given_up, MAX_WAITED)
        for parked in waiting:
            self._let_in(task_id, parked)

    def _apply(self, position: int, event: Event, recorded: Sequence[DerivedRow]) -> float:
        """Apply an event; what follows from it carries its own `position`, whenever it is applied."""
        self._position, self._recorded, self._time = position, recorded, event.time or 0.0
        if isinstance(event, TaskPosted):
            return self._posted(event)
        if isinstance(event, BidSubmitted):
            return self._bid(event)
        if isinstance(event, TaskAssigned):
            return self._assigned(event)
        if isinstance(event, (TaskCompleted, TaskFailed)):
            return self._outcome(event)
        if isinstance(event, RecommendationGiven):
            return self._recommended(event)
        if isinstance(event, AdvisoryDelivered):  # the answers to it are such, too
            self._advising.answered(event)
        return self._other(event)

    def _posted(self, event: TaskPosted) -> float:
        card = self._card(event.task_id)
        if card.posted:
            self.state.counts.reposted += 1
            return importance.score(event.type)
        card.post(event, self.state.own_time)
        new = event.category is not None and event.category not in self.state.categories
        if event.category is not None:
            self._category(event.category).posted += 1
        if card.attempts == 0:  # after an award it is too late to say who will get it
            self._advising.posted(event, self._position)
            made = ledger.find(self._recorded, ledger.ForecastRow)
            if made:
                card.forecast = made.forecast()
            else:
                card.forecast, self._draft = self.state.eidos.forecast(card.facts, card.posted_at)
            told = card.forecast
            row = ledger.ForecastRow(card.candidates, told.winner, told.success, told.bid, card.posted_at)
            self._note(made or row, event.task_id, card)
            self.state.eidos.scoreboard.made += 1
        return importance.score(event.type, first_time=new)

    def _bid(self, event: BidSubmitted) -> float:
        card = self._card(event.task_id)
        new = event.agent_id not in self.state.agents
        agent = self._agent(event.agent_id)
        card.bid(event.agent_id, event.bid)
        if card.attempts:  # the award took in those that were there
            self.state.eidos.observe_late_bid(card.facts, event.agent_id, event.bid)
        agent.bids.add(event.bid)
        seen = self.state.bids if card.category is None else self._category(card.category).bids
        size = math.log1p(event.bid) - (math.log1p(card.reserve) if card.reserve else 0.0)
        deviations = seen.deviation(size)
        seen.add(size)
        self._advising.review(event, event.agent_id, card.category)
        return importance.score(event.type, first_time=new, deviations=deviations)

    def _assigned(self, event: TaskAssigned) -> float:
        card, agent = self._card(event.task_id), self._agent(event.agent_id)
        first = card.attempts == 0
        made = ledger.find(self._recorded, ledger.AwardRow)
        eidos = self.state.eidos
        forecast = (
            made.forecast()
            if made
            else eidos.forecast_award(card.facts, event.agent_id, self.state.own_time, self._draft)
        )
        award = Award(event.agent_id, card.posted_at, self.state.own_time, first, event.bid, card.bids)
        scores = eidos.observe_award(card.facts, card.forecast, award, self._draft)
        before, told = card.status, card.recommended
        followed = told if told is not None and told.agent_id == event.agent_id else None
        attempt = Attempt(card.attempts + 1, forecast, event.bid, scores, followed)
        for old in card.assign(attempt):
            self._agents_attempts(old.forecast.agent_id, -1)
            self._advising.ended(event, self._position, event.task_id, old)
        self._move(before, card.status)
        self._note(made or ledger.AwardRow.of(attempt), event.task_id, card)
        if not first or card.forecast is None:
            eidos.scoreboard.made += 1
        agent.assigned += 1
        self._agents_attempts(event.agent_id, +1)
        if card.category is not None:
            category = self._category(card.category)
            remember(category.recent_awards, event.id)
            if event.bid is not None and card.reserve:
                category.award_ratio.add(event.bid / card.reserve)
        self._advising.awarded(event, self._position, card, attempt, agent)
        return importance.score(event.type, first_time=agent.assigned == 1)

    def _outcome(self, event: TaskCompleted | TaskFailed) -> float:
        succeeded = isinstance(event, TaskCompleted)
        card = self._known(event.task_id)
        before = card.status if card else ""
        attempt = card.close(event.agent_id, succeeded) if card else None
        if card is None or attempt is None:
            self.state.counts.unmatched += 1
            return importance.score(event.type)
        self._move(before, card.status)
        outcome = Outcome(succeeded, event.duration_s, event.cost)
        scores = attempt.scores | self.state.eidos.observe_outcome(
            card.facts, attempt.forecast, outcome, self.state.own_time
        )
        if (told := attempt.followed) is not None:
            self.state.eidos.following.learn_one(told.agent_id, told.propensities, told.chances, succeeded)
        agent_id = attempt.forecast.agent_id
        row = ledger.ScoreRow(attempt.number, succeeded, agent_id, attempt.bid, scores)
        self._note(row, event.task_id, card)
        new = self._learn(event, agent_id, card, attempt, succeeded)
        likelihood = attempt.forecast.success if succeeded else 1.0 - attempt.forecast.success
        return importance.score(event.type, first_time=new, likelihood=likelihood)

    def _learn(
        self, event: TaskCompleted | TaskFailed, agent_id: str, card: TaskCard, attempt: Attempt, succeeded: bool
    ) -> bool:
        """Bring the records up to date; True when it is the agent's first outcome in this category."""
        agent = self._agent(agent_id)
        self._agents_attempts(agent_id, -1)
        new = agent.outcomes == 0 if card.category is None else card.category not in agent.by_category
        self._advising.came(event, self._position, card, attempt, agent, succeeded)
        agent.observe_outcome(event.id, card.category, succeeded)
        agent.observe_effort(event.id, attempt.bid, event.cost, event.duration_s)
        if card.category is not None:
            category = self._category(card.category)
            category.outcomes += 1
            category.successes += succeeded
        memory = consolidate(agent_id, agent, self.state.memories.get(agent_id), self.state.position)
        if memory is not None:
            self.state.memories[agent_id] = memory
            self.effects.memories[agent_id] = None
        self._advising.learned(event, agent_id, card.category)
        return new

    def _recommended(self, event: RecommendationGiven) -> float:
        """A recommendation was given; whether it is followed, the award will tell."""
        card = self._known(event.task_id)
        if card is not None:
            self.state.eidos.following.asked += 1
            card.recommended = Recommended.of(event)
        return importance.score(event.type)

    def _other(self, event: Event) -> float:
        new = self.state.counts.types.get(event.type) == 1
        if event.agent is not None:
            agent = self._agent(event.agent)
            if isinstance(event, AgentJoined):  # AgentLeft is one too
                agent.present = not isinstance(event, AgentLeft)
                agent.name = event.name or agent.name
                agent.capabilities = event.capabilities or agent.capabilities
            self._advising.review(event, event.agent, None)
        return importance.score(event.type, first_time=new)

    def _known(self, task_id: str) -> TaskCard | None:
        if self._recalled is None or self._recalled[0] != task_id:
            assert self._reader is not None
            self._recalled = (
                task_id,
                tasks.recall(self.state, task_id, self.state.position, self._reader, self._expected),
            )
        return self._recalled[1]

    def _card(self, task_id: str) -> TaskCard:
        card = self._known(task_id)
        if card is None:
            card = TaskCard(min([self._position, *(parked.position for parked in self.state.park.of(task_id))]))
            tasks.keep(self.state, task_id, card)
            self._recalled = task_id, card
            self.state.counts.open += 1
            self.state.counts.heard += 1
        return card

    def _agent(self, agent_id: str) -> AgentCard:
        """The agent's card, for an event of its own; the ones not heard of for longest make room for new ones."""
        state = self.state
        known = state.agents.pop(agent_id, None)
        card = state.agents[agent_id] = known or AgentCard()
        card.events += 1
        self.effects.agents[agent_id] = None
        if known is None:
            for gone, _ in forget_oldest(state.agents, MAX_AGENTS):
                self.effects.agents[gone] = None
                if state.memories.pop(gone, None) is not None:
                    self.effects.memories[gone] = None
        return card

    def _agents_attempts(self, agent_id: str, change: int) -> None:
        """Keep the number of an agent's open attempts; its card may have been made anew since they began."""
        card = self.state.agents.get(agent_id)
        if card is not None:
            card.open_attempts = max(0, card.open_attempts + change)

    def _category(self, category: str) -> CategoryCard:
        categories = self.state.categories
        known = categories.pop(category, None)
        card = categories[category] = known or CategoryCard()
        self.effects.categories[category] = None
        if known is None:
            for gone, _ in forget_oldest(categories, MAX_CATEGORIES):
                self.effects.categories[gone] = None
        return card

    def _move(self, before: str, after: str) -> None:
        """A task's status changed: keep the counts of open, completed and failed tasks."""
        if before == after:
            return
        counts = self.state.counts
        setattr(counts, before, getattr(counts, before) - 1)
        setattr(counts, after, getattr(counts, after) + 1)

    def _note(self, row: ledger.ForecastRow | ledger.AwardRow | ledger.ScoreRow, task_id: str, card: TaskCard) -> None:
        self.effects.derived.append(ledger.derived(row, self._position, self._time, task_id, card.first_position))
