"""Who drains is a setting; what comes of it is the same."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from spark_hooks import InvalidPlugin, hookimpl, signals
from spark_hooks.events import TaskPosted
from spark_plugin import Settings, codec, draining, register, settings
from spark_plugin.capture import keeper, on_duty, waiting
from spark_plugin.doctor import examine, recover
from spark_plugin.projection import replica
from spark_plugin.store import Filter, open_store
from tests.projection.swarmlog import Run

ROOT = Path(__file__).parents[2]
Eventually = Callable[[Callable[[], object]], None]

HOST = """
import sys, time
from spark_hooks import signals
from spark_plugin import Settings, register

class Swarm: pass

swarm = Swarm()
spark = register(swarm, settings=Settings(store=sys.argv[1], worker="process"), source="/swarm")
n = 0
while True:
    [(_, receipt)] = signals.task_posted.send(swarm, task_id=f"t{n}", description="x" * 100)
    print(receipt.event_id, receipt.state, flush=True)
    n += 1
    time.sleep(0.0005)
"""


class Swarm:
    """A coordinator."""


@pytest.fixture
def swarm() -> Swarm:
    return Swarm()


@pytest.fixture(params=["process", "external"])
def working(request: pytest.FixtureRequest, url: str) -> Iterator[Settings]:
    """Settings where a worker drains; with a worker."""
    settings = Settings(store=url, worker=request.param)
    if request.param == "process":
        yield settings
    else:
        with worker_of(url):
            yield settings


@contextmanager
def worker_of(url: str) -> Iterator[subprocess.Popen[str]]:
    """A `spark worker`; it is asked to end, in the end."""
    arguments = [sys.executable, "-m", "spark_plugin", "worker", "--store", url]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("spark: ")
            yield process
        finally:
            process.terminate()
            assert process.wait(60) in (0, -signal.SIGKILL), process.stderr and process.stderr.read()


def live(swarm: Swarm, n: int) -> None:
    """Send whole task lives; one agent in three fails."""
    for i in range(n):
        agent = "abc"[i % 3]
        post = {"description": "work", "candidates": ["a", "b", "c"], "category": "db"}
        signals.task_posted.send(swarm, task_id=f"t{i}", **post)
        signals.bid_submitted.send(swarm, task_id=f"t{i}", agent_id=agent, bid=5.0 + i)
        signals.task_assigned.send(swarm, task_id=f"t{i}", agent_id=agent, bid=5.0 + i)
        done = signals.task_failed if agent == "a" else signals.task_completed
        done.send(swarm, task_id=f"t{i}", agent_id=agent)


def test_a_worker_stores_and_projects_what_a_thread_would(swarm: Swarm, working: Settings, url: str) -> None:
    with register(swarm, settings=working) as spark:
        live(swarm, 60)
        signals.task_posted.send(swarm)
        assert spark.flush(60)
        assert (spark.ingested, spark.trouble) == ((240, 0, 0), None)
        assert spark.status()["events"] == 240
        assert {thread.name for thread in threading.enumerate()} & {"spark-drainer", "spark-keeper"} == {"spark-keeper"}
    with closing(open_store(url)) as store:
        assert store.check() == []
        assert store.counters() == {"rejected": 1}
        events = [codec.restored(row.data) for row in store.events(Filter())]
        assert Run(store).contents() == Run().take(events).contents()


def test_questions_are_answered_from_what_was_published(
    swarm: Swarm, working: Settings, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "REFRESH_S", 0.05)
    with register(swarm, settings=working) as spark:
        live(swarm, 60)
        signals.task_posted.send(swarm, task_id="open", description="new", candidates=["a", "b"], category="db")
        assert spark.flush(60)
        [row] = spark.predictions.newest(1)
        frozen = spark.hooks.predict("open")
        assert (dict(frozen.winner), dict(frozen.success)) == (row["winner"], row["success"])
        assert frozen.success["a"] < 0.2 < 0.8 < frozen.success["b"]
        assert spark.hooks.advisories(limit=1)[0].subject == "a"
        assert spark.hooks.advisories() == spark.advisories.live(10)
        eventually(lambda: spark.hooks.recommend("open")[0].success_probability > 0.8)
        assert spark.hooks.recommend("open")[0].agent_id == "b"
        unknown = TaskPosted(task_id="unknown", description="", candidates=("a", "b"), category="db")
        eventually(lambda: spark.hooks.predict(unknown).success.get("a", 1.0) < 0.2)
        assert spark.hooks.predict(unknown).success["b"] > 0.8


def test_a_snapshot_is_read_at_most_once_a_second(
    swarm: Swarm, url: str, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    reads = []
    load = replica.load
    monkeypatch.setattr(replica, "load", lambda data: reads.append(time.monotonic()) or load(data))
    with register(swarm, settings=Settings(store=url, worker="process")) as spark:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            live(swarm, 3)
            time.sleep(0.01)
            spark.hooks.recommend("t1")
    assert all(later - earlier >= replica.REFRESH_S * 0.99 for earlier, later in itertools.pairwise(reads))


def test_a_worker_that_is_killed_is_replaced(swarm: Swarm, url: str, directory: Path, eventually: Eventually) -> None:
    with register(swarm, settings=Settings(store=url, worker="process")) as spark:
        live(swarm, 10)
        assert spark.flush(60)
        first = on_duty(directory)
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        live(swarm, 10)
        assert spark.flush(60)
        second = on_duty(directory)
        assert second is not None and second.pid not in (first.pid, os.getpid())
        assert spark.status()["events"] == 80


def test_the_child_of_a_process_that_died_drains_what_it_left_and_ends(
    url: str, directory: Path, eventually: Eventually
) -> None:
    with subprocess.Popen([sys.executable, "-c", HOST, url], cwd=ROOT, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        told = [host.stdout.readline().split() for _ in range(800)]
        host.kill()
        told += [line.split() for line in host.stdout if line.endswith("\n")]
    assert {state for _, state in told} == {"journaled"}
    eventually(lambda: on_duty(directory) is None and waiting(directory) == 0)
    with closing(open_store(url)) as store:
        assert {identity for identity, _ in told} <= {row.id for row in store.events(Filter())}


def test_without_a_worker_events_wait_and_that_is_said(
    swarm: Swarm, url: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "GRACE_S", 0.0)
    settings = Settings(store=url, worker="external")
    with register(swarm, settings=settings) as spark:
        live(swarm, 2)
        assert not spark.flush(60)
        assert spark.trouble is not None and "spark worker" in spark.trouble
        assert spark.status()["capture"]["lag"] == 8
        assert [advisory.id for advisory in spark.hooks.advisories()] == ["process:capture-stalled"]
    checks = {check.name: check for check in examine(settings)}
    assert (checks["worker"].ok, checks["worker"].advice) == (False, "run: spark worker")
    assert waiting(directory) == 8
    assert recover(settings).ok
    with closing(open_store(url)) as store:
        assert store.position() == 8


def test_a_worker_whose_store_is_away_says_so_to_all(
    swarm: Swarm, url: str, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "spark.db").mkdir()
    with register(swarm, settings=Settings(store=url, worker="process")) as spark:
        live(swarm, 2)
        eventually(lambda: spark.trouble is not None and "is a directory" in spark.trouble)
        (tmp_path / "spark.db").rmdir()
        eventually(lambda: spark.flush(1) and spark.trouble is None)
        assert spark.status()["events"] == 8


def test_many_processes_have_one_worker_and_it_is_followed_by_another(url: str, directory: Path) -> None:
    swarms = [Swarm() for _ in range(3)]
    with worker_of(url) as first, worker_of(url) as second:
        settings = Settings(store=url, worker="external")
        sparks = [register(swarm, settings=settings, source=f"/{n}") for n, swarm in enumerate(swarms)]
        for swarm in swarms:
            live(swarm, 5)
        assert all(spark.flush(60) for spark in sparks)
        working = on_duty(directory)
        assert working is not None and working.pid == first.pid
        first.kill()
        for swarm in swarms:
            live(swarm, 5)
        assert all(spark.flush(60) for spark in sparks)
        working = on_duty(directory)
        assert working is not None and working.pid == second.pid
        assert sparks[0].status()["events"] == 3 * 40
        for spark in sparks:
            spark.close()


def test_a_forked_child_has_a_worker_too(url: str) -> None:
    script = """
import os, sys
from spark_hooks import signals
from spark_plugin import Settings, register

class Swarm: pass

swarm = Swarm()
spark = register(swarm, settings=Settings(store=sys.argv[1], worker="process"), source="/swarm")
send = lambda name: [signals.task_posted.send(swarm, task_id=f"{name}{i}", description="") for i in range(50)]
send("before")
if child := os.fork():
    send("parent")
    os.waitpid(child, 0)
    spark.close()
else:
    send("child")
    print(spark.flush(60), flush=True)
    spark.close()
    os._exit(0)
"""
    run = subprocess.run([sys.executable, "-c", script, url], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr
    with closing(open_store(url)) as store:
        assert store.position() == 150


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_has_said_what_it_does_ends_well_when_it_is_asked_to(url: str, number: int) -> None:
    arguments = [sys.executable, "-m", "spark_plugin", "worker", "--store", url]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("spark: drains ")
        process.send_signal(number)
        assert (process.wait(60), process.stderr.read()) == (0, "")


class Redacting:
    @hookimpl
    def redact(self, text: str) -> str:
        return text.replace("hush", "***")


def test_what_the_worker_calls_cannot_be_registered_in_the_coordinator(swarm: Swarm, working: Settings) -> None:
    with register(swarm, settings=working) as spark, pytest.raises(InvalidPlugin, match="entry point"):
        spark.hooks.register(Redacting())


def test_an_installed_plugin_may_be_called_by_the_worker(
    swarm: Swarm, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = SimpleNamespace(name="redacting", load=lambda: Redacting)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    with register(swarm, settings=Settings(store=url, worker="process")) as spark:
        assert spark.hooks.redact("hush") == "***"


def test_the_child_has_the_settings_of_its_parent(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = Settings(store="sqlite:///spark.db", worker="process", batch=7, seed=3, strict=True, durability="power")
    read = settings.load(draining._environment(own))
    assert read == msgspec.structs.replace(own, store=url)
