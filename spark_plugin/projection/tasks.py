"""The tasks at hand: the ones heard of lately in memory, any other read back from its own events in the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from spark_eidos.bounds import forget_oldest
from spark_hooks.events import (
    BidSubmitted,
    Event,
    RecommendationGiven,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
)
from spark_plugin import codec
from spark_plugin.errors import BadLine
from spark_plugin.projection import ledger
from spark_plugin.projection.cards import Recommended, TaskCard
from spark_plugin.projection.park import MAX_PARKED, opens
from spark_plugin.projection.state import State
from spark_plugin.settings import MAX_BATCH
from spark_plugin.store import DerivedRow, Filter, Reader

MAX_TASKS = 2 * MAX_BATCH + MAX_PARKED
"""More than a batch can touch: a task that left memory was last heard of in an earlier, stored batch."""


def recall(
    state: State, task_id: str, position: int, reader: Reader, expected: Mapping[str, bool] = {}
) -> TaskCard | None:
    """The card of a task, as it was before `position`; None when it was never heard of.

    `expected`: of some tasks, whether the store has heard of them; the store is not asked about those it has not.
    """
    away = is_away(state, task_id) and expected.get(task_id, True)
    card = state.tasks.pop(task_id, None)
    if away:
        card = read_back(task_id, position, reader, no_part_of(state, task_id))
        if card is not None:
            card.waited = task_id in state.waited
    if card is not None:
        keep(state, task_id, card)
    return card


def expect(state: State, task_ids: Iterable[str], before: int, reader: Reader) -> dict[str, bool]:
    """Which tasks the store has heard of before a position: of many at once, because one by one costs more."""
    away = {task_id for task_id in task_ids if is_away(state, task_id)}
    return dict.fromkeys(away, False) | dict.fromkeys(reader.heard_of(away, before), True) if away else {}


def is_away(state: State, task_id: str) -> bool:
    """Whether a task is not at hand, and may have been before."""
    return task_id not in state.tasks and state.tasks_left > 0


class NoPart(NamedTuple):
    """Which events of a task are no part of its card: those up to a position, and those that still wait."""

    given_up: int
    waiting: frozenset[int]


def no_part_of(state: State, task_id: str) -> NoPart:
    """What is no part of a task's card (yet)."""
    waiting = frozenset(parked.position for parked in state.park.of(task_id))
    return NoPart(state.given_up.get(task_id, 0), waiting)


def keep(state: State, task_id: str, card: TaskCard) -> None:
    """Hold a card as the one heard of last; let go of those not heard of for longest."""
    state.tasks[task_id] = card
    state.tasks_left += len(forget_oldest(state.tasks, MAX_TASKS))


def read_back(task_id: str, position: int, reader: Reader, no_part: NoPart) -> TaskCard | None:
    """The card of a task as it was before `position`, from its events and the ledger; None when it was never heard of.

    What was posted and bid is in the events; which awards and outcomes counted, and what was forecast, the ledger says.
    Whether something was waited for in vain is told by neither.
    """
    events = _events(task_id, position, reader)
    log = [(at, event) for at, event in events if at > no_part.given_up and at not in no_part.waiting]
    if not any(opens(event) for _, event in log):
        return None
    rows = list(reader.derived(Filter(task=task_id, before=position)))
    first = next((row.task_position for row in rows if row.task_position is not None), log[0][0])
    card = TaskCard(first)
    for at, event in log:
        if isinstance(event, TaskPosted) and not card.posted:
            made = ledger.find(rows, ledger.ForecastRow, at)
            card.post(event, made.at if made else 0.0)
            card.forecast = made.forecast() if made else None
        elif isinstance(event, BidSubmitted):
            card.bid(event.agent_id, event.bid)
    _retrace_attempts(card, rows)
    awarded = max((row.position for row in rows if row.kind == ledger.AWARD), default=0)
    for at, event in log:
        if isinstance(event, RecommendationGiven) and at > awarded:
            card.recommended = Recommended.of(event)
    return card


def _retrace_attempts(card: TaskCard, rows: Sequence[DerivedRow]) -> None:
    """Take the awards and outcomes in again that the ledger has."""
    for award in ledger.every(rows, ledger.AwardRow):
        card.assign(award.attempt_made())
    for score in ledger.every(rows, ledger.ScoreRow):
        card.end(score.attempt, score.succeeded)


def _events(task_id: str, position: int, reader: Reader) -> Iterator[tuple[int, Event]]:
    """The events of a task's life before `position`, each with its own position."""
    for stored in reader.events(Filter(task=task_id, before=position)):
        try:
            event = codec.restored(stored.data)
        except BadLine:
            continue  # it was passed over when it came, too
        if isinstance(event, (TaskPosted, BidSubmitted, RecommendationGiven, TaskAssigned, TaskCompleted, TaskFailed)):
            yield stored.position, event
