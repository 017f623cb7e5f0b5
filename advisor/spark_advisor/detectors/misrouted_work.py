"""Work goes to an agent although another candidate would do it better."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spark_advisor import trends
from spark_advisor.ranking import worth
from spark_advisor.records import Compared, compared, share
from spark_advisor.statistics import percent, surely, wilson
from spark_hooks.records import Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

KNOWN_TO_FALL = 3.0
"""Nats that are enough where the agent is known to have fallen: what is left to show is that others would do better."""
STILL = 1.0
GAP = 0.05


class MisroutedWork:
    """What an agent made of its work lies below what the best other candidate was expected to make of it."""

    name = "misrouted_work"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        for record in compared(view, touched):
            for finding in _misrouted(view, record):
                yield finding
                if finding.firm:
                    return  # what holds of all its tasks need not be said of each category


def _misrouted(view: SwarmView, record: Compared) -> Iterable[Finding]:
    regret, agent = record.own.regret, record.agent
    if regret.nats < STILL or not regret.outcomes or (to := _rival(view, record)) is None:
        return
    own, promised = regret.successes / regret.outcomes, regret.promised / regret.outcomes
    low, high = (bound - promised for bound in wilson(regret.successes, regret.outcomes))
    effect = own - promised
    if effect > -GAP:
        return
    fell = record.own.trend.fell or record.card.trend.fell
    enough = KNOWN_TO_FALL if fell else trends.bar(view.outcomes, record.among)
    probability = min(surely(effect, low, high), 1.0 - math.exp(-regret.nats))
    saves = 100.0 * share(record.own.outcomes, view) * -effect
    yield Finding(
        category="agent_performance",
        title=f"{agent} gets {record.tasks} that {to} would do better",
        detail=f"{agent} succeeded in {regret.successes} of {regret.outcomes} ({percent(own)}) since position "
        f"{regret.since}; of the best other candidate {percent(promised)} was expected, most often of {to}: less by "
        f"{percent(-effect)} (95% interval {percent(-high)} to {percent(-low)}).",
        suggested_action=f"Where both are candidates, give {record.tasks} to {to} instead of {agent}.",
        action={"action": "reroute", "category": record.category, "from": agent, "to": to},
        priority=worth(saves, probability),
        evidence=tuple(record.own.recent_failures),
        evidence_count=regret.outcomes,
        agent=agent,
        task_category=record.category,
        interval=(round(low, 6), round(high, 6)),
        effect=round(effect, 6),
        probability=round(probability, 6),
        saves=round(saves, 4),
        figures={
            "since": regret.since,
            "outcomes": regret.outcomes,
            "successes": regret.successes,
            "promised": round(regret.promised, 6),
        },
        firm=regret.nats >= enough,
    )


def _rival(view: SwarmView, record: Compared) -> str | None:
    """Who was most often the better choice, and does not fail itself now."""
    rivals = record.own.regret.rivals
    for rival in sorted(rivals, key=lambda agent: (-rivals[agent], agent)):
        card = view.agents.get(rival)
        cell = None if card is None or record.category is None else card.by_category.get(record.category)
        if card is not None and card.present and not card.trend.fell and not (cell is not None and cell.trend.fell):
            return rival
    return None
