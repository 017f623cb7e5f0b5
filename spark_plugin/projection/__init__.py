"""The projection: from the log to read models."""

from spark_plugin.projection.advising import Extensions
from spark_plugin.projection.projection import Projection
from spark_plugin.projection.replica import Replica
from spark_plugin.projection.state import State

__all__ = ["Extensions", "Projection", "Replica", "State"]
