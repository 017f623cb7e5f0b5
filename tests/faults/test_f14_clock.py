"""F14: whatever the clocks say, the answers are those of a steady clock; only expiry moves, a day a step at most."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from spark_plugin import Settings, Spark, codec, register
from spark_plugin.projection import clock
from spark_plugin.readers import EventLog
from spark_plugin.store import Filter, open_store
from tests.faults.matrix import size
from tests.faults.skewed import DAY, HOUR, JUMPS, STEP, YEAR, ZONE, plan, tell_at
from tests.faults.telling import Swarm, tell_all

ROOT = Path(__file__).parents[2]
TASKS = size(1000)
FEW = 20

Row = dict[str, Any]


class Answers(NamedTuple):
    """All that is said of a store, times left out."""

    counts: Row
    predictions: list[Row]
    timeline: list[Row]
    cards: Row
    memories: list[Row]
    advice: list[Row]
    asked: list[Any]
    expiry: dict[str, float]
    """By advisory: seconds after the first event of the log."""
    times: dict[str, float]
    """By event id, as stored."""


class Skewed(NamedTuple):
    """A history under a wrong clock and under a steady one."""

    sent: int
    steady: Answers
    wrong: Answers
    shown: dict[str, float]
    """By event id: the time that the sender gave."""
    jumps: Sequence[float]


def answers(url: str) -> Answers:
    with Spark.open(url) as spark, closing(open_store(url)) as store:
        events = store.events(Filter())
        status = spark.status()
        advisories = [*spark.advisories.all(1000), *spark.hooks.advisories(limit=1000)]
        return Answers(
            counts={name: value for name, value in status.items() if name != "capture"},
            predictions=list(spark.predictions.rows()),
            timeline=[timeless(row) for row in spark.events.timeline(limit=100_000)],
            cards={**spark.agents(), **{f"category {name}": card for name, card in spark.categories().items()}},
            memories=spark.memories.rows(limit=1000),
            advice=[timeless(msgspec.to_builtins(advisory)) for advisory in advisories],
            asked=[(spark.hooks.predict(f"t{n}"), spark.hooks.recommend(f"t{n}")) for n in range(10)],
            expiry={one.id: one.expires_at - events[0].time for one in advisories if one.expires_at is not None},
            times={row.id: row.time for row in events},
        )


def timeless(row: Row) -> Row:
    """A row without the times in it."""
    kept = {name: value for name, value in row.items() if name not in ("time", "expires_at")}
    return {name: timeless(value) if name == "data" else value for name, value in kept.items()}


def judge(outcome: Skewed) -> None:
    steady, wrong = outcome.steady, outcome.wrong
    assert steady.counts["events"] == outcome.sent, "number of events"
    assert len(steady.advice) > 2 and len(steady.predictions) > outcome.sent // 10, "this test means little"
    for name in ("counts", "predictions", "timeline", "cards", "memories", "advice", "asked"):
        assert getattr(wrong, name) == getattr(steady, name), name
    assert {name: round(instant, 6) for name, instant in outcome.shown.items()} == wrong.times, "times"
    most = sum(min(jump, DAY) for jump in outcome.jumps if jump > 0)
    least = -(STEP * len(outcome.jumps))
    for advisory, moved in moved_by(outcome).items():
        assert least - 1 <= moved <= most + 1, f"expiry of {advisory} moved by {moved} s"


def moved_by(outcome: Skewed) -> dict[str, float]:
    """By how much each advisory's expiry has moved, in seconds."""
    return {name: outcome.wrong.expiry[name] - instant for name, instant in outcome.steady.expiry.items()}


def said(outcome: Skewed) -> str:
    moved = max(map(abs, moved_by(outcome).values()))
    return f"{outcome.sent} events: same answers, expiry moved {moved / HOUR:.1f} h at most"


def by_the_sender(folder: Path, seed: int, tasks: int) -> Skewed:
    """A sender whose `time=` jumps."""
    history = plan(seed, tasks)
    urls = {name: f"sqlite:///{folder / name}.db" for name in ("steady", "wrong")}
    for name, url in urls.items():
        swarm = Swarm()
        with register(swarm, settings=Settings(store=url, batch=20), source="/swarm"):
            for event, true, shown in history.moments:
                tell_at(swarm, event, time=true if name == "steady" else shown)
    shown_by_id = {event.id: shown for event, _, shown in history.moments}
    return Skewed(len(history.moments), answers(urls["steady"]), answers(urls["wrong"]), shown_by_id, history.jumps)


def by_the_machine(folder: Path, seed: int, tasks: int, mutant: str = "none") -> Skewed:
    """A process whose clock jumps, in a zone that leaves summer time meanwhile."""
    history = plan(seed, tasks)
    wrong, steady = f"sqlite:///{folder / 'wrong.db'}", f"sqlite:///{folder / 'steady.db'}"
    finish(child(wrong, seed, tasks, 0.0, mutant))
    swarm = Swarm()
    with register(swarm, settings=Settings(store=steady, batch=20), source="/swarm"):
        for event, true, _ in history.moments:
            tell_at(swarm, event, time=true)
    shown_by_id = {event.id: shown for event, _, shown in history.moments}
    return Skewed(len(history.moments), answers(steady), answers(wrong), shown_by_id, history.jumps)


def between_processes(folder: Path, seed: int, tasks: int, mutant: str = "none") -> Skewed:
    """Two processes at once on one store, a year and two hours apart; their log is then told anew by a steady clock."""
    wrong, steady = f"sqlite:///{folder / 'wrong.db'}", f"sqlite:///{folder / 'steady.db'}"
    both = [child(wrong, seed, tasks, skew, mutant) for skew in (-2 * HOUR, YEAR)]
    try:
        side_by_side(both)
    finally:
        for process in both:
            finish(process)
    with closing(open_store(wrong)) as store:
        stored = [codec.restored(row.data) for row in store.events(Filter())]
    swarm = Swarm()
    with register(swarm, settings=Settings(store=steady, batch=20)):
        tell_all(swarm, [msgspec.structs.replace(event, time=event.extra["true"]) for event in stored])
    sent = 2 * len(plan(seed, tasks).moments)
    shown_by_id = {event.id: event.time for event in stored}
    return Skewed(sent, answers(steady), answers(wrong), shown_by_id, JUMPS[:2] * 2)


def child(url: str, seed: int, tasks: int, skew: float, mutant: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.skewed", url, str(seed), str(tasks), str(skew), mutant]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TZ": ZONE}, text=True, **pipes)


def side_by_side(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Round by round, so that no process is done before the other has begun."""
    while all([process.stdout.readline() for process in processes]):
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> None:
    try:
        _, complaints = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, complaints


@pytest.mark.fault("F14")
def test_a_sender_whose_times_jump(tmp_path, seed, reached):
    outcome = by_the_sender(tmp_path, seed, TASKS)
    judge(outcome)
    reached(f"`time=` jumps, {said(outcome)}")


@pytest.mark.fault("F14")
def test_a_process_whose_clock_jumps(tmp_path, seed, reached):
    outcome = by_the_machine(tmp_path, seed, TASKS)
    judge(outcome)
    reached(f"clock jumps, {said(outcome)}")


@pytest.mark.fault("F14")
def test_processes_whose_clocks_are_apart(tmp_path, seed, reached):
    outcome = between_processes(tmp_path, seed, TASKS)
    judge(outcome)
    reached(f"two clocks, {said(outcome)}")


def the_stamp_itself(log_clock: clock.LogClock, writer: str, stamp: float) -> float:
    log_clock.now = stamp
    return stamp


@pytest.mark.mutant("F14", "the log's time is what events say")
def test_without_a_time_of_its_own_it_fails(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(clock.LogClock, "advance", the_stamp_itself)
    with pytest.raises(AssertionError, match=r"^(counts|timeline|advice|expiry)"):
        judge(by_the_sender(tmp_path, seed, FEW))


@pytest.mark.mutant("F14", "a step of the log's time has no bound")
def test_without_the_bound_it_fails(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(clock, "MAX_STEP_S", float("inf"))
    with pytest.raises(AssertionError, match=r"^(counts|timeline|advice|expiry)"):
        judge(by_the_sender(tmp_path, seed, FEW))


@pytest.mark.mutant("F14", "the timeline is ordered by the clock")
def test_ordered_by_the_clock_it_fails(tmp_path, seed, monkeypatch):
    timeline: Callable[..., list[Row]] = EventLog.timeline

    def by_time(log: EventLog, **which: Any) -> list[Row]:
        return sorted(timeline(log, **which), key=lambda row: row["time"], reverse=True)

    monkeypatch.setattr(EventLog, "timeline", by_time)
    with pytest.raises(AssertionError, match=r"^timeline\n"):
        judge(by_the_sender(tmp_path, seed, FEW))


@pytest.mark.mutant("F14", "a time without a zone is taken for local")
def test_with_local_times_it_fails(tmp_path, seed):
    with pytest.raises(AssertionError, match=r"^times\n"):
        judge(by_the_machine(tmp_path, seed, FEW, "local times"))


@pytest.mark.mutant("F14", "all processes share one clock; ids are made of it")
@pytest.mark.parametrize(
    ("mutant", "found"),
    [("one clock for all", "expiry|counts|timeline|advice"), ("ids by the clock", "number of events")],
)
def test_without_clocks_and_ids_of_their_own_processes_fail(tmp_path, seed, mutant, found):
    with pytest.raises(AssertionError, match=f"^({found})"):
        judge(between_processes(tmp_path, seed, FEW, mutant))
