"""Who does better than the others, overall or in one category."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.records import Compared, compared
from spark_advisor.statistics import Z99, others, percent, wilson
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

MIN_OUTCOMES = 8
MIN_GAP = 0.05


class ExcellingAgents:
    """The success of an agent, or of an agent in a category, lies above that of the others with 99% confidence."""

    name = "excelling_agents"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched, at_least=MIN_OUTCOMES):
            yield from _excelling(record)


def _excelling(record: Compared) -> Iterable[Finding]:
    agent, category, own, everybody = record
    beside = others(everybody, own)
    if beside is None or wilson(own.successes, own.outcomes, Z99)[0] <= beside.upper + MIN_GAP:
        return
    rate, tasks = own.successes / own.outcomes, record.tasks
    low, high = wilson(own.successes, own.outcomes)
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
