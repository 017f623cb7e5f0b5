"""Where the projection meets the advisor: what detectors look at, when they are asked, and what becomes of advice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from spark_advisor import Bearing, Bearings, Began, Change, HoldOut, bar, bearing_on, bearings
from spark_hooks.events import EVENT_TYPES, AdvisoryDelivered, Event, TaskAssigned, TaskPosted
from spark_hooks.views import OCCASIONS, Detector, Touched
from spark_plugin.projection import importance
from spark_plugin.projection.cards import AgentCard, Attempt, CategoryCard, TaskCard
from spark_plugin.projection.state import State
from spark_plugin.projection.work import WARY, Due
from spark_plugin.store import DerivedRow

_ASKED = frozenset(EVENT_TYPES) | OCCASIONS
EVERY = 25
"""Outcomes between two check-ups."""
_NOTED = ("issued", "resolved", "expired")
"""What of an advisory's life is derived; the rest are events of their own."""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Extensions:
    """What plugins and settings may change in the projection; the defaults change nothing."""

    detectors: Sequence[Detector] = ()
    score_importance: Callable[[Event], float | None] = lambda event: None
    failed: Callable[[str, str, BaseException], object] = lambda plugin, hook, error: None
    holdout: HoldOut = field(default_factory=HoldOut)
    _watching: dict[str, list[Detector]] = field(default_factory=dict)
    _of: Sequence[Detector] = ()

    def watching(self, type_name: str) -> list[Detector]:
        """The detectors to ask after an event of a type."""
        if self._of is not self.detectors:
            self._of, self._watching = self.detectors, {}
        found = self._watching.get(type_name)
        if found is None:
            all_events = () if type_name in OCCASIONS else (type_name,)
            found = [one for one in self.detectors if type_name in getattr(one, "watches", all_events)]
            if type_name in _ASKED:  # of types there may be any number
                self._watching[type_name] = found
        return found


class Advising:
    """Keeps `state.work` and `state.book`, an event at a time; `changes` and `rows` gather what is to be written."""

    def __init__(self, state: State, extensions: Extensions, changes: list[Change], rows: list[DerivedRow]) -> None:
        self.changes = changes
        self.rows = rows
        self.now = 0.0  # the time of the event that has come
        self._bearings: Bearings | None = None  # what the book says on whom, until that changes
        self._state = state
        self._extensions = extensions

    def posted(self, event: TaskPosted, position: int) -> None:
        """A task waits for its first award."""
        self._state.work.posted(self._at(event, position), event.task_id, event.category, self._card(event.category))

    def awarded(self, event: TaskAssigned, position: int, task: TaskCard, attempt: Attempt, agent: AgentCard) -> None:
        """A task was given to an agent, and counted."""
        state, at, category = self._state, self._at(event, position), self._card(task.category)
        work = state.work
        work.begun(at, event.task_id, attempt, agent)
        for bearing in self._bearing_on(task):
            state.book.effects[bearing.detector].observe_award(bearing, event.agent_id)
        self.review(event, event.agent_id, task.category)
        if attempt.number > 1:
            return
        if work.got(at, event.task_id, category):
            self.review(event, None, task.category, "overdue")
        if category is not None and event.bid is not None:
            work.sold(at, task, event.agent_id, event.bid, category)
            self.review(event, None, task.category, "auction")
        for candidate in work.passed_over(at, task, event.agent_id, state.agents):
            self.review(event, candidate, None, "passed_over")

    def ended(self, event: Event, position: int, task_id: str, attempt: Attempt) -> int:
        """An attempt has ended, or is forgotten because its task has too many; the position of its award."""
        agent_id = attempt.forecast.agent_id
        agent = self._state.agents.get(agent_id)
        if agent is None:
            return 0
        began, was_late = self._state.work.ended(self._at(event, position), task_id, attempt.number, agent)
        if was_late:
            self.review(event, agent_id, None, "overdue")
        return began

    def came(
        self, event: Event, position: int, task: TaskCard, attempt: Attempt, agent: AgentCard, succeeded: bool
    ) -> None:
        """An outcome, before it is counted in the cards."""
        state, at, made = self._state, self._at(event, position), attempt.forecast
        likelihoods = (made.success, made.base_rate) if succeeded else (1.0 - made.success, 1.0 - made.base_rate)
        forecast, base = (math.log(max(likelihood, 1e-9)) for likelihood in likelihoods)
        state.work.loss.observe(base - forecast, position, WARY * bar(state.work.outcomes))
        began = self.ended(event, position, event.task or "", attempt)
        for bearing in self._bearing_on(task):
            if began > bearing.since:
                state.book.effects[bearing.detector].observe_outcome(bearing, succeeded)
        state.work.came(at, task, made.agent_id, agent, self._card(task.category), succeeded)

    def learned(self, event: Event, agent_id: str, category: str | None) -> None:
        """The outcome is counted."""
        self.review(event, agent_id, category)
        if self._state.work.outcomes % EVERY == 0:
            self.review(event, None, None, "checkup")

    def answered(self, event: AdvisoryDelivered) -> None:
        """Advice was delivered, or somebody has answered it."""
        change = self._state.book.answer(event.advisory_id, event.type.removeprefix("advisory_"), self._state.time)
        if change is not None:
            self._note(change)

    def settle(self, event: Event) -> None:
        """All of the event was taken in: look at the time, then give what advice is due."""
        state, book = self._state, self._state.book
        now, timers = state.clock.now, state.work.timers
        while timers and timers[0][0] <= now:
            self._late(event, state.work.due())
        if (book.next_look is not None and book.next_look <= now) or (book.next_expiry or math.inf) <= now:
            for change in book.settle(state, self._extensions.holdout):
                self._note(change)

    def review(self, event: Event, agent: str | None, category: str | None, what: str | None = None) -> None:
        """Let the detectors look at what the event touched; one that raises is counted, and the others go on."""
        detectors = self._extensions.watching(what or event.type)
        if not detectors:
            return
        touched = Touched(event.id, agent, category)
        for detector in detectors:
            try:
                changes = self._state.book.review(detector, self._state, touched)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # one that exits is one that failed
                self._extensions.failed(getattr(detector, "name", "?"), "detect", error)
                continue
            for change in changes:
                self._note(change)

    def _late(self, event: Event, due: Due) -> None:
        """A timer has run out."""
        state, of_agent = self._state, due.kind.endswith("attempt")
        if of_agent:
            agent = state.agents.get(due.owner or "")
            waiting = None if agent is None else agent.attempts
        else:
            card = self._card(due.owner)
            waiting = state.work.unawarded if card is None else card.unawarded
        if waiting is not None and state.work.late(due, waiting, state.time):
            agent_id, category = (due.owner, None) if of_agent else (None, due.owner)
            self.review(event, agent_id, category, "overdue")

    def _bearing_on(self, task: TaskCard) -> list[Bearing]:
        if self._bearings is None:
            self._bearings = bearings(self._state.book.live())
        return bearing_on(self._bearings, task.candidates, task.category) if self._bearings else []

    def _note(self, change: Change) -> None:
        self.changes.append(change)
        if change.what != "updated":
            self._bearings = None
        if change.what in _NOTED:
            advisory, state = change.advisory, self._state
            row = DerivedRow(
                state.position,
                f"advisory_{change.what}",
                advisory.id,
                self.now,
                importance.OTHER,
                _encode(advisory),
                agent_id=advisory.subject if advisory.subject in state.agents else None,
            )
            self.rows.append(row)

    def _at(self, event: Event, position: int) -> Began:
        return Began(self._state.time, position, event.id)

    def _card(self, category: str | None) -> CategoryCard | None:
        """A category's card, if it is kept; looking at it is no reason to keep it."""
        return None if category is None else self._state.categories.get(category)
