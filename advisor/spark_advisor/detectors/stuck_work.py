"""Work that is stuck: agents that were given tasks and fell silent, tasks that nobody gets."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor import trends
from spark_advisor.ranking import worth
from spark_advisor.records import share
from spark_hooks.records import Finding
from spark_hooks.views import OVERDUE, SwarmView, Touched, UnderWayView

AT_LEAST = 2
"""Attempts of an agent that are overdue: a single one may be lost by chance."""
NAMED = 5
"""Tasks named in an action."""


class SilentAgents:
    """An agent has tasks that are past their expected duration (four standard deviations of its log durations)."""

    name = "silent_agents"
    watches = OVERDUE

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent, name = view.agents.get(touched.agent or ""), touched.agent
        if agent is None or name is None or not agent.attempts.overdue:
            return
        late, under_way = len(agent.attempts.overdue), agent.attempts
        nats = late * view.work.durations.nats
        tasks = [key.split("\0")[0] for key in under_way.overdue]
        probability, saves = 1.0 - math.exp(-nats), 100.0 * max(share(agent.outcomes, view), late / view.work.awarded)
        yield Finding(
            category="failure_prevention",
            title=f"{name} is silent on {late} {'task' if late == 1 else 'tasks'}",
            detail=f"It has {len(under_way.began)} under way, of which {late} are past their expected duration; the "
            f"oldest was given to it {_ago(view, under_way)} ago.",
            suggested_action=f"Give the tasks of {name} to others, and see whether it still runs.",
            action={"action": "reassign", "agent": name, "tasks": tasks[:NAMED]},
            priority=worth(saves, probability),
            evidence=_evidence(under_way),
            evidence_count=late,
            agent=name,
            effect=float(late),
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"overdue": late, "under_way": len(under_way.began)},
            firm=late >= AT_LEAST and nats >= trends.bar(view.work.awarded),
        )


class UnawardedTasks:
    """Tasks of a category wait for their award longer than hardly any did."""

    name = "unawarded_tasks"
    watches = OVERDUE

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        card, name = view.categories.get(touched.category or ""), touched.category
        waiting = view.work.unawarded if name is None else None if card is None else card.unawarded
        if waiting is None or not waiting.overdue:
            return
        late = len(waiting.overdue)
        nats = late * view.work.waits.nats
        where = f" of category '{name}'" if name else ""
        probability, saves = 1.0 - math.exp(-nats), 100.0 * late / (view.work.awarded + late)
        yield Finding(
            category="failure_prevention",
            title=f"{late} {'task' if late == 1 else 'tasks'}{where} nobody gets",
            detail=f"They wait for an award longer than hardly any did, the oldest since {_ago(view, waiting)}.",
            suggested_action="Ask other agents, raise the reserve, or take the tasks back.",
            action={"action": "repost", "category": name, "tasks": list(waiting.overdue)[:NAMED]},
            priority=worth(saves, probability),
            evidence=_evidence(waiting),
            evidence_count=late,
            task_category=name,
            effect=float(late),
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"overdue": late},
            firm=nats >= trends.bar(view.work.awarded),
        )


def _evidence(waiting: UnderWayView) -> tuple[str, ...]:
    return tuple(waiting.began[key][2] for key in list(waiting.overdue)[-NAMED:])


def _ago(view: SwarmView, waiting: UnderWayView) -> str:
    """Since when the oldest that is overdue has been under way, in words."""
    seconds = max(view.time - waiting.began[key][0] for key in waiting.overdue)
    for unit, size in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
