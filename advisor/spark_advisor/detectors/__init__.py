"""The built-in detectors, one module per category of advice."""

from __future__ import annotations

from spark_advisor.detectors.agent_performance import ExcellingAgents
from spark_advisor.detectors.bid_optimization import DearCategories, Overruns
from spark_advisor.detectors.failure_prevention import FailingAgents, FailureStreaks
from spark_advisor.detectors.system_health import WorthlessForecasts
from spark_hooks.views import Detector


def built_in() -> list[Detector]:
    """All of them, in the order in which they are run."""
    return [
        FailingAgents(),
        FailureStreaks(),
        ExcellingAgents(),
        DearCategories(),
        Overruns(),
        WorthlessForecasts(),
    ]
