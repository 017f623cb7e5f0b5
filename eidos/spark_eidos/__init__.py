"""EIDOS, the forecaster: predict, observe, evaluate, learn. No I/O, no clock, no threads."""

from spark_eidos.effort import EffortModel
from spark_eidos.following import Following
from spark_eidos.forecaster import VERSION, Award, AwardForecast, Draft, Eidos, Forecast, Outcome
from spark_eidos.mean import Mean
from spark_eidos.reasons import reasons
from spark_eidos.scoreboard import Scoreboard
from spark_eidos.tally import Tally
from spark_eidos.task import TaskFacts, facts

__all__ = [
    "VERSION",
    "Award",
    "AwardForecast",
    "Draft",
    "EffortModel",
    "Eidos",
    "Following",
    "Forecast",
    "Mean",
    "Outcome",
    "Scoreboard",
    "Tally",
    "TaskFacts",
    "facts",
    "reasons",
]
