"""Who has too much to do, and who never gets anything."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor import trends
from spark_advisor.ranking import worth
from spark_hooks.records import Finding
from spark_hooks.views import AWARDS, OUTCOMES, PASSED_OVER, SwarmView, Touched

DELAY = 0.05
"""What a task that waits is worth, in failed ones."""
BUSY = 5
"""Attempts under way, at least, of an agent that is called overloaded."""
RARE = 7.0
"""Nats beyond the logarithm of all awards: by chance once in a thousand swarms."""
STILL = 1.0


class OverloadedAgents:
    """An agent has far more under way than the others, by the likelihood ratio of two Poisson counts.

    Where most outcomes are never told nobody knows what is under way."""

    name = "overloaded_agents"
    watches = AWARDS | OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent, name = view.agents.get(touched.agent or ""), touched.agent
        if agent is None or name is None or len(view.agents) < 2 or 2 * view.outcomes < view.work.awarded:
            return
        busy = len(agent.attempts.began) - len(agent.attempts.overdue)
        elsewhere = max(view.work.running - len(agent.attempts.began), 0) / (len(view.agents) - 1)
        usual = max(elsewhere, 0.5)
        if busy <= usual:
            return
        nats = busy * math.log(busy / usual) - (busy - usual)
        if nats < STILL or busy < 2:
            return
        saves, probability = 100.0 * DELAY * (busy - usual) / max(view.work.running, busy), 1.0 - math.exp(-nats)
        yield Finding(
            category="agent_performance",
            title=f"{name} has {busy} tasks under way at once",
            detail=f"The others have {elsewhere:.1f} on average.",
            suggested_action=f"Let {name} finish before it is given more.",
            action={"action": "spread_load", "agent": name},
            priority=worth(saves, probability),
            evidence=tuple(began[2] for began in list(agent.attempts.began.values())[-5:]),
            evidence_count=busy,
            agent=name,
            effect=float(busy),
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"under_way": busy, "others_under_way": round(elsewhere, 6)},
            firm=busy >= BUSY and nats >= trends.bar(view.work.awarded),
        )


class IdleAgents:
    """An agent is a candidate time after time and is never chosen, as chance would hardly have it."""

    name = "idle_agents"
    watches = PASSED_OVER

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        agent, name = view.agents.get(touched.agent or ""), touched.agent
        if agent is None or name is None or not agent.present:
            return
        times, nats, since = agent.passed_over
        if nats < math.log(max(view.work.awarded, 1)) + RARE:
            return
        saves, probability = 100.0 * DELAY / len(view.agents), 1.0 - math.exp(-nats)
        yield Finding(
            category="agent_performance",
            title=f"{name} was passed over {times:.0f} times in a row",
            detail=f"Since position {since:.0f} it was a candidate for {times:.0f} tasks and got none.",
            suggested_action=f"See whether {name} asks too much, or take it off the lists.",
            action={"action": "review_bids", "agent": name},
            priority=worth(saves, probability),
            evidence=(touched.event_id,),
            evidence_count=int(times),
            agent=name,
            effect=times,
            probability=round(probability, 6),
            saves=round(saves, 4),
            figures={"since": since, "passed_over": times},
        )
