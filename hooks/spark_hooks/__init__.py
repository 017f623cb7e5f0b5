"""The contract of Spark: events, signals, hooks, and the records that come back. It knows no other part of Spark."""

from spark_hooks import events, signals
from spark_hooks.errors import InvalidEvent, InvalidPlugin, SparkError
from spark_hooks.facade import Hooks
from spark_hooks.records import Advisory, Finding, Interval, Prediction, Receipt, Recommendation
from spark_hooks.specs import hookimpl
from spark_hooks.views import Detector, SwarmView, Touched

__all__ = [
    "Advisory",
    "Detector",
    "Finding",
    "Hooks",
    "Interval",
    "InvalidEvent",
    "InvalidPlugin",
    "Prediction",
    "Receipt",
    "Recommendation",
    "SparkError",
    "SwarmView",
    "Touched",
    "events",
    "hookimpl",
    "signals",
]
