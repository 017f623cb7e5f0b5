"""Advice held against the whole log: every number behind it counted again, as simply as possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from spark_hooks import Advisory
from spark_hooks.events import BidSubmitted, Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted


class Outcome(NamedTuple):
    position: int
    agent: str
    category: str | None
    succeeded: bool
    task: str
    rivals: int
    bid: float | None
    cost: float | None


class Sale(NamedTuple):
    position: int
    category: str | None
    bid: float
    reserve: float | None
    bids: dict[str, float]
    winner: str


class History:
    """A log as far as it has been read. Outcomes count for the newest open attempt of their agent, once."""

    def __init__(self, events: Iterable[tuple[int, Event]]) -> None:
        self.outcomes: list[Outcome] = []
        self.sales: list[Sale] = []
        self.open: list[tuple[str, str, float | None]] = []
        self.awarded: set[str] = set()
        posts: dict[str, TaskPosted] = {}
        bids: dict[str, dict[str, float]] = {}
        for position, event in events:
            if isinstance(event, TaskPosted):
                posts.setdefault(event.task_id, event)
            elif isinstance(event, BidSubmitted):
                bids.setdefault(event.task_id, {})[event.agent_id] = event.bid
            elif isinstance(event, TaskAssigned):
                self.open.append((event.task_id, event.agent_id, event.bid))
                post = posts.get(event.task_id)
                if event.task_id not in self.awarded and event.bid is not None and post is not None:
                    offers = dict(bids.get(event.task_id, {}))
                    self.sales.append(Sale(position, post.category, event.bid, post.reserve, offers, event.agent_id))
                self.awarded.add(event.task_id)
            elif isinstance(event, (TaskCompleted, TaskFailed)):
                self._ended(position, event, posts)

    def _ended(self, position: int, event: TaskCompleted | TaskFailed, posts: dict[str, TaskPosted]) -> None:
        mine = [one for one in self.open if one[0] == event.task_id and event.agent_id in (None, one[1])]
        if not mine or (event.agent_id is None and len(mine) > 1):
            return
        task, agent, bid = mine[-1]
        self.open.reverse()
        self.open.remove(mine[-1])
        self.open.reverse()
        post = posts.get(task)
        rivals = len(set(post.candidates) - {agent}) if post else 0
        category = post.category if post else None
        succeeded = isinstance(event, TaskCompleted)
        self.outcomes.append(Outcome(position, agent, category, succeeded, task, rivals, bid, event.cost))

    def of(self, agent: str | None, category: str | None, start: float = 0, end: float = math.inf) -> list[Outcome]:
        return [
            one
            for one in self.outcomes
            if start <= one.position < end and agent in (None, one.agent) and category in (None, one.category)
        ]


def figures(history: History, advisory: Advisory) -> dict[str, Any] | None:
    """The figures of an advisory, counted again; None for a detector whose figures are no counts of the log."""
    said, action = advisory.figures, advisory.action
    agent, category = advisory.subject, action.get("category")
    category = category if isinstance(category, str) else None
    match advisory.detector:
        case "failing_agents":
            now = history.of(agent, category, said["since"])
            before = history.of(agent, category, said["before_since"], said["since"])
            return _tally(now, said["apart"]) | _named("before_", _tally(before, said["before_apart"]))
        case "struggling_agents" | "excelling_agents":
            own, everybody = history.of(agent, category), history.of(None, category)
            found = _tally(history.of(agent, category, said["since"]), said["apart"])
            if "others_outcomes" in said:
                others = [one for one in everybody if one.agent != agent]
                found |= _named("others_", _tally(others, 0)) | {"own": len(own)}
            return found
        case "failure_streaks":
            ends = [one.succeeded for one in history.of(agent, None)][::-1]
            return {"streak": ends.index(True) if True in ends else len(ends)}
        case "misrouted_work":
            return _tally([one for one in history.of(agent, category, said["since"]) if one.rivals], 0)
        case "dear_categories" | "risen_prices" | "narrow_bids" | "identical_bids":
            return _sales(history.sales, advisory.detector, str(agent), said)
        case "overruns":
            of = [one for one in history.of(agent, None) if one.bid and one.cost]
            overruns = [math.log(one.cost or 1.0) - math.log(one.bid or 1.0) for one in of]
            return {"attempts": len(overruns), "log_overrun": fmean(overruns)}
    return None


def _sales(sales: Sequence[Sale], detector: str, category: str, said: dict[str, float]) -> dict[str, Any]:
    own = [one for one in sales if one.category == category]
    if detector == "dear_categories":
        ratios = [one.bid / one.reserve for one in own if one.reserve]
        return {"awards": len(ratios), "ratio": fmean(ratios)}
    if detector == "identical_bids":
        held = [one for one in sales if one.category is not None and _is_auction(one)]
        here = [one for one in held if one.category == category]
        tied = [one for one in here if len(set(one.bids.values())) < len(one.bids)]
        return {"auctions": len(here), "tied": len(tied), "others_auctions": len(held) - len(here)}
    prices, name, count = detector == "risen_prices", "log_price", "awards"
    if not prices:
        own, name, count = [one for one in own if len(one.bids) > 2 and one.winner in one.bids], "spread", "auctions"
    values = [(one.position, math.log(one.bid / (one.reserve or 1.0)) if prices else _spread(one)) for one in own]
    now = [value for at, value in values if at >= said["since"]]
    before = [value for at, value in values if said["before_since"] <= at < said["since"]]
    found = {count: len(now), name: fmean(now), f"before_{count}": len(before), f"before_{name}": fmean(before)}
    return found


def _is_auction(sale: Sale) -> bool:
    return len(sale.bids) > 1 and sale.winner in sale.bids


def _spread(sale: Sale) -> float:
    mean = fmean(sale.bids.values())
    return math.sqrt(fmean((bid / mean - 1.0) ** 2 for bid in sale.bids.values()))


def _tally(outcomes: Sequence[Outcome], apart: float) -> dict[str, float]:
    """Outcomes that a category explains are counted, but not how they ended: with them the successes are bounds."""
    found = {"outcomes": len(outcomes) - apart}
    return found if apart else found | {"successes": sum(one.succeeded for one in outcomes)}


def _named(prefix: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in found.items()}


def wrong(history: History, advisory: Advisory) -> list[str]:
    """What is wrong with an advisory: figures that are no others than they should be, and signs."""
    found = figures(history, advisory) or {}
    errors = [
        f"{advisory.detector} {advisory.id}: {name} is {advisory.figures[name]}, the log has {value}"
        for name, value in found.items()
        if name in advisory.figures and not math.isclose(advisory.figures[name], value, rel_tol=1e-6, abs_tol=1e-6)
    ]
    if advisory.interval is not None and advisory.effect is not None:
        low, high = advisory.interval
        if not low - 1e-6 <= advisory.effect <= high + 1e-6:
            errors.append(f"{advisory.detector} {advisory.id}: {advisory.effect} is not in {advisory.interval}")
    return errors + _wrong_sign(found, advisory) + _wrong_promise(history, advisory, found)


def _wrong_promise(history: History, advisory: Advisory, found: dict[str, Any]) -> list[str]:
    """Whether acting on it averts other than what it says: the agent's share of all outcomes, times how much worse."""
    beside = {"failing_agents": "before_", "struggling_agents": "others_"}.get(advisory.detector)
    if beside is None or "successes" not in found or (beside == "before_" and "before_successes" not in found):
        return []
    usual = found[f"{beside}successes"] / found[f"{beside}outcomes"] if f"{beside}successes" in found else 0.5
    category = advisory.action.get("category")
    own = history.of(advisory.subject, category if isinstance(category, str) else None)
    worse = usual - found["successes"] / found["outcomes"]
    saves = 100.0 * len(own) / len(history.outcomes) * worse
    right = advisory.saves is not None and math.isclose(advisory.saves, saves, rel_tol=1e-4, abs_tol=1e-3)
    return [] if right else [f"{advisory.detector} {advisory.id}: saves {advisory.saves}, the log has {saves}"]


def _wrong_sign(found: dict[str, Any], advisory: Advisory) -> list[str]:
    """Whether the whole log says the opposite."""
    if "successes" not in found or "outcomes" not in found:
        return []
    rate = found["successes"] / found["outcomes"]
    beside = {"failing_agents": "before", "struggling_agents": "others", "excelling_agents": "others"}
    prefix = beside.get(advisory.detector)
    if prefix is None or f"{prefix}_successes" not in found or not found[f"{prefix}_outcomes"]:
        return []
    other = found[f"{prefix}_successes"] / found[f"{prefix}_outcomes"]
    worse = advisory.detector != "excelling_agents"
    return [] if (rate < other) == worse else [f"{advisory.detector} {advisory.id}: {rate} beside {other}"]
