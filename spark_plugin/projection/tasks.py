"""The tasks at hand: the ones heard of lately in memory, any other read back from its own events in the log."""

from __future__ import annotations

from spark_eidos import AwardForecast
from spark_eidos.bounds import forget_oldest
from spark_hooks.events import BidSubmitted, Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin import codec
from spark_plugin.errors import BadLine
from spark_plugin.projection import ledger
from spark_plugin.projection.cards import Attempt, TaskCard
from spark_plugin.projection.state import State
from spark_plugin.settings import MAX_BATCH
from spark_plugin.store import DerivedRow, Filter, Reader

MAX_TASKS = 2 * MAX_BATCH
"""More than a batch has events: a task that left memory was last heard of in an earlier, stored batch."""


def recall(state: State, task_id: str, position: int, reader: Reader) -> TaskCard | None:
    """The card of a task, as it was before `position`; None when it was never heard of."""
    card = state.tasks.pop(task_id, None)
    if card is None and state.tasks_left:
        card = read_back(task_id, position, reader)
    if card is not None:
        keep(state, task_id, card)
    return card


def keep(state: State, task_id: str, card: TaskCard) -> None:
    """Hold a card as the one heard of last; let go of those not heard of for longest."""
    state.tasks[task_id] = card
    state.tasks_left += len(forget_oldest(state.tasks, MAX_TASKS))


def read_back(task_id: str, position: int, reader: Reader) -> TaskCard | None:
    """The card of a task as it was before `position`, made from its own events; None when there are none."""
    card: TaskCard | None = None
    rows: list[DerivedRow] = []
    for stored in reader.events(Filter(task=task_id, before=position)):
        try:
            event = codec.decode(stored.data)
        except BadLine:
            continue  # it was passed over when it came, too
        if card is None:
            if not isinstance(event, (TaskPosted, BidSubmitted, TaskAssigned)):
                continue
            card = TaskCard(stored.position)
            rows = list(reader.derived_of_task(stored.position))
        _retrace(card, event, stored.position, rows)
    return card


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
