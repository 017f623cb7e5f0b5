"""EIDOS, the forecaster: predict, observe, evaluate, learn. No I/O, no clock, no threads."""

from spark_eidos.forecaster import VERSION, AwardForecast, Eidos, Forecast, TaskFacts
from spark_eidos.scoreboard import Scoreboard

__all__ = ["VERSION", "AwardForecast", "Eidos", "Forecast", "Scoreboard", "TaskFacts"]
