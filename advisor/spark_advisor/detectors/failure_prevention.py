"""Who fails more than the others, overall or in one category, and who has begun to fail in a row."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.records import Compared, compared
from spark_advisor.statistics import Z99, others, percent, wilson
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

MIN_OUTCOMES = 5
MIN_GAP = 0.05  # a difference smaller than this is not worth anybody's time, however certain
LONE_BAR = 0.5  # with nobody to compare with: an agent that fails most of its tasks is worth a word all the same
STREAK = 4
STREAK_CHANCE = 0.002  # it is looked at after every outcome


class FailingAgents:
    """The success of an agent, or of an agent in a category, lies below that of the others with 99% confidence."""

    name = "failing_agents"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched, at_least=MIN_OUTCOMES):
            yield from _failing(record)


def _failing(record: Compared) -> Iterable[Finding]:
    agent, category, own, everybody = record
    beside = others(everybody, own)
    bar = LONE_BAR if beside is None else beside.lower - MIN_GAP
    if wilson(own.successes, own.outcomes, Z99)[1] >= bar:
        return
    failures, rate, tasks = own.outcomes - own.successes, own.successes / own.outcomes, record.tasks
    low, high = wilson(own.successes, own.outcomes)
    against = "too little is known of others" if beside is None else f"the others in {percent(beside.rate)}"
    yield Finding(
        category="failure_prevention",
        title=f"{agent} fails {failures} of {own.outcomes} {tasks}",
        detail=f"{agent} succeeds in {percent(rate)} of its {tasks} (95% interval {percent(low)} to "
        f"{percent(high)}), {against}.",
        suggested_action=f"Give {tasks} to other agents until {agent} has been looked at.",
        action={"action": "avoid", "agent": agent, "category": category},
        priority=round((LONE_BAR if beside is None else beside.rate) - rate, 4),
        evidence=tuple(own.recent_failures),
        evidence_count=own.outcomes,
        agent=agent,
        task_category=category,
        interval=(low, high),
    )


class FailureStreaks:
    """An agent failed several times in a row, and its own record makes that unlikely to be chance."""

    name = "failure_streaks"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent = view.agents.get(touched.agent or "")
        if agent is None or touched.agent is None or agent.failure_streak < STREAK:
            return
        before = agent.outcomes - agent.failure_streak
        failed_before = before - agent.successes
        usual = (failed_before + 1.0) / (before + 2.0)
        chance = max(usual**agent.failure_streak, 1e-12)
        if before < MIN_OUTCOMES or chance > STREAK_CHANCE:
            return
        low, high = wilson(failed_before, before)
        yield Finding(
            category="failure_prevention",
            title=f"{touched.agent} failed {agent.failure_streak} times in a row",
            detail=f"Before that {touched.agent} failed {failed_before} of {before} (95% interval {percent(low)} to "
            f"{percent(high)}); by chance such a row comes less than once in {min(1 / chance, 1000.0):.0f} times.",
            suggested_action=f"Pause {touched.agent} and look at its last failures.",
            action={"action": "pause", "agent": touched.agent},
            priority=round(min(1.0, (1.0 - chance) * (1.0 - usual)), 4),
            evidence=tuple(agent.recent_failures[-agent.failure_streak :]),
            evidence_count=agent.failure_streak,
            agent=touched.agent,
            interval=(low, high),
        )
