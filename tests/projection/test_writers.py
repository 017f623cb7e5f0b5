"""Several writers on one store: the same as one that heard it all."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spark_hooks import signals
from spark_plugin import Settings, codec, register
from spark_plugin.store import Filter, Store, open_store
from tests.projection.swarmlog import Run, random_log, record, stamped

ROOT = Path(__file__).parents[2]

PROCESS = """
import sys
from spark_hooks import signals
from spark_plugin import Settings, register
from tests.projection.swarmlog import record

class Swarm: pass

swarm, name = Swarm(), sys.argv[2]
with register(swarm, settings=Settings(store=sys.argv[1], batch=20), source="/" + name) as spark:
    for event in record("ada", [True, False, True] * 40, name=name, category="bug", reserve=10.0):
        [(_, receipt)] = signals.SIGNALS[event.type].send(swarm, event=event)
        assert receipt.state == "journaled", receipt
"""


class Swarm:
    pass


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spark.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as store:
        yield store


def heard_by_one(store: Store) -> dict[str, Any]:
    """What one process makes of the same log, in the order of the store."""
    return Run(batch=7).take(codec.restored(row.data) for row in store.events(Filter())).contents()


def test_two_projections_in_turns(store: Store) -> None:
    log = random_log(11)
    writers = [Run(store), Run(store)]
    for n, start in enumerate(range(0, len(log), 9)):
        writers[n % 2].take(log[start : start + 9])
    whole = Run(store)
    assert whole.contents() == heard_by_one(store) == Run().take(log).contents()
    assert writers[0].take([]).dump() == writers[1].take([]).dump()


def test_what_one_writer_undoes_the_other_never_saw(store: Store) -> None:
    log = random_log(12)
    one, other = Run(store), Run(store)
    one.take(log[:50])
    with store.transaction() as transaction:
        one.projection.begin(transaction, [])
        one.projection.project(transaction.position() + 1, log[60])
    one.projection.abort()
    other.take(log[50:100])
    one.take(log[100:])
    assert one.contents() == heard_by_one(store) == Run().take(log).contents()


def test_two_coordinators_of_one_process(url: str, store: Store) -> None:
    one, other = Swarm(), Swarm()
    settings = Settings(store=url, batch=20)
    with register(one, settings=settings, source="/one") as first, register(other, settings=settings) as second:
        assert first is not second
        threads = [
            threading.Thread(target=send_all, args=(swarm, name)) for swarm, name in ((one, "one"), (other, "other"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert first.flush(60) and second.flush(60)
    assert store.position() == 2 * 3 * 40
    assert {row.source for row in store.events(Filter())} == {"/one", "/Swarm"}
    assert Run(store).contents() == heard_by_one(store)


def send_all(swarm: Swarm, name: str) -> None:
    for event in record("ada", [True, False] * 20, name=name, category="bug"):
        signals.SIGNALS[event.type].send(swarm, event=event)


def test_two_processes_at_once(url: str, store: Store) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, url, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in ("one", "other")
    ]
    for process in processes:
        try:
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, complaints
    assert store.position() == 2 * 3 * 120
    assert store.check() == []
    run = Run(store)
    assert run.contents() == heard_by_one(store)
    assert run.summary()["predictions"]["evaluated"] == 240


def test_what_one_process_tells_before_the_other_told_what_it_builds_on(url: str, store: Store) -> None:
    """One posts and assigns, the other works; the worker's process is the quicker one to drain."""
    poster, worker = Swarm(), Swarm()
    settings = Settings(store=url)
    with register(poster, settings=settings) as first, register(worker, settings=settings) as second:
        for n in range(20):
            signals.task_completed.send(worker, task_id=f"t{n}", agent_id="ada")
        assert second.flush(60)
        assert second.predictions.summary()["evaluated"] == 0
        assert second.status()["parked"] == 20
        for n in range(20):
            signals.task_posted.send(poster, task_id=f"t{n}", description="", candidates=["ada"])
            signals.task_assigned.send(poster, task_id=f"t{n}", agent_id="ada")
        assert first.flush(60)
        assert first.predictions.summary()["evaluated"] == 20
        assert first.status()["tasks"] == {"open": 0, "completed": 20, "failed": 0}
        assert (first.status()["parked"], first.status()["unmatched"]) == (0, 0)
    assert Run(store).contents() == heard_by_one(store)


def test_a_process_asked_after_another_wrote_catches_up(store: Store) -> None:
    """Its own next batch is projected on top of what the other stored."""
    one, other = Run(store), Run(store)
    one.take(stamped(record("ada", [True] * 10, name="a"), writer="one"))
    other.take(stamped(record("ada", [False] * 10, name="b"), writer="other"))
    one.take(stamped(record("ada", [True], name="c"), writer="one again"))
    assert one.state.agents["ada"].outcomes == 21
    assert one.summary()["position"] == 63
