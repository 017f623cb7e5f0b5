"""The published rows: what readers in any process see, without the models and without the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from spark_advisor import ranked
from spark_plugin.projection.projector import Projector
from spark_plugin.projection.state import State
from spark_plugin.store import Transaction

AGENT, CATEGORY, MEMORY = "agent", "category", "memory"
ADVISORY, ADVISORY_RETIRED = "advisory", "advisory_retired"
SUMMARY, SUMMARY_KEY = "summary", "all"
BEST, BEST_KEY = "advisory_best", "all"
MOST = 100
"""So many of the most valuable advisories lie together in one row: most who ask want no more of them."""

_encode = msgspec.json.Encoder().encode


def write(projector: Projector, transaction: Transaction) -> None:
    """Write the rows whose subjects changed, and the derived rows."""
    state, effects = projector.state, projector.effects
    transaction.derive(effects.derived)
    transaction.publish(AGENT, _changed(effects.agents, state.agents))
    transaction.publish(CATEGORY, _changed(effects.categories, state.categories))
    transaction.publish(MEMORY, _changed(effects.memories, state.memories))
    if effects.advisories:
        _write_advice(projector, transaction)
    transaction.publish(SUMMARY, {SUMMARY_KEY: _encode(summary(state))})


def _write_advice(projector: Projector, transaction: Transaction) -> None:
    last = {advisory.id: (what, advisory) for what, advisory in projector.effects.advisories}
    live = {key: advisory for key, (what, advisory) in last.items() if what in ("issued", "updated")}
    retired = {key: _encode(advisory) for key, (_, advisory) in last.items() if key not in live}
    transaction.publish(ADVISORY, {key: _encode(live[key]) if key in live else None for key in last})
    transaction.publish(ADVISORY_RETIRED, retired)
    transaction.publish(BEST, {BEST_KEY: _encode(ranked(projector.state.book.live(), MOST))})


def _changed(touched: Iterable[str], cards: Mapping[str, object]) -> dict[str, bytes | None]:
    """The rows of the cards that changed; None for those that were let go."""
    return {key: _encode(cards[key]) if key in cards else None for key in touched}


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
        "advisories": len(state.book.live()),
        "predictions": state.eidos.scoreboard.summary(),
        "recommendations": state.eidos.following.summary(),
    }
