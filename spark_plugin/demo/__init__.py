"""A live swarm doing real work on this machine: without advice, with Spark's, and with shuffled advice as a control."""

from spark_plugin.demo.arms import run
from spark_plugin.demo.records import ArmResult, Bin, DemoResult
from spark_plugin.demo.report import as_json, progress_bar, render

__all__ = ["ArmResult", "Bin", "DemoResult", "as_json", "progress_bar", "render", "run"]
