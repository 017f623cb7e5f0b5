"""What a demo finds out: frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spark_hooks import Advisory


@dataclass(frozen=True, slots=True)
class ArmResult:
    """How one arm did. `success` is a rate, `cost` the mean measured milliseconds per task; 0.0 without tasks.

    `late_success` is the rate in the second half, when there was something to have learned; `by_category` are success
    rates.
    """

    tasks: int
    success: float
    cost: float
    late_success: float
    by_category: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts between `low` and `high`: how many, their mean, and the rate at which the attempts succeeded."""

    low: float
    high: float
    attempts: int
    forecast: float
    happened: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """All that a demo found out. `arms` by name; `predictions` as in `spark.predictions.summary()`."""

    seed: int
    arms: Mapping[str, ArmResult]
    predictions: Mapping[str, object]
    calibration: tuple[Bin, ...]
    advisories: tuple[Advisory, ...]
    store: str
    seconds: float
