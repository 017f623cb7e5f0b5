"""Memory consolidation: what is worth remembering of an agent, in one memory that grows, not in a copy per event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spark_plugin.projection.cards import AgentCard

MIN_EVENTS = 5
MIN_OUTCOMES = 3
PATTERN_RATE = 0.8
ANOMALY_RATE = 0.3


@dataclass(slots=True)
class Memory:
    """One thing learned. `state` is "held" while the evidence bears it out and "faded" when it no longer does."""

    id: str
    kind: Literal["pattern", "anomaly"]
    agent_id: str
    text: str
    success_rate: float
    outcomes: int
    events: int
    evidence: list[str]
    state: Literal["held", "faded"]
    created_position: int
    updated_position: int


def consolidate(agent_id: str, card: AgentCard, old: Memory | None, position: int) -> Memory | None:
    """The memory of an agent after an outcome: the old one brought up to date, a new one, or None so far."""
    if card.events < MIN_EVENTS or card.outcomes < MIN_OUTCOMES:
        return old
    rate = card.successes / card.outcomes
    kind: Literal["pattern", "anomaly"] | None = None
    if rate >= PATTERN_RATE:
        kind = "pattern"
    elif rate <= ANOMALY_RATE:
        kind = "anomaly"
    if kind is None and old is None:
        return None
    shown = kind or (old.kind if old else "pattern")
    return Memory(
        id=f"memory:{agent_id}",
        kind=shown,
        agent_id=agent_id,
        text=_words(agent_id, card, kind),
        success_rate=round(rate, 4),
        outcomes=card.outcomes,
        events=card.events,
        evidence=list(card.recent_successes if shown == "pattern" else card.recent_failures),
        state="faded" if kind is None else "held",
        created_position=old.created_position if old else position,
        updated_position=position,
    )


def _words(agent_id: str, card: AgentCard, kind: str | None) -> str:
    verb = {"pattern": "reliably succeeds", "anomaly": "mostly fails", None: "is neither reliable nor failing"}[kind]
    text = f"{agent_id} {verb}: {card.successes} of {card.outcomes} attempts succeeded"
    if len(card.by_category) < 2:
        return text
    good = {
        name: tally.successes / tally.outcomes
        for name, tally in card.by_category.items()
        if tally.outcomes >= MIN_OUTCOMES and tally.successes >= PATTERN_RATE * tally.outcomes
    }
    if good:
        best = max(good, key=lambda name: (good[name], name))
        text += f"; best in {best} ({card.by_category[best].successes} of {card.by_category[best].outcomes})"
    return text
