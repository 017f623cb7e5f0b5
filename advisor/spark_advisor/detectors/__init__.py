"""The built-in detectors, by what they look at."""

from __future__ import annotations

from spark_advisor.detectors.dear_categories import DearCategories, RisenPrices
from spark_advisor.detectors.excelling_agents import ExcellingAgents
from spark_advisor.detectors.failing_agents import FailingAgents
from spark_advisor.detectors.failure_streaks import FailureStreaks
from spark_advisor.detectors.forecast_health import DriftingForecasts, MiscalibratedForecasts, WorthlessForecasts
from spark_advisor.detectors.misrouted_work import MisroutedWork
from spark_advisor.detectors.overruns import Overruns
from spark_advisor.detectors.struggling_agents import StrugglingAgents
from spark_advisor.detectors.stuck_work import SilentAgents, UnawardedTasks
from spark_advisor.detectors.suspected_collusion import IdenticalBids, NarrowBids, RotatingWinners
from spark_advisor.detectors.workload import IdleAgents, OverloadedAgents
from spark_hooks.views import Detector


def built_in() -> list[Detector]:
    """All of them, in the order in which they are run."""
    return [
        FailingAgents(),
        FailureStreaks(),
        StrugglingAgents(),
        ExcellingAgents(),
        MisroutedWork(),
        SilentAgents(),
        UnawardedTasks(),
        OverloadedAgents(),
        IdleAgents(),
        DearCategories(),
        RisenPrices(),
        NarrowBids(),
        RotatingWinners(),
        IdenticalBids(),
        Overruns(),
        WorthlessForecasts(),
        MiscalibratedForecasts(),
        DriftingForecasts(),
    ]
