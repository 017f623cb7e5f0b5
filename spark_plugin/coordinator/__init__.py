"""The reference coordinator: sealed-bid auctions among agents, told to whoever listens.

It knows the signals of the contract and nothing else of Spark, so it shows what any coordinator has to do: send the
signals, and, where it wants advice, ask for it in its award policy.
"""

from spark_plugin.coordinator.hosting import SwarmHooks, hookimpl, hookspec
from spark_plugin.coordinator.records import Agent, Outcome, Policy, Result, Task
from spark_plugin.coordinator.swarm import SwarmCoordinator, lowest_bid

__all__ = [
    "Agent",
    "Outcome",
    "Policy",
    "Result",
    "SwarmCoordinator",
    "SwarmHooks",
    "Task",
    "hookimpl",
    "hookspec",
    "lowest_bid",
]
