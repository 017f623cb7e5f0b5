"""Who does better than the others, overall or in one category."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.statistics import Z99, others, percent, wilson
from spark_hooks.records import Finding
from spark_hooks.views import RecordView, SwarmView, TallyView, Touched

MIN_OUTCOMES = 8
MIN_GAP = 0.05


class ExcellingAgents:
    """The success of an agent, or of an agent in a category, lies above that of the others with 99% confidence."""

    name = "excelling_agents"

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent = view.agents.get(touched.agent or "")
        if agent is None or touched.agent is None or agent.outcomes < MIN_OUTCOMES:
            return
        yield from _excelling(touched.agent, None, agent, view)
        category, cell = view.categories.get(touched.category or ""), agent.by_category.get(touched.category or "")
        if category is not None and cell is not None and touched.category is not None:
            yield from _excelling(touched.agent, touched.category, cell, category)


def _excelling(agent: str, category: str | None, own: RecordView, everybody: TallyView) -> Iterable[Finding]:
    if own.outcomes < MIN_OUTCOMES:
        return
    beside = others(everybody, own)
    if beside is None or wilson(own.successes, own.outcomes, Z99)[0] <= beside.upper + MIN_GAP:
        return
    rate = own.successes / own.outcomes
    low, high = wilson(own.successes, own.outcomes)
    tasks = f"tasks of category '{category}'" if category else "tasks"
    yield Finding(
        category="agent_performance",
        title=f"{agent} succeeds in {own.successes} of {own.outcomes} {tasks}",
        detail=f"{agent} succeeds in {percent(rate)} of its {tasks} (95% interval {percent(low)} to "
        f"{percent(high)}), the others in {percent(beside.rate)}.",
        suggested_action=f"Prefer {agent} for {tasks}." if category else f"Prefer {agent}.",
        action={"action": "prefer", "agent": agent, "category": category},
        priority=round(0.8 * (rate - beside.rate), 4),
        evidence=tuple(own.recent_successes),
        evidence_count=own.outcomes,
        agent=agent,
        task_category=category,
        interval=(low, high),
    )
