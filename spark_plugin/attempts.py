"""The ledger as it is shown: one row per attempt, put together from what was forecast, awarded, and came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from spark_plugin.projection import ledger
from spark_plugin.store import DerivedRow

Row = dict[str, Any]


def attempts(rows: Iterable[DerivedRow]) -> Iterator[Row]:
    """The rows of one task, put together by attempt."""
    rows = list(rows)
    posted = next((row.position for row in rows if row.kind == ledger.FORECAST), None)
    forecast = ledger.find(rows, ledger.ForecastRow)
    awards = [(row.position, ledger.read(row, ledger.AwardRow)) for row in rows if row.kind == ledger.AWARD]
    scores = {}
    for row in rows:
        if row.kind == ledger.SCORE and (score := ledger.read(row, ledger.ScoreRow)) is not None:
            scores[score.attempt] = (row.position, score)
    for position, award in awards:
        if award is not None:
            yield _attempt(text(rows[0].task_id), forecast, posted, (position, award), scores.get(award.attempt))
    if not awards and rows:
        yield _attempt(text(rows[0].task_id), forecast, posted, None, None)


def _attempt(
    task_id: str | None,
    forecast: ledger.ForecastRow | None,
    posted: int | None,
    award: tuple[int, ledger.AwardRow] | None,
    score: tuple[int, ledger.ScoreRow] | None,
) -> Row:
    assigned, given = award or (None, None)
    outcome, result = score or (None, None)
    return {
        "task_id": task_id,
        "attempt": given.attempt if given else 1,
        "candidates": list(forecast.candidates) if forecast else [],
        "winner": forecast.winner if forecast else {},
        "success": forecast.success if forecast else {},
        "bid": msgspec.to_builtins(forecast.bid) if forecast else None,
        "award": _award(given) if given else None,
        "actual": {"succeeded": result.succeeded, "winner": result.winner, "winning_bid": result.winning_bid}
        if result
        else None,
        "scores": result.scores if result else None,
        "positions": {"posted": posted, "assigned": assigned, "outcome": outcome},
        "model": given.model if given else forecast.model if forecast else None,
    }


def _award(given: ledger.AwardRow) -> Row:
    """An award, and what was forecast of the attempt."""
    return {
        "agent_id": given.agent_id,
        "success": given.success,
        "bid": given.bid,
        "base_rate": given.base_rate,
        "agent_rate": given.agent_rate,
        "duration": msgspec.to_builtins(given.duration),
        "cost": msgspec.to_builtins(given.cost),
        "followed": given.followed is not None,
    }


def text(value: object) -> str | None:
    """What a column of texts holds. SQLite keeps whatever it is given: something else is shown as such."""
    return value if value is None or isinstance(value, str) else repr(value)[:80]
