"""What Spark answers: frozen records, safe to hand from thread to thread."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

Category = Literal["failure_prevention", "agent_performance", "bid_optimization", "system_health"]
"""The four kinds of advice."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of an event that was sent.

    ``journaled``: it is safe and will be stored. ``rejected``: it was no valid event, `reason` says why. ``dropped``:
    it could not be kept, `reason` says why.
    """

    event_id: str
    state: Literal["journaled", "rejected", "dropped"]
    reason: str = ""


class Interval(msgspec.Struct, frozen=True):
    """A central prediction interval: the truth lies in [low, high] with probability `level`."""

    level: float
    low: float
    median: float
    high: float


class Prediction(msgspec.Struct, frozen=True):
    """What is expected of a task.

    `winner`: probability of getting the task, per candidate, summing to 1 (empty without candidates). `success`:
    probability that the candidate would succeed if it got the task, each in [0.001, 0.999]. `bid`: where the winning
    bid will lie, None where neither bids nor a reserve are known. `duration` (seconds) and `cost` (the swarm's own
    unit): what an attempt of each candidate would take; empty where outcomes have not told enough.
    """

    task_id: str
    winner: dict[str, float] = {}
    success: dict[str, float] = {}
    bid: Interval | None = None
    duration: dict[str, Interval] = {}
    cost: dict[str, Interval] = {}
    reasoning: str = ""


class Recommendation(msgspec.Struct, frozen=True):
    """One candidate for a task. The first of a list is the choice; `propensity` is the chance it had of being first."""

    agent_id: str
    success_probability: float
    expected_cost: float | None
    propensity: float
    reasons: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """What a detector holds to be true now, about an agent, a category, an agent in a category, or the whole swarm.

    A detector makes at most one finding per (`agent`, `task_category`). `priority` in 0..1 is what acting on it is
    worth times the probability that it is true. `effect` is how large it is, `interval` its 95% interval, in the unit
    the detail names; `saves` what acting on it would save, in failed tasks (or their cost) per 100 tasks of the swarm.
    `figures` are the numbers behind it, as they can be counted again in the log. `evidence` are ids of the newest
    events behind it, newest last. One that is not `firm` keeps alive advice that was given, and gives none.
    """

    category: Category
    title: str
    detail: str
    suggested_action: str
    action: dict[str, object]
    priority: float
    evidence: tuple[str, ...]
    evidence_count: int
    agent: str | None = None
    task_category: str | None = None
    interval: tuple[float, float] | None = None
    effect: float | None = None
    probability: float | None = None
    saves: float | None = None
    figures: dict[str, float] = {}
    firm: bool = True


State = Literal["issued", "delivered", "acknowledged", "followed", "dismissed", "resolved", "expired"]
"""Where advice is in its life; with the first four it is live."""


class Advisory(msgspec.Struct, frozen=True):
    """Advice: a finding with an identity and a life.

    `subject` is one bare id: the agent at fault, else the category, else None. `created_position` is the position of
    the event at which it was issued, `updated_position` that of the one up to which its numbers count (None: it is
    about the health of this process, not about the log). `expires_at` is in the log's time, seconds since 1970.
    One that is `held_out` is shown to nobody who could follow it: it is what followed advice is compared with.
    """

    id: str
    category: Category
    priority: float
    title: str
    detail: str
    suggested_action: str
    action: dict[str, object]
    subject: str | None
    evidence: tuple[str, ...]
    evidence_count: int
    interval: tuple[float, float] | None = None
    state: State = "issued"
    created_position: int | None = None
    expires_at: float | None = None
    detector: str = ""
    effect: float | None = None
    probability: float | None = None
    saves: float | None = None
    figures: dict[str, float] = {}
    updated_position: int | None = None
    held_out: bool = False


R = TypeVar("R", Prediction, Recommendation, Finding, Advisory)


def sound(record: R) -> R:
    """A plugin's record with every field of its declared type, and fit to be stored: constructing one checks nothing.

    Raises for a field of another type, text that is no Unicode, and numbers that are not finite or too large.
    """
    checked = msgspec.json.decode(msgspec.json.encode(record), type=type(record))
    msgspec.msgpack.encode(checked)  # the form of a snapshot; it has no integers beyond 64 bits
    return checked
