"""A real coordinator with each way into Spark: signals, entry point, host_plugin, advice at award, on and off."""

from __future__ import annotations

import asyncio
import sys

import pytest

from spark_hooks.events import TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin import host_plugin, register
from spark_plugin.coordinator import Outcome, SwarmCoordinator, Task, lowest_bid

ENTRY_POINT = """
from spark_hooks import hookimpl

class Witness:
    seen = []

    @hookimpl
    def task_completed(self, event):
        self.seen.append(event.task_id)

    @hookimpl
    def score_importance(self, event):
        return 0.99 if event.type == "agent_joined" else None
"""


class Worker:
    """Bids a fixed price; succeeds at the categories it knows."""

    capabilities = ()

    def __init__(self, agent_id, price, knows):
        self.agent_id = agent_id
        self.price = price
        self.knows = knows

    async def bid(self, task):
        return self.price

    async def work(self, task):
        await asyncio.sleep(0)
        return Outcome(succeeded=task.category in self.knows, cost=self.price, detail="")


def swarm(policy=lowest_bid):
    coordinator = SwarmCoordinator(policy=policy)
    for worker in (Worker("cheap", 1.0, {"docs"}), Worker("dear", 5.0, {"docs", "database"})):
        coordinator.join(worker)
    return coordinator


def tasks(count, category="database"):
    return [
        Task(task_id=f"{category}-{n}", description=f"{category} work {n}", category=category) for n in range(count)
    ]


async def post_all(coordinator, posted):
    return [await coordinator.post(task) for task in posted]


def wins(results):
    return [result.agent_id for result in results]


def test_signals_reach_the_store_in_order(own_store):
    coordinator = SwarmCoordinator()
    with register(coordinator) as spark:
        for worker in (Worker("cheap", 1.0, set()), Worker("dear", 5.0, set())):
            coordinator.join(worker)
        asyncio.run(post_all(coordinator, tasks(1)))
        assert spark.flush()
        types = [row["type"] for row in spark.events.query(newest_first=False)]
        assert types == [
            "agent_joined",
            "agent_joined",
            "task_posted",
            "bid_submitted",
            "bid_submitted",
            "task_assigned",
            "task_failed",
        ]


def test_advice_at_award_time_changes_who_wins(own_store):
    coordinator = swarm()
    with register(coordinator) as spark:

        def advised(task, bids):
            spark.flush()
            warned = {a.subject for a in spark.hooks.advisories(task=task.task_id) if a.action["action"] == "avoid"}
            return lowest_bid(task, {agent: bid for agent, bid in bids.items() if agent not in warned} or bids)

        before = asyncio.run(post_all(coordinator, tasks(3, "docs") + tasks(12)))
        coordinator.policy = advised
        after = asyncio.run(post_all(coordinator, [Task("last", "database work", category="database")]))
    assert wins(before) == ["cheap"] * 15
    assert wins(after) == ["dear"]


def test_recommendations_steer_the_award(own_store):
    coordinator = swarm()
    with register(coordinator) as spark:

        def recommended(task, bids):
            spark.flush()
            return spark.hooks.recommend(task.task_id, candidates=sorted(bids))[0].agent_id

        coordinator.policy = recommended
        results = asyncio.run(post_all(coordinator, tasks(40)))
    assert wins(results)[20:].count("dear") >= 18


def test_concurrent_tasks_are_all_heard_and_scored(own_store):
    coordinator = swarm()

    async def run():
        return await asyncio.gather(*(coordinator.post(task) for task in tasks(30)))

    with register(coordinator) as spark:
        asyncio.run(run())
        assert spark.flush()
        assert spark.predictions.summary()["evaluated"] == 30
        assert spark.status()["tasks"] == {"open": 0, "completed": 0, "failed": 30}


def test_an_entry_point_plugin_joins_by_itself(own_store, monkeypatch):
    site = own_store / "site"
    info = site / "witness-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "witness_plugin.py").write_text(ENTRY_POINT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: witness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[spark]\nwitness = witness_plugin:Witness\nbroken = witness_plugin:Nobody\n"
    )
    monkeypatch.syspath_prepend(str(site))
    coordinator = SwarmCoordinator()
    with register(coordinator) as spark:
        coordinator.join(Worker("able", 1.0, {"docs"}))
        asyncio.run(post_all(coordinator, tasks(2, "docs")))
        assert spark.flush()
        assert sys.modules["witness_plugin"].Witness.seen == ["docs-0", "docs-1"]
        [joined] = spark.events.query(type="agent_joined")
        assert joined["importance"] == 0.99
    with register(object()) as spark:
        pass
    assert spark.status()["capture"]["plugin_errors"] >= 1  # the broken one was counted, and hurt nobody


def test_host_plugin_hears_the_hooks_of_a_coordinator_that_sends_it_nothing_else(own_store):
    def posted(task, candidates):
        return TaskPosted(task_id=task.task_id, description=task.description, candidates=candidates)

    def finished(task, agent_id, outcome):
        if agent_id is not None:
            cls = TaskCompleted if outcome.succeeded else TaskFailed
            return cls(task_id=task.task_id, agent_id=agent_id, cost=outcome.cost)
        return None

    plugin = host_plugin(
        "swarm",
        {
            "swarm_task_posted": posted,
            "swarm_task_awarded": lambda task, agent_id, bid: TaskAssigned(
                task_id=task.task_id, agent_id=agent_id, bid=bid
            ),
            "swarm_task_finished": finished,
        },
    )
    coordinator = swarm()
    coordinator.plugins.register(plugin)
    coordinator.plugins.check_pending()
    results = asyncio.run(post_all(coordinator, tasks(4, "docs")))
    with plugin.spark as spark:
        assert spark.flush()
        assert all(result.outcome.succeeded for result in results)
        assert spark.status()["event_types"] == {"task_posted": 4, "task_assigned": 4, "task_completed": 4}
        assert spark.predictions.summary()["evaluated"] == 4


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_coordinator_runs_the_same_with_spark_on_and_off(own_store, monkeypatch, enabled):
    monkeypatch.setenv("SPARK_ENABLED", enabled)
    coordinator = swarm()
    with register(coordinator) as spark:
        results = asyncio.run(post_all(coordinator, tasks(3, "docs") + tasks(3)))
        assert spark.flush()
        heard = spark.events.count()
        advice = spark.hooks.advisories()
        recommended = spark.hooks.recommend("docs-0")
    assert wins(results) == ["cheap"] * 6
    assert [result.outcome.succeeded for result in results] == [True] * 3 + [False] * 3
    if enabled == "true":
        assert heard == 30
        assert recommended
    else:
        assert (heard, advice, recommended) == (0, [], [])
        assert list(own_store.iterdir()) == []
