"""An agent has begun to fail more often than it did, overall or in one category."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.ranking import worth
from spark_advisor.records import Compared, compared, share
from spark_advisor.statistics import difference, others, percent, surely, wilson
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

GAP, GONE = 0.1, 0.02
"""A fall worth telling, and one that is no longer worth keeping."""


class FailingAgents:
    """A fall was found in an agent's own record (`spark_advisor.trends`), and it has not recovered.

    It is told where the others would do better beyond doubt: who falls from the top to where the others are is still
    no worse than they. What is usual in the swarm, which anybody's praise of itself can move, then turns no advice."""

    name = "failing_agents"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched):
            if record.own.trend.fell:
                yield from _fallen(view, record)
                return  # what holds of all its tasks need not be said of each category


def _fallen(view: SwarmView, record: Compared) -> Iterable[Finding]:
    agent, trend, (successes, failures, since, *left) = record.agent, record.own.trend, record.own.trend.before
    effect, low, high = difference(trend.successes, trend.outcomes, successes, successes + failures)
    before, now = successes / (successes + failures), trend.successes / trend.outcomes
    beside = others(record.everybody, record.own)
    if -effect < GONE or (beside is not None and now >= beside.rate):
        return
    worse = beside is None or wilson(trend.successes, trend.outcomes)[1] < beside.lower
    against = "" if beside is None else f" The others succeed in {percent(beside.rate)}."
    saves, probability = 100.0 * share(record.own.outcomes, view) * -effect, surely(effect, low, high)
    where = f" in category '{record.category}'" if record.category else ""
    yield Finding(
        category="failure_prevention",
        title=f"{agent} has begun to fail{where}: {trend.failures} of its last {trend.outcomes} {record.tasks}",
        detail=f"{agent} succeeds in {percent(now)} of its {record.tasks} since position {trend.since}, after "
        f"{percent(before)} of {successes + failures} before: a fall by {percent(-effect)} (95% interval "
        f"{percent(-high)} to {percent(-low)}).{against}",
        suggested_action=f"Give {record.tasks} to other agents until {agent} has been looked at.",
        action={"action": "avoid", "agent": agent, "category": record.category},
        priority=worth(saves, probability),
        evidence=tuple(record.own.recent_failures),
        evidence_count=trend.outcomes,
        agent=agent,
        task_category=record.category,
        interval=(low, high),
        effect=effect,
        probability=round(probability, 6),
        saves=round(saves, 4),
        figures={
            "since": trend.since,
            "outcomes": trend.outcomes,
            "successes": trend.successes,
            "apart": sum(trend.apart),
            "before_since": since,
            "before_outcomes": successes + failures,
            "before_successes": successes,
            "before_apart": sum(left),
        },
        firm=worse and -effect >= GAP,
    )
