"""What passes between the coordinator, its agents and its callers: frozen records, and the two protocols."""

from __future__ import annotations

import math
import numbers
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work on offer."""

    task_id: str
    description: str
    category: str | None = None
    reserve: float | None = None
    """The highest acceptable bid, in the unit of the bids; None accepts any."""
    deadline: float | None = None
    """When it must be done, seconds since 1970 (UTC). It is passed on, not enforced: judging it is the agent's work."""
    candidates: tuple[str, ...] | None = None
    """Ids of the agents to ask; None asks all that are capable of the category."""
    payload: object = None
    """What the agents need for the work. It goes to them alone and into no signal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended. `cost` is in the unit of the bids, None where it was not measured."""

    succeeded: bool
    cost: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a posted task.

    `agent_id` and `bid` are None where it was not awarded; `outcome.detail` then says why. `bids` holds every valid
    bid heard in the window, those above the reserve included. `duration_s`: seconds of work, 0.0 where none was done.
    """

    task_id: str
    agent_id: str | None
    bid: float | None
    outcome: Outcome
    bids: Mapping[str, float]
    duration_s: float

    @property
    def assigned(self) -> bool:
        """Whether an agent got the task."""
        return self.agent_id is not None


class Agent(Protocol):
    """Who bids and works. It may be asked to bid for, and to work on, several tasks at the same time."""

    @property
    def agent_id(self) -> str:
        """Unique in its swarm."""
        ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The categories it can work in; empty means any. Read once, when it joins."""
        ...

    async def bid(self, task: Task) -> float | None:
        """The price it would do the task for, finite and not negative; None declines."""
        ...

    async def work(self, task: Task) -> Outcome:
        """Do the task; an exception is a failure."""
        ...


Policy = Callable[[Task, Mapping[str, float]], "str | Awaitable[str]"]
"""Chooses the winner: (task, acceptable bids by agent id) -> the id of one of the bidders."""


def checked_bid(value: object) -> float | None:
    """A bid as a float, or None for an agent that declines. Raises `ValueError` for anything that is no bid."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"a bid must be a number, not {type(value).__name__}")
    bid = float(value)
    if not math.isfinite(bid) or bid < 0:
        raise ValueError(f"a bid must be finite and not negative, not {bid}")
    return bid


def checked_outcome(value: object) -> Outcome:
    """An agent's outcome; a cost that is no amount becomes None, since it says nothing about the work.

    Raises `TypeError` where it does not say whether the work succeeded.
    """
    if not isinstance(value, Outcome) or not isinstance(value.succeeded, bool):
        raise TypeError(f"the agent gave no outcome but {type(value).__name__}")
    try:
        cost = checked_bid(value.cost)
    except (ValueError, OverflowError):
        cost = None
    return Outcome(value.succeeded, cost, value.detail if isinstance(value.detail, str) else "")
