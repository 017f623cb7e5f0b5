"""An agent does better than the others, overall or in one category."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.detectors.standing import Standing, standing
from spark_advisor.ranking import worth
from spark_advisor.records import Compared, compared, share
from spark_advisor.statistics import percent
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched


class ExcellingAgents:
    """The success of an agent lies above that of the others, whenever one looks (`statistics.beyond`)."""

    name = "excelling_agents"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched):
            found = standing(view, record, above=True)
            if found is not None:
                yield _finding(view, record, found)
                if found.firm:
                    return  # what holds of all its tasks need not be said of each category


def _finding(view: SwarmView, record: Compared, found: Standing) -> Finding:
    agent, tasks, trend = record.agent, record.tasks, record.own.trend
    others = found.others or 0.0
    saves = 100.0 * share(record.own.outcomes, view) * found.effect  # if it got as much again
    return Finding(
        category="agent_performance",
        title=f"{agent} excels: it succeeds in {trend.successes} of {trend.outcomes} {tasks}",
        detail=f"{agent} succeeds in {percent(found.rate)} of its {tasks} since position {trend.since}, the others in "
        f"{percent(others)}: more by {percent(found.effect)} (95% interval {percent(found.low)} to "
        f"{percent(found.high)}).",
        suggested_action=f"Prefer {agent} for {tasks}.",
        action={"action": "prefer", "agent": agent, "category": record.category},
        priority=worth(saves, found.probability),
        evidence=tuple(record.own.recent_successes),
        evidence_count=trend.outcomes,
        agent=agent,
        task_category=record.category,
        interval=(found.low, found.high),
        effect=found.effect,
        probability=round(found.probability, 6),
        saves=round(saves, 4),
        figures=found.figures,
        firm=found.firm,
    )
