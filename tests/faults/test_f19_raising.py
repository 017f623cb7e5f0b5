"""F19: Spark raises at each of its own steps, or plugins do what they should not: the coordinator notices nothing."""

from __future__ import annotations

import functools
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_hooks import Hooks, Receipt, hookimpl, plugins, signals
from spark_hooks.bridge import Bridge, Stamp
from spark_hooks.events import Event
from spark_hooks.plugins import Call, Plugins
from spark_plugin import Settings, Spark, register
from spark_plugin.capture import Carrier, capture, carrier, journal
from spark_plugin.capture.drainer import Drainer
from spark_plugin.coordinator import SwarmCoordinator
from spark_plugin.projection import projection
from spark_plugin.store.sqlite import SqliteTransaction
from tests.faults import misbehaving
from tests.faults.failing import (
    AGENTS,
    ASKING,
    ENDING,
    ERRORS,
    LEARNING,
    SENDING,
    STORING,
    complaints,
    coordinator,
    day,
    unsound,
)
from tests.faults.matrix import FULL

ingest = sys.modules["spark_plugin.capture.ingest"]  # by its name one may get the function

TASKS = 4
Step = tuple[Any, str]
PARTS: dict[str, list[Step]] = {
    "sending": SENDING,
    "storing": STORING,
    "learning": LEARNING,
    "asking": ASKING,
    "registering": [*SENDING, *STORING, *LEARNING, *ASKING],
    "ending": ENDING,
}


class Outcome(NamedTuple):
    """What a coordinator came to with Spark in trouble beside it, and what it met with."""

    problems: list[str]
    results: list[Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small segments and frequent snapshots, so that their steps are come to; and short waits after each failure."""
    for module, name, value in (
        (journal, "SEGMENT_BYTES", 16 << 10),
        (journal, "MAX_RECORD", 8 << 10),
        (projection, "SNAPSHOT_EVERY", 20),
        (projection, "PATIENCE_S", 0.01),
        (carrier, "FIRST_RETRY_S", 0.002),
        (carrier, "LAST_RETRY_S", 0.01),
        (carrier, "POLL_S", 0.002),
        (capture, "RETRY_S", 0.01),
    ):
        monkeypatch.setattr(module, name, value)


def run(folder: Path, step: Step, error: str, every: int, part: str) -> Outcome:
    """A day on which a step of Spark's fails: from the start, or after a good day, or up to its end."""
    swarm = coordinator()
    settings = Settings(store=f"sqlite:///{folder / 'spark.db'}", batch=7)
    with noticed() as problems:
        trouble = broken(step, error, every)
        if part == "registering":
            with trouble:
                spark = register(swarm, settings=settings)
                results = worked(swarm, spark, problems)
        else:
            spark = register(swarm, settings=settings)
            day(swarm, 0, TASKS)
            spark.flush(10)
            with trouble:
                results = worked(swarm, spark, problems)
                if part == "ending":
                    attempt(problems, "close", spark.close)
        if part != "ending" and spark.enabled:
            problems += not_well(swarm, spark)
        attempt(problems, "close", spark.close)
    return Outcome(problems, results)


def worked(swarm: SwarmCoordinator, spark: Spark, problems: list[str]) -> list[Any]:
    """What came of a day of work, with questions asked at each award."""
    results: list[Any] = []
    attempt(problems, "a signal", lambda: results.extend(day(swarm, 1, TASKS, lambda: problems.extend(unsound(spark)))))
    attempt(problems, "flush", lambda: spark.flush(0.05))
    return results


def not_well(swarm: SwarmCoordinator, spark: Spark) -> Iterator[str]:
    """Once the trouble is over, everything is as ever, soon."""
    told = {"task_id": "late", "event_id": "late", "description": "", "candidates": AGENTS}
    for _ in range(100):
        [(_, receipt)] = signals.task_posted.send(swarm, **told)
        if receipt.state == "journaled":
            break
        time.sleep(0.01)
    else:
        yield f"afterwards nothing is taken: {receipt}"
    if not any(spark.flush(5) for _ in range(5)):
        yield f"afterwards nothing is stored: {spark.trouble}"
    elif spark.events.count(task="late") != 1:
        yield "what was told to be stored is not there"
    yield from unsound(spark)
    if not spark.hooks.predict("late").success:
        yield "afterwards nothing is predicted"


def attempt(problems: list[str], what: str, do: Callable[[], Any]) -> None:
    try:
        do()
    except BaseException as error:
        problems.append(f"{what} raised {error!r}")


@contextmanager
def broken(step: Step, error: str, every: int) -> Iterator[None]:
    """One step of Spark's fails, at every call or at some."""
    owner, name = step
    real, calls, over = getattr(owner, name), itertools.count(), threading.Event()

    @functools.wraps(real)  # pluggy's marks go along
    def fails(*args: Any, **kwargs: Any) -> Any:
        if next(calls) % every == 0 and not over.is_set():  # somebody may keep hold of this function
            raise ERRORS[error]()
        return real(*args, **kwargs)

    setattr(owner, name, fails)
    try:
        yield
    finally:
        over.set()
        setattr(owner, name, real)


@contextmanager
def noticed() -> Iterator[list[str]]:
    """What the coordinator notices; and threads that end before their time, which nobody would notice for long."""
    hook = threading.excepthook
    with complaints() as problems:
        threading.excepthook = lambda died: problems.append(f"{died.thread} died of {died.exc_value!r}")
        try:
            yield problems
        finally:
            threading.excepthook = hook


def judge(outcome: Outcome) -> None:
    assert not outcome.problems, outcome.problems[0]
    assert outcome.results == day(coordinator(), 1, TASKS), "the coordinator came to other results"


def missed(tmp_path: Path, part: str, todo: list[tuple[Step, str, int]]) -> list[str]:
    """The runs that did not come to what they should, in words."""
    found = []
    for n, (step, error, every) in enumerate(todo):
        (folder := tmp_path / str(n)).mkdir()
        try:
            judge(run(folder, step, error, every, part))
        except AssertionError as wrong:
            found.append(f"{step[0].__name__}.{step[1]} raising {error} at every {every}. call: {wrong}")
    return found


def cases(steps: list[Step], rng: random.Random) -> list[tuple[Step, str, int]]:
    """Every step with every error, at every call and at every third; of these one each, where it is to be quick."""
    if FULL:
        return list(itertools.product(steps, ERRORS, (1, 3)))
    some = rng.sample(steps, len(steps) // 3) if len(steps) > 50 else steps
    return [(step, rng.choice(list(ERRORS)), rng.choice((1, 3))) for step in some]


@pytest.mark.fault("F19")
@pytest.mark.parametrize("part", PARTS)
def test_whatever_step_fails_the_coordinator_does_not(tmp_path, seed, part, reached):
    todo = cases(PARTS[part], random.Random(seed))
    wrong = missed(tmp_path, part, todo)
    assert not wrong, "\n".join(wrong)
    reached(f"{part}: {len(PARTS[part])} steps, {len(todo)} runs")


def run_beside_plugin(folder: Path, act: misbehaving.Act, hooks: Sequence[str], *, fails: bool = True) -> Outcome:
    """A day beside a plugin that does what it should not, and the first hours after it has gone.

    `fails`: it does not answer None, which would leave a text as it is where it is asked to redact it.
    """
    swarm = coordinator()
    folder.mkdir()
    with noticed() as problems:
        spark = register(swarm, settings=Settings(store=f"sqlite:///{folder / 'spark.db'}", batch=7))
        plugin, watch = misbehaving.plugin(act, hooks), Watch()
        attempt(problems, "register", lambda: spark.hooks.register(plugin))
        spark.hooks.register(watch)
        results = worked(swarm, spark, problems)
        if not any(spark.flush(5) for _ in range(3)):
            problems.append(f"beside it nothing is stored: {spark.trouble}")
        attempt(problems, "unregister", lambda: spark.hooks.unregister(plugin))
        problems += not_well(swarm, spark)
        problems += watch.noticed
        problems += altered(spark) if hooks != ["redact"] else badly_redacted(spark) if fails else ()
        attempt(problems, "close", spark.close)
    return Outcome(problems, results)


class Watch:
    """A plugin that notices what others did to an event."""

    def __init__(self) -> None:
        self.noticed: list[str] = []

    @hookimpl
    def event_captured(self, event: Event) -> None:
        if event.task == "changed" or "by a plugin" in event.extra or "byaplugin" in event.attributes:
            self.noticed.append(f"another plugin changed {event.id}")


def altered(spark: Spark) -> Iterator[str]:
    """What is stored otherwise than it was sent."""
    rows = spark.events.query(limit=None, newest_first=False)
    if "changed" in repr(rows) or "by a plugin" in repr(rows):
        yield "something is stored as a plugin left it"
    posted = [row["data"].get("candidates") for row in rows if (row["task_id"], row["type"]) == ("101", "task_posted")]
    if posted != [list(AGENTS)]:
        yield "candidates are stored otherwise than they were sent"
    if [row["data"].get("a") for row in rows if row["task_id"] == "whole 1"] != [[1]]:
        yield "an event sent whole is stored otherwise"


def badly_redacted(spark: Spark) -> Iterator[str]:
    """Where a plugin that should redact fails, what it should have redacted is not stored."""
    for row in spark.events.query(limit=None, type="task_posted"):
        if row["id"] != "late" and "Fix it" in repr(row["data"]):
            yield f"stored unredacted: {row['data']}"


def acts(rng: random.Random) -> list[tuple[str, misbehaving.Act]]:
    every = list(misbehaving.acts(0.05 if FULL else 0.003))
    return every if FULL else rng.sample(every, 20)


@pytest.mark.fault("F19")
def test_whatever_a_plugin_does_the_coordinator_does_not_notice(tmp_path, seed, reached):
    todo = [*acts(random.Random(seed)), ("changes what it is given", misbehaving.changing)]
    others = [name for name in misbehaving.HOOKS if name != "redact"]
    wrong = []
    for n, ((name, act), hooks) in enumerate(itertools.product(todo, (others, ["redact"]))):
        try:
            judge(run_beside_plugin(tmp_path / str(n), act, hooks, fails=name.startswith(("raises", "answers"))))
        except AssertionError as found:
            wrong.append(f"a plugin that {name} in {hooks}: {found}")
    assert not wrong, "\n".join(wrong)
    reached(f"{len(todo)} bad plugins in {len(misbehaving.HOOKS)} hooks: 0 exceptions, results and store unchanged")


@pytest.mark.mutant("F19", "an error of a plugin goes through")
def test_unguarded_a_plugin_would_be_noticed(tmp_path, monkeypatch):
    told = {"event": lambda event, coordinator: event, "coordinator": lambda event, coordinator: coordinator}

    def unguarded(self: Plugins, call: Call, event: Event, coordinator: object) -> Any:
        return call.function(*[told[name](event, coordinator) for name in call.arguments])

    monkeypatch.setattr(Plugins, "_told", unguarded)
    monkeypatch.setattr(Bridge, "failed", reraise)
    with pytest.raises(AssertionError, match="a receiver of a signal failed"):
        judge(run_beside_plugin(tmp_path / "store", misbehaving.raising(ValueError()), ["task_assigned"]))


@pytest.mark.mutant("F19", "an error of the bridge's own goes through")
def test_an_unguarded_bridge_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Bridge, "failed", reraise)
    with pytest.raises(AssertionError, match="a receiver of a signal failed"):
        judge(run(tmp_path, (Stamp, "__call__"), "OSError", 1, "sending"))


@pytest.mark.mutant("F19", "an error on the way to an answer goes through")
def test_unguarded_questions_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Hooks, "_safe", lambda self, hook, nothing, answer: answer())
    with pytest.raises(AssertionError, match="predict raised"):
        judge(run(tmp_path, (Plugins, "ask"), "ValueError", 1, "asking"))


@pytest.mark.mutant("F19", "the drainer ends with what it met")
def test_a_drainer_that_ends_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Carrier, "attempt", lambda self, step: step())
    monkeypatch.setattr(Drainer, "work", run_until_it_fails)
    with pytest.raises(AssertionError, match="died of"):
        judge(run(tmp_path, (SqliteTransaction, "append"), "OSError", 3, "storing"))


@pytest.mark.mutant("F19", "plugins are all given the same event")
def test_given_the_same_event_plugins_would_change_it_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "apart", lambda event: event)
    with pytest.raises(AssertionError, match="another plugin changed"):
        judge(run_beside_plugin(tmp_path / "store", misbehaving.changing, ["event_captured"]))


@pytest.mark.mutant("F19", "an event is stored after plugins have seen it")
def test_stored_after_plugins_saw_it_an_event_would_be_altered(tmp_path, monkeypatch):
    row = ingest._row
    monkeypatch.setattr(plugins, "apart", lambda event: event)
    monkeypatch.setattr(
        ingest, "_row", lambda at, event, projection: (projection.project(at, event), row(at, event, projection))[1]
    )
    with pytest.raises(AssertionError, match="beside it nothing is stored"):
        judge(run_beside_plugin(tmp_path / "store", misbehaving.changing, ["score_importance"]))


def run_until_it_fails(drainer: Drainer) -> None:
    while not drainer.stop_asked:
        drainer.rest(0.002 * (not drainer._move()))
    drainer._end()


def reraise(bridge: Bridge, cls: type[Event], error: BaseException) -> Receipt:
    raise error
