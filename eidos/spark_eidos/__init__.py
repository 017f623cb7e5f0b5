"""EIDOS, the forecaster: predict, observe, evaluate, learn. No I/O, no clock, no threads."""

from spark_eidos.forecaster import VERSION, AwardForecast, Eidos, Forecast, TaskFacts
from spark_eidos.mean import Mean
from spark_eidos.scoreboard import Scoreboard
from spark_eidos.success import Tally

__all__ = ["VERSION", "AwardForecast", "Eidos", "Forecast", "Mean", "Scoreboard", "Tally", "TaskFacts"]
