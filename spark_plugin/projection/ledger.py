"""The ledger of predictions: what was forecast at posting and at award, and what came of it. Append-only.

Three kinds of derived rows, each with the position of the event that caused it. A row names the model that made it; a
rebuild reads the forecasts from here and never makes them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

import msgspec

from spark_eidos import VERSION, AwardForecast, Forecast
from spark_hooks import Interval
from spark_plugin.projection import importance
from spark_plugin.projection.cards import Attempt, Recommended
from spark_plugin.store import DerivedRow

FORECAST, AWARD, SCORE = "prediction", "award_prediction", "prediction_scored"

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
"""Held to its bounds when it is read: whatever else stands in its place is no forecast."""
LogOdds = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
"""Far beyond what any expert says, and within what the models can square."""


class ForecastRow(msgspec.Struct, frozen=True):
    """Frozen at `task_posted`."""

    candidates: tuple[str, ...]
    winner: dict[str, Probability]
    success: dict[str, Probability]
    bid: Interval | None
    at: float = 0.0
    """In the swarm's own time."""
    model: str = VERSION

    def forecast(self) -> Forecast:
        return Forecast(self.winner, self.success, self.bid)


class AwardRow(msgspec.Struct, frozen=True):
    """Frozen at `task_assigned`; `scores` are those of the winner and the bid, known now."""

    attempt: int
    agent_id: str
    success: Probability
    base_rate: Probability
    bid: float | None
    scores: dict[str, float]
    agent_rate: Probability = 0.5
    experts: tuple[LogOdds, ...] = ()
    duration: Interval | None = None
    cost: Interval | None = None
    followed: Recommended | None = None
    model: str = VERSION

    def forecast(self) -> AwardForecast:
        """As it was made; what the experts of another version said is none of this one's business."""
        experts = self.experts if self.model == VERSION else ()
        return AwardForecast(
            self.agent_id, self.success, self.base_rate, self.agent_rate, experts, self.duration, self.cost
        )

    @classmethod
    def of(cls, attempt: Attempt) -> AwardRow:
        """The row of an attempt."""
        made = attempt.forecast
        return cls(
            attempt.number,
            made.agent_id,
            made.success,
            made.base_rate,
            attempt.bid,
            attempt.scores,
            made.agent_rate,
            made.experts,
            made.duration,
            made.cost,
            attempt.followed,
        )

    def attempt_made(self) -> Attempt:
        """The attempt it tells of."""
        return Attempt(self.attempt, self.forecast(), self.bid, self.scores, self.followed)


class ScoreRow(msgspec.Struct, frozen=True):
    """Known at the outcome; `scores` are all of the attempt's."""

    attempt: int
    succeeded: bool
    winner: str
    winning_bid: float | None
    scores: dict[str, float]


Row = TypeVar("Row", ForecastRow, AwardRow, ScoreRow)
_KINDS: dict[type, str] = {ForecastRow: FORECAST, AwardRow: AWARD, ScoreRow: SCORE}
_encode = msgspec.json.Encoder().encode


def derived(
    row: ForecastRow | AwardRow | ScoreRow, position: int, time: float, task_id: str, task_position: int
) -> DerivedRow:
    """A ledger row as the store keeps it."""
    kind = _KINDS[type(row)]
    agent = row.agent_id if isinstance(row, AwardRow) else row.winner if isinstance(row, ScoreRow) else None
    weight = importance.SCORED if kind == SCORE else importance.OTHER
    return DerivedRow(position, kind, task_id, time, weight, _encode(row), task_position, task_id, agent)


def find(rows: Iterable[DerivedRow], cls: type[Row], position: int | None = None) -> Row | None:
    """The first row of class `cls` among derived rows, at `position` if given."""
    kind = _KINDS[cls]
    for row in rows:
        if row.kind == kind and position in (None, row.position):
            return read(row, cls)
    return None


def every(rows: Iterable[DerivedRow], cls: type[Row]) -> list[Row]:
    """All rows of class `cls` among derived rows, in their order."""
    kind = _KINDS[cls]
    found = (read(row, cls) for row in rows if row.kind == kind)
    return [row for row in found if row is not None]


def read(row: DerivedRow, cls: type[Row]) -> Row | None:
    """A stored row as it was written; None where something else was put in its place."""
    try:
        return msgspec.json.decode(row.data, type=cls)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


for _row in (ForecastRow, AwardRow, ScoreRow):
    msgspec.json.Decoder(_row)  # looked at once, before threads do so at the same time: the process would die of it
