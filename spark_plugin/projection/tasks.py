"""The tasks at hand: the ones heard of lately in memory, any other read back from its own events in the log."""

from __future__ import annotations

from collections.abc import Iterator

from spark_eidos import AwardForecast
from spark_eidos.bounds import forget_oldest
from spark_hooks.events import BidSubmitted, Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin import codec
from spark_plugin.errors import BadLine
from spark_plugin.projection import ledger
from spark_plugin.projection.cards import Attempt, TaskCard
from spark_plugin.projection.park import MAX_PARKED, is_early, opens
from spark_plugin.projection.state import State
from spark_plugin.settings import MAX_BATCH
from spark_plugin.store import DerivedRow, Filter, Reader

MAX_TASKS = 2 * MAX_BATCH + MAX_PARKED
"""More than a batch can touch: a task that left memory was last heard of in an earlier, stored batch."""


def recall(state: State, task_id: str, position: int, reader: Reader) -> TaskCard | None:
    """The card of a task, as it was before `position`; None when it was never heard of."""
    card = state.tasks.pop(task_id, None)
    if card is None and state.tasks_left:
        parked = frozenset(parked.position for parked in state.park.of(task_id))
        card = read_back(task_id, position, reader, parked)
    if card is not None:
        keep(state, task_id, card)
    return card


def keep(state: State, task_id: str, card: TaskCard) -> None:
    """Hold a card as the one heard of last; let go of those not heard of for longest."""
    state.tasks[task_id] = card
    state.tasks_left += len(forget_oldest(state.tasks, MAX_TASKS))


def read_back(task_id: str, position: int, reader: Reader, parked: frozenset[int] = frozenset()) -> TaskCard | None:
    """The card of a task as it was before `position`, made from its own events; None when there are none.

    `parked`: positions of its events that still wait.
    """
    log = list(_events(task_id, position, reader))
    waiting = [(at, event) for at, event in log if at not in parked]
    if not any(opens(event) for _, event in waiting):
        return None
    card = TaskCard(log[0][0])
    rows = list(reader.derived_of_task(log[0][0]))
    while waiting:  # what came early was applied when its time had come; so here
        early = [(at, event) for at, event in waiting if not _retraced(card, event, at, rows)]
        card.waited = card.waited or len(early) == len(waiting)  # what does not move was given up
        waiting = early
    return card


def _events(task_id: str, position: int, reader: Reader) -> Iterator[tuple[int, Event]]:
    """The events of a task's life before `position`, each with its own position."""
    for stored in reader.events(Filter(task=task_id, before=position)):
        try:
            event = codec.decode(stored.data)
        except BadLine:
            continue  # it was passed over when it came, too
        if isinstance(event, (TaskPosted, BidSubmitted, TaskAssigned, TaskCompleted, TaskFailed)):
            yield stored.position, event


def _retraced(card: TaskCard, event: Event, position: int, rows: list[DerivedRow]) -> bool:
    """Take in one event again, unless it waits for another."""
    if is_early(event, card):
        return False
    _retrace(card, event, position, rows)
    return True


def _retrace(card: TaskCard, event: Event, position: int, rows: list[DerivedRow]) -> None:
    """Take in one event of a task again: what was forecast then stands in the ledger."""
    if isinstance(event, TaskPosted) and not card.posted:
        card.post(event)
        made = ledger.find(rows, ledger.ForecastRow, position)
        card.forecast = made.forecast() if made else None
    elif isinstance(event, BidSubmitted):
        card.bid(event.agent_id, event.bid)
    elif isinstance(event, TaskAssigned):
        award = ledger.find(rows, ledger.AwardRow, position)
        forecast = award.forecast() if award else AwardForecast(event.agent_id, 0.5, 0.5)
        card.assign(Attempt(card.attempts + 1, forecast, event.bid, award.scores if award else {}))
    elif isinstance(event, (TaskCompleted, TaskFailed)):
        card.close(event.agent_id, isinstance(event, TaskCompleted))
