"""F17: a process kills itself at each step of its drainer's transaction, of its end, of recovery and of mending."""

from __future__ import annotations

import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from spark_hooks import signals
from spark_plugin import Settings, codec, register
from spark_plugin.store.damage import readable_events
from tests.faults import recovered
from tests.faults.killed import MENDING, RECOVERY, STEPS, Plan
from tests.faults.matrix import size
from tests.faults.recovered import ROOT, Recovered, child, started_again, told_in

TIMES = size(10)
"""How often a process dies at each step; at another call of it each time."""
CALLS = {
    "after begin of projection": (1, 4),
    "after project": (1, 60),
    "before append": (2, 4),
    "after append": (2, 4),
    "after derive": (2, 4),
    "after publish": (1, 16),
    "before commit": (1, 4),
    "after commit": (2, 4),
    "in close, before its lock goes": (2, 2),
    "recovery: after a batch": (2, 4),
    "recovery: among its files": (1, 1),
    "mending: among the events": (1, 200),
    "mending: between its files": (3, 3),
}
"""The first and the last call of a step that a process may die at; where a step is not named, the first or second."""
ONCE = ("in close", "recovery", "mending", "after snapshot", "before removal", "after removal")
"""How the steps begin that are come to once for certain."""


Ended = Callable[[Plan], int]


class Swarm:
    """A coordinator."""


class Outcome(NamedTuple):
    """What processes told before they died, and what the store has of it."""

    acknowledged: dict[str, str]
    survived: list[str]
    """Steps that were never come to."""
    after: Recovered


@pytest.fixture(scope="module")
def ended() -> Iterator[Ended]:
    """Runs a process to its end, and returns how that was."""
    with subprocess.Popen(child("killed"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nursery:
        assert nursery.stdin is not None and nursery.stdout is not None
        to, back = nursery.stdin, nursery.stdout

        def ended(plan: Plan) -> int:
            to.write(msgspec.json.encode(plan) + b"\n")
            to.flush()
            return int(back.readline())

        yield ended
        to.close()


def run(ended: Ended, folder: Path, step: str, nth: int, mutant: str = "") -> Outcome:
    """A process dies at a step; at one of recovery after another process, at one of mending after damage."""
    path, output = folder / "spark.db", folder / "told"
    plan = Plan(url=f"sqlite:///{path}", name="first", tasks=30, small_segments=True, pause_s=0.0, output=str(output))
    first = msgspec.structs.replace(plan, step="after commit", nth=2, sends_first=True)
    second = msgspec.structs.replace(plan, name="second", step=step, nth=nth, mutant=mutant)
    acknowledged = damaged(path, plan.url) if step in MENDING else {}
    plans = [first, second] if step in RECOVERY else [second]
    with closing(sqlite3.connect(path if step in MENDING else ":memory:")) as reader:
        reader.execute("SELECT * FROM sqlite_master").fetchall()  # because of it, the log stays beside the file
        survived = [plan.step for plan in plans if ended(plan) != -9]
    acknowledged |= told_in(output.read_text())
    return Outcome(acknowledged, survived, started_again(plan.url, path.with_name("spark.db.capture")))


def damaged(path: Path, url: str) -> dict[str, str]:
    """Make a store with a life behind it, its last days in a log of their own, and damage it.

    Returns what can be read of it still: task by id of event.
    """
    live(url, "old", 240)
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM meta").fetchall()  # from now on there is a log that nobody takes away
        live(url, "new", 10)
        db.execute("DELETE FROM snapshots")  # whoever starts next reads all events, and so comes upon the damage
        db.commit()
        log = path.with_name("spark.db-wal").read_bytes()
    page = content.index(b'"old100"') // 4096 * 4096
    content[page : page + 4096] = b"\xaa" * 4096
    path.write_bytes(content)
    path.with_name("spark.db-wal").write_bytes(log)
    copy = path.with_name("copy.db")
    copy.write_bytes(content)
    copy.with_name("copy.db-wal").write_bytes(log)
    return {event.id: event.task or "" for event in map(codec.restored, readable_events(copy))}


def live(url: str, name: str, tasks: int) -> None:
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url), source="/swarm") as spark:
        for n in range(tasks):
            told = {"task_id": f"{name}{n}", "event_id": f"{name}-{n}", "description": "x" * 100}
            signals.task_posted.send(swarm, **told)
        assert spark.flush(30)


def judge(outcome: Outcome) -> None:
    assert outcome.survived == [], "they were to die there"
    recovered.judge(outcome.after, outcome.acknowledged)


def call_of(step: str, rng: random.Random) -> int:
    first, last = CALLS.get(step, (1, 1 if step.startswith(ONCE) else 2))
    return rng.randint(first, last)


@pytest.mark.fault("F17")
@pytest.mark.parametrize("part", ["transaction", "recovery", "mending"])
def test_killed_at_any_step_all_is_stored_once(ended, tmp_path, seed, part, reached):
    rng = random.Random(seed)
    steps = {"transaction": STEPS, "recovery": RECOVERY, "mending": MENDING}[part]
    acknowledged = 0
    for n in range(TIMES):
        for step in steps:
            folder = tmp_path / f"{step} {n}"
            folder.mkdir()
            nth = call_of(step, rng)
            print(step, nth)
            outcome = run(ended, folder, step, nth)
            judge(outcome)
            acknowledged += len(outcome.acknowledged)
    reached(f"{part}: {len(steps)} steps, {TIMES} kills each, {acknowledged} acknowledged: 0 lost, 0 twice")


@pytest.mark.mutant("F17", "the journal forgets before the store has it")
def test_forgotten_too_early_it_would_be_lost(ended, tmp_path):
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge(run(ended, tmp_path, "before commit", 2, "forgotten too early"))


@pytest.mark.mutant("F17", "events and read models in two transactions")
def test_stored_by_halves_the_read_models_would_differ(ended, tmp_path):
    with pytest.raises(AssertionError, match="read models"):
        judge(run(ended, tmp_path, "after derive", 2, "two transactions"))


@pytest.mark.mutant("F17", "nobody asks what is stored already")
def test_unasked_what_is_stored_would_come_twice(ended, tmp_path):
    with pytest.raises(AssertionError, match="buried"):
        judge(run(ended, tmp_path, "recovery: before the set is removed", 1, "nothing is known"))


@pytest.mark.mutant("F17", "what the dead left is removed before it is stored")
def test_removed_too_early_it_would_be_lost(ended, tmp_path):
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge(run(ended, tmp_path, "recovery: after a batch", 2, "removed before it is stored"))


@pytest.mark.mutant("F17", "a damaged store is set aside unread")
def test_set_aside_unread_it_would_be_lost(ended, tmp_path):
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge(run(ended, tmp_path, "mending: after it is set aside", 1, "set aside before it is read"))
