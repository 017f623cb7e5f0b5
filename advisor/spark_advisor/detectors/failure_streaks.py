"""An agent fails time after time."""

from __future__ import annotations

from collections.abc import Iterable

from spark_advisor.ranking import worth
from spark_advisor.records import share
from spark_advisor.statistics import difference, percent, surely
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

SHORTEST = 4
EXPECTED = 0.002
"""How many such streaks the whole swarm would have had by chance so far."""


class FailureStreaks:
    """A run of failures so long that by chance none like it would have come, by the agent's own rate and the swarm's.

    Its length is held against all outcomes of all agents at once: each could have been the beginning of one.
    """

    name = "failure_streaks"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent, name = view.agents.get(touched.agent or ""), touched.agent
        if agent is None or name is None or agent.failure_streak < SHORTEST:
            return
        if agent.trend.outcomes == agent.failure_streak or agent.trend.fell:
            return  # it has not begun to fail: it does, and is told of for that
        streak, before = agent.failure_streak, agent.outcomes - agent.failure_streak
        elsewhere = view.outcomes - streak
        own = (before - agent.successes + 1.0) / (before + 2.0)
        usual = max(own, (elsewhere - view.successes + 1.0) / (elsewhere + 2.0))
        expected = view.outcomes * usual**streak
        if expected > EXPECTED or elsewhere == 0:
            return
        of, succeeded = (before, agent.successes) if before else (elsewhere, view.successes)
        effect, low, high = difference(0, streak, succeeded, of)
        probability = min(surely(effect, low, high), 1.0 - expected)
        saves = 100.0 * share(agent.outcomes, view) * (1.0 - usual)
        yield Finding(
            category="failure_prevention",
            title=f"{name} failed {streak} times in a row",
            detail=f"{name} fails {percent(usual)} of the time or less otherwise. In all {view.outcomes} outcomes of "
            f"the swarm such a row was to be expected {expected:.2g} times.",
            suggested_action=f"Pause {name} and look at its last failures.",
            action={"action": "pause", "agent": name},
            priority=worth(saves, probability),
            evidence=tuple(agent.recent_failures[-streak:]),
            evidence_count=streak,
            agent=name,
            interval=(low, high),
            effect=effect,
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"streak": streak, "before_outcomes": of, "before_successes": succeeded},
        )
