"""The life of advice from outside: handed out, answered in code and on the command line, the same for all readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_hooks import signals
from spark_plugin import Settings, Spark, register
from spark_plugin.plugin import rebuild
from tests.projection.swarmlog import FAIR, record


class Swarm:
    """A coordinator."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=f"sqlite:///{tmp_path / 'spark.db'}")


def work(swarm: Swarm) -> None:
    """One agent does what most do, two others fail at everything."""
    for event in [*record("ada", FAIR * 2), *record("bo", [False] * 15), *record("cy", [False] * 15, name="c")]:
        signals.SIGNALS[event.type].send(swarm, event=event)


def states(settings: Settings) -> dict[str, str]:
    with Spark.open(settings=settings) as reader:
        return {one.id: one.state for one in reader.advisories.all(1000)}


def test_what_is_handed_out_is_told_to_the_log_once_and_reading_tells_nothing(settings):
    swarm = Swarm()
    with register(swarm, settings=settings) as spark:
        work(swarm)
        assert spark.flush(60)
        handed_out = spark.hooks.advisories()
        assert handed_out and {one.state for one in handed_out} == {"issued"}
        spark.hooks.advisories()
        assert spark.flush(60)
        delivered = spark.events.query(type="advisory_delivered")
        assert sorted(row["data"]["advisory_id"] for row in delivered) == sorted(one.id for one in handed_out)
        assert {one.state for one in spark.hooks.advisories()} == {"delivered"}
        events = spark.events.count()
    with Spark.open(settings=settings) as reader:
        assert reader.hooks.advisories()
        assert reader.events.count() == events


@pytest.mark.parametrize(
    ("command", "state"), [("ack", "acknowledged"), ("follow", "followed"), ("dismiss", "dismissed")]
)
def test_people_answer_on_the_command_line(spark, example, command, state):
    spark.json("replay", example)
    [first, *_] = spark.json("advise")["advisories"]
    assert spark.json(command, first["id"])["advisory"]["state"] == state
    live = {one["id"]: one["state"] for one in spark.json("advise")["advisories"]}
    assert live.get(first["id"]) == (None if state == "dismissed" else state)
    shown = spark.json("advise", "--why", first["id"])
    assert shown["advisory"]["state"] == state
    assert {row["id"] for row in shown["events"]} == set(first["evidence"])


def test_restart_rebuild_and_a_second_reader_know_the_same_advice_in_the_same_state(settings):
    swarm = Swarm()
    with register(swarm, settings=settings) as spark:
        work(swarm)
        assert spark.flush(60)
        first, second, *_ = spark.hooks.advisories()
        signals.advisory_followed.send(swarm, advisory_id=first.id)
        signals.advisory_dismissed.send(swarm, advisory_id=second.id)
        assert spark.flush(60)
        during = states(settings)
    assert {during[first.id], during[second.id]} == {"followed", "dismissed"}
    assert states(settings) == during
    rebuild(settings)
    assert states(settings) == during
    with register(Swarm(), settings=settings) as again:
        assert again.flush(60)
        assert states(settings) == during


def test_what_is_held_out_is_shown_to_nobody_who_could_follow_it(tmp_path):
    swarm, settings = Swarm(), Settings(store=f"sqlite:///{tmp_path / 'held.db'}", holdout=0.5)
    with register(swarm, settings=settings) as spark:
        for n in range(12):
            for event in [*record(f"ok{n}", FAIR, name=f"ok{n}"), *record(f"bad{n}", [False] * 12, name=f"bad{n}")]:
                signals.SIGNALS[event.type].send(swarm, event=event)
        assert spark.flush(60)
        everything = spark.advisories.all(1000)
        held = {one.id for one in everything if one.held_out}
        assert held and held < {one.id for one in everything}
        shown = {one.id for one in [*spark.hooks.advisories(limit=1000), *spark.advisories.live(1000)]}
        assert shown and not shown & held
