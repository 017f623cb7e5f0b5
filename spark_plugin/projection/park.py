"""The park: events of a task that came before what they build on, until that comes.

Several processes capture the same swarm and drain when they can: an award may be stored before its post, an outcome
before its award. Such an event waits here and is applied when the missing one comes; without it after 24 hours of log
time, or when the park is full.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_hooks.events import AnyEvent, BidSubmitted, Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin.projection.cards import TaskCard
from spark_plugin.store import DerivedRow

PATIENCE_S = 24 * 3600.0
MAX_PARKED = 2_000


@dataclass(slots=True)
class Parked:
    """One event that came early. `recorded`: what the ledger already says of its position."""

    position: int
    time: float
    event: AnyEvent
    recorded: list[DerivedRow] = field(default_factory=list)


@dataclass(slots=True)
class Park:
    """What waits, by task; `order` holds the positions of all of it, oldest first, each with its task."""

    waiting: dict[str, list[Parked]] = field(default_factory=dict)
    order: dict[int, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.order)

    def add(self, task_id: str, parked: Parked) -> None:
        """Let an event wait."""
        self.waiting.setdefault(task_id, []).append(parked)
        self.order[parked.position] = task_id

    def of(self, task_id: str) -> list[Parked]:
        """What waits for a task, in the order in which it came."""
        return list(self.waiting.get(task_id, ()))

    def leave(self, task_id: str, parked: Parked) -> None:
        """An event waits no more."""
        waiting = self.waiting[task_id]
        waiting.remove(parked)
        del self.order[parked.position]
        if not waiting:
            del self.waiting[task_id]

    def overdue(self, now: float) -> str | None:
        """A task whose events have waited long enough, or must make room; None when there is none."""
        for task_id in self.order.values():
            oldest = self.waiting[task_id][0]
            return task_id if self.count > MAX_PARKED or oldest.time + PATIENCE_S <= now else None
        return None


def is_early(event: Event, card: TaskCard | None) -> bool:
    """Whether an event of a task builds on one that has not come yet.

    Everything builds on the post. An outcome builds on an award to its agent; when that agent has been awarded the task
    before, it is no early outcome but a second word about an attempt that has ended.
    """
    if isinstance(event, TaskPosted):
        return False
    if card is not None and card.waited:
        return False
    if card is None or not card.posted:
        return True
    if isinstance(event, (TaskCompleted, TaskFailed)):
        return card.attempts == 0 if event.agent_id is None else event.agent_id not in card.tried
    return False


def opens(event: Event) -> bool:
    """Whether a task begins to exist with this event, if it did not before; an outcome alone makes no task."""
    return isinstance(event, (TaskPosted, BidSubmitted, TaskAssigned))
