"""What fresh eyes found: each of these went wrong once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from spark_hooks import Advisory, signals
from spark_plugin import Settings, Spark, register
from spark_plugin.coordinator import SwarmCoordinator, hookimpl
from spark_plugin.projection import projection


class Swarm:
    pass


def line(event_id, kind, when="2026-01-01T00:00:00Z", source="/s", **data):
    document = {"id": event_id, "source": source, "type": f"swarm.{kind}", "time": when, "data": data}
    return json.dumps(document) + "\n"


def work_off(swarm, agent, outcomes, category=None, prefix=""):
    for n, succeeded in enumerate(outcomes):
        task = f"{prefix}{agent}-{category}-{n}"
        signals.task_posted.send(swarm, task_id=task, description="", category=category)
        signals.task_assigned.send(swarm, task_id=task, agent_id=agent)
        end = signals.task_completed if succeeded else signals.task_failed
        end.send(swarm, task_id=task, agent_id=agent, event_id=f"end-{task}")


def test_questions_do_not_wait_for_a_store_that_cannot_be_had(own_store, monkeypatch):
    monkeypatch.setattr(projection, "PATIENCE_S", 3600.0)
    (own_store / "spark.db").mkdir()
    swarm = Swarm()
    with register(swarm) as spark:
        signals.task_posted.send(swarm, task_id="t1", description="", candidates=["ada"])
        while not spark.trouble:
            time.sleep(0.01)
        answers = []

        def ask():
            answers.append(
                (spark.hooks.recommend("t1"), spark.hooks.predict("t1").success, spark.hooks.advisories("x"))
            )

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(60)
        assert answers == [([], {}, [])]


def test_a_replay_never_fills_its_own_journal(spark, own_store, monkeypatch):
    monkeypatch.setenv("SPARK_JOURNAL_MAX_BYTES", str(16 << 20))
    stream = own_store / "long.jsonl"
    with stream.open("w") as file:
        for n in range(1500):
            file.write(line(f"e{n}", "task_posted", task_id=f"t{n}", description="long words " * 2800))
    summary = spark.json("replay", stream)
    assert (summary["ingested"], summary["rejected"]) == (1500, 0)


def test_advice_for_a_task_concerns_its_candidates_and_its_category(own_store):
    swarm = Swarm()
    with register(swarm) as spark:
        for agent, good in (("ada", True), ("bo", True), ("zed", False)):
            for category in ("db", "docs"):
                work_off(swarm, agent, [good] * 10, category)
        signals.task_posted.send(swarm, task_id="new", description="", candidates=["ada", "zed"], category="db")
        signals.task_posted.send(swarm, task_id="other", description="", candidates=["ada", "bo"], category="docs")
        spark.flush()
        for task, candidates, category in (("new", {"ada", "zed"}, "db"), ("other", {"ada", "bo"}, "docs")):
            advice = spark.hooks.advisories(task=task, limit=50)
            assert {one.subject for one in advice} <= candidates
            assert {one.action.get("category") for one in advice} <= {None, category}
        assert any(one.subject == "zed" for one in spark.hooks.advisories(task="new"))
        assert not any(one.subject == "zed" for one in spark.hooks.advisories(task="other"))


def test_evidence_of_advice_about_a_category_comes_from_it(own_store):
    swarm = Swarm()
    with register(swarm) as spark:
        work_off(swarm, "ada", [True] * 20, "docs")
        work_off(swarm, "ada", [True] * 20, "db")
        work_off(swarm, "zed", [False] * 8, "db")
        work_off(swarm, "zed", [False] * 8, "docs")
        spark.flush()
        for one in spark.hooks.advisories(limit=50):
            if category := one.action.get("category"):
                assert one.evidence
                assert all(f"-{category}-" in event_id for event_id in one.evidence), one


def test_since_shows_no_derived_row_of_an_earlier_cause(spark, own_store):
    old, new = own_store / "old.jsonl", own_store / "new.jsonl"
    new.write_text(line("n1", "task_posted", "2026-06-01T00:00:00Z", "/new", task_id="n", description=""))
    old.write_text(line("o1", "task_posted", "2010-06-01T00:00:00Z", "/old", task_id="o", description=""))
    spark.json("replay", new)
    spark.json("replay", old)  # stored later, happened earlier
    shown = spark.json("timeline", "--since", "2026-01-01")["events"]
    assert {(row["task_id"], row["derived"]) for row in shown} == {("n", False), ("n", True)}
    assert {row["time"] for row in shown} == {"2026-06-01T00:00:00Z"}


def test_an_agent_that_left_is_recommended_only_when_nobody_else_is_there(own_store):
    swarm = Swarm()
    with register(swarm) as spark:
        work_off(swarm, "ada", [True] * 5)
        signals.agent_left.send(swarm, agent_id="ada")
        signals.task_posted.send(swarm, task_id="t", description="", candidates=["ada", "bo"])
        spark.flush()
        assert [one.agent_id for one in spark.hooks.recommend("t")] == ["bo"]
        assert [one.agent_id for one in spark.hooks.recommend("t", ["ada"])] == ["ada"]
        signals.agent_joined.send(swarm, agent_id="ada")
        spark.flush()
        assert {one.agent_id for one in spark.hooks.recommend("t")} == {"ada", "bo"}


def test_one_plugin_of_the_swarm_that_raises_does_not_silence_the_others(own_store):
    heard = []

    class Good:
        @hookimpl
        def swarm_agent_joined(self, agent_id):
            heard.append(agent_id)

    class Bad:
        @hookimpl
        def swarm_agent_joined(self, agent_id):
            raise RuntimeError("no")

    class Ada:
        agent_id, capabilities = "ada", ()

    coordinator = SwarmCoordinator()
    coordinator.plugins.register(Good())
    coordinator.plugins.register(Bad())
    coordinator.join(Ada())
    assert heard == ["ada"]


def test_dropped_events_are_advised_of_outside_the_process_too(spark, own_store):
    swarm = Swarm()
    with register(swarm) as live:
        [(_, receipt)] = signals.task_posted.send(
            swarm, task_id="big", description="", candidates=[f"{n:0500}" for n in range(10_000)]
        )
        assert receipt.state == "dropped"
        signals.agent_joined.send(swarm, agent_id="ada")
        live.flush()
    [advice] = spark.json("advise")["advisories"]
    assert (advice["category"], advice["id"]) == ("system_health", "process:capture-dropped")


def test_a_stream_without_a_single_event_is_bad_input(spark, own_store):
    stream = own_store / "letter.jsonl"
    stream.write_text("Dear aunt,\nthis is no stream.\n")
    assert spark("replay", stream, "--json") == 2
    assert json.loads(spark.out)["rejected"] == 2
    assert len(spark.err.splitlines()) == 3


def test_an_interrupted_replay_says_that_it_can_go_on(own_store):
    command = [sys.executable, "-m", "spark_plugin", "replay", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(line("e1", "agent_joined", agent_id="ada").encode())
        process.stdin.flush()
        while not list(own_store.glob("spark.db.capture/*.seg")):
            time.sleep(0.02)
        time.sleep(0.3)  # into the reading of the next line
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().strip().endswith("goes on from there")
    with Spark.open() as reader:
        assert reader.events.count() == 1


def test_a_record_of_a_swarm_that_grows_for_ever_stays_bounded(own_store, monkeypatch):
    from spark_plugin.projection import projector, state

    monkeypatch.setattr(projector, "MAX_AGENTS", 10)
    monkeypatch.setattr(state, "MAX_TYPES", 5)
    swarm = Swarm()
    with register(swarm) as spark:
        for n in range(30):
            work_off(swarm, f"agent-{n}", [True] * 6)
            signals.custom.send(swarm, type=f"kind-{n}")
        spark.flush()
        assert set(spark.agents()) == {f"agent-{n}" for n in range(20, 30)}
        assert {row["agent_id"] for row in spark.memories.rows()} <= set(spark.agents())
        types = spark.status()["event_types"]
        assert len(types) <= 6
        assert sum(types.values()) == spark.events.count()


def test_switched_off_the_face_is_empty_whatever_the_store(own_store):
    with register(Swarm(), settings=Settings(enabled=False, store="nonsense")) as spark:
        assert spark.status()["events"] == 0
        assert spark.events.query() == []


@pytest.mark.parametrize(
    ("action", "subject", "matters"),
    [
        ({"agent": "ada", "category": None}, "ada", True),
        ({"agent": "zed", "category": None}, "zed", False),
        ({"agent": "ada", "category": "docs"}, "ada", False),
        ({"category": "db"}, "db", True),
        ({"category": "docs"}, "docs", False),
        ({}, None, True),
        ({}, "ada", True),
        ({}, "zed", False),
    ],
)
def test_what_concerns_a_task(action, subject, matters):
    from spark_advisor import concerns

    advisory = Advisory("a", "failure_prevention", 0.5, "t", "d", "s", action, subject, (), 0)
    assert concerns(advisory, ("ada", "bo"), "db") is matters


def test_questions_do_not_wait_for_a_long_catch_up(own_store, monkeypatch):
    """A start without a snapshot reads the whole log; who asks meanwhile gets an empty answer, not a long wait."""
    swarm = Swarm()
    with register(swarm) as spark:
        work_off(swarm, "ada", [True] * 5)
        spark.flush()
    reading, go_on = threading.Event(), threading.Event()
    replayed = projection.Projection._replayed

    def slowly(self, *args, **how):
        reading.set()
        go_on.wait(60)
        yield from replayed(self, *args, **how)

    monkeypatch.setattr(projection.Projection, "_replayed", slowly)
    other = Swarm()
    try:
        with register(other) as spark:
            assert reading.wait(60)
            answers = []
            asking = threading.Thread(target=lambda: answers.append(spark.hooks.recommend("t", ["ada"])), daemon=True)
            asking.start()
            asking.join(30)
            assert answers == [[]]
            go_on.set()
            signals.agent_joined.send(other, agent_id="bo")
            assert spark.flush()
            assert spark.hooks.recommend("t", ["ada"])
    finally:
        go_on.set()


def test_plugins_of_others_are_in_before_the_first_event_is_drained(own_store, monkeypatch):
    """What a dead process left is drained at once: a redactor that came later would come too late."""
    from spark_hooks.plugins import Plugins
    from spark_plugin.capture import drainer

    drained = []
    monkeypatch.setattr(drainer.Drainer, "start", lambda self: drained.append("drained"))
    monkeypatch.setattr(drainer.Drainer, "stop", lambda self, timeout=None: None)
    monkeypatch.setattr(Plugins, "load_entry_points", lambda self: drained.append("loaded"))
    with register(Swarm()):
        assert drained == ["loaded", "drained"]
