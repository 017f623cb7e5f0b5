"""An agent does worse than the others, overall or in one category."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.detectors.standing import LONE, Standing, standing
from spark_advisor.ranking import worth
from spark_advisor.records import Compared, compared, share
from spark_advisor.statistics import percent
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched


class StrugglingAgents:
    """The success of an agent lies below that of the others, whenever one looks (`statistics.beyond`)."""

    name = "struggling_agents"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched):
            found = standing(view, record, above=False)
            if found is not None:
                yield _finding(view, record, found)
                if found.firm:
                    return  # what holds of all its tasks need not be said of each category


def _finding(view: SwarmView, record: Compared, found: Standing) -> Finding:
    agent, tasks, trend = record.agent, record.tasks, record.own.trend
    saves = 100.0 * share(record.own.outcomes, view) * -found.effect
    against = f"held against {percent(LONE)}" if found.others is None else f"the others in {percent(found.others)}"
    return Finding(
        category="failure_prevention",
        title=f"{agent} struggles: it fails {trend.failures} of {trend.outcomes} {tasks}",
        detail=f"{agent} succeeds in {percent(found.rate)} of its {tasks} since position {trend.since}, {against}: "
        f"less by {percent(-found.effect)} (95% interval {percent(-found.high)} to {percent(-found.low)}).",
        suggested_action=f"Give {tasks} to other agents, or find out what {agent} lacks.",
        action={"action": "avoid", "agent": agent, "category": record.category},
        priority=worth(saves, found.probability),
        evidence=tuple(record.own.recent_failures),
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
