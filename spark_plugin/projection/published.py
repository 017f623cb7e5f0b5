"""The published rows: what readers in any process see, without the models and without the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from spark_advisor import Effect, ranked
from spark_plugin.projection.cards import AgentCard, CategoryCard
from spark_plugin.projection.projector import Projector
from spark_plugin.projection.state import State
from spark_plugin.store import Transaction

AGENT, CATEGORY, MEMORY = "agent", "category", "memory"
ADVISORY, ADVISORY_RETIRED = "advisory", "advisory_retired"
SUMMARY, SUMMARY_KEY = "summary", "all"
EFFECT = "advice_effect"
BEST, BEST_KEY = "advisory_best", "all"
MOST = 100
"""So many of the most valuable advisories lie together in one row: most who ask want no more of them."""

C = TypeVar("C")

_encode = msgspec.json.Encoder().encode


def write(projector: Projector, transaction: Transaction) -> None:
    """Write the rows whose subjects changed, and the derived rows."""
    state, effects = projector.state, projector.effects
    transaction.derive(effects.derived)
    transaction.publish(AGENT, _changed(effects.agents, state.agents, _agent))
    transaction.publish(CATEGORY, _changed(effects.categories, state.categories, _category))
    transaction.publish(MEMORY, _changed(effects.memories, state.memories, lambda memory: memory))
    transaction.publish(EFFECT, {name: _encode(_effect(name, one)) for name, one in state.book.effects.items()})
    if effects.advisories:
        _write_advice(projector, transaction)
    transaction.publish(SUMMARY, {SUMMARY_KEY: _encode(summary(state))})


def _write_advice(projector: Projector, transaction: Transaction) -> None:
    last = {advisory.id: (what, advisory) for what, advisory in projector.effects.advisories}
    live = {key: advisory for key, (what, advisory) in last.items() if what in ("issued", "updated")}
    retired = {key: _encode(advisory) for key, (_, advisory) in last.items() if key not in live}
    transaction.publish(ADVISORY, {key: _encode(live[key]) if key in live else None for key in last})
    transaction.publish(ADVISORY_RETIRED, retired)
    transaction.publish(BEST, {BEST_KEY: _encode(ranked(projector.state.book.shown(), MOST))})


def _effect(detector: str, effect: Effect) -> Mapping[str, object]:
    compared = effect.compared()
    return {
        "detector": detector,
        "chances": effect.chances,
        "followed": effect.followed,
        "given": effect.given,
        "held_out": effect.held_out,
        "effect": None if compared is None else compared[0],
        "interval": None if compared is None else compared[1:],
        "weight": effect.helpful,
    }


def _changed(touched: Iterable[str], cards: Mapping[str, C], shown: Callable[[C], object]) -> dict[str, bytes | None]:
    """The rows of the cards that changed; None for those that were let go."""
    return {key: _encode(shown(cards[key])) if key in cards else None for key in touched}


_RECORD = ("outcomes", "successes", "recent_failures", "recent_successes")
_AGENT = (
    *_RECORD, "name", "capabilities", "present", "events", "bids", "assigned", "open_attempts", "failure_streak",
    "cost", "duration_s", "overrun", "recent_overruns",
)  # fmt: skip
_CATEGORY = ("posted", "outcomes", "successes", "bids", "award_ratio", "recent_awards")
"""What is shown of a card: not what detectors look at, which events of others change, too."""


def _agent(card: AgentCard) -> Mapping[str, object]:
    cells = {category: {name: getattr(cell, name) for name in _RECORD} for category, cell in card.by_category.items()}
    return {name: getattr(card, name) for name in _AGENT} | {"by_category": cells}


def _category(card: CategoryCard) -> Mapping[str, object]:
    return {name: getattr(card, name) for name in _CATEGORY}


def summary(state: State) -> Mapping[str, object]:
    """What is known of the whole, in a few numbers."""
    counts = state.counts
    return {
        "position": state.position,
        "log_time": state.time,
        "event_types": counts.types,
        "tasks": {"open": counts.open, "completed": counts.completed, "failed": counts.failed},
        "unmatched": counts.unmatched,
        "reposted": counts.reposted,
        "parked": state.park.count,
        "agents": len(state.agents),
        "categories": len(state.categories),
        "memories": sum(memory.state == "held" for memory in state.memories.values()),
        "advisories": len(state.book.shown()),
        "predictions": state.eidos.scoreboard.summary(),
        "recommendations": state.eidos.following.summary(),
    }
