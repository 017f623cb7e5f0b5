"""F1: a process that sends from four threads is killed, again and again, at all times of its life."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.faults import recovered
from tests.faults.killed import Plan
from tests.faults.matrix import size
from tests.faults.recovered import ROOT, Recovered, child, started_again, told_in

KILLS = size(200)
PATIENCE_S = 5.0
WHEN = ("start", "batch", "roll", "close")


class Outcome(NamedTuple):
    """What killed processes told before their death, and what the store has of it."""

    acknowledged: dict[str, str]
    ended_by_themselves: int
    after: Recovered


def run(url: str, directory: Path, seed: int, kills: int, mutant: str = "", when: tuple[str, ...] = WHEN) -> Outcome:
    rng = random.Random(seed)
    acknowledged: dict[str, str] = {}
    ended = 0
    for n in range(kills):
        text, ended_itself = killed(url, f"r{n}", when[n % len(when)], rng, mutant)
        acknowledged |= told_in(text)
        ended += ended_itself
    return Outcome(acknowledged, ended, started_again(url, directory))


def killed(url: str, name: str, when: str, rng: random.Random, mutant: str) -> tuple[str, bool]:
    """What a process wrote until it was killed; and whether it was quicker and ended by itself."""
    plan = Plan(url=url, name=name, threads=4, small_segments=when == "roll", mutant=mutant)
    plan.pause_s = {"start": 0.001, "busy": 0.001}.get(when, 0.015)
    plan.closes_after = rng.randrange(30) if when == "close" else None
    command = child("killed", msgspec.json.encode(plan).decode())
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            heard = _heard_until(process, {"start": "!begins", "close": "!closing"}.get(when, "!stores"), PATIENCE_S)
            time.sleep(rng.uniform(0, 0.05))
        finally:
            process.kill()
        assert process.stdout is not None
        return heard + process.stdout.read(), process.wait() != -9


def _heard_until(process: subprocess.Popen[str], word: str, seconds: float) -> str:
    """What it wrote until this word came, or it took too long."""
    assert process.stdout is not None
    heard: list[str] = []
    end = time.monotonic() + seconds
    for line in process.stdout:
        heard.append(line)
        if line.strip() == word or time.monotonic() > end:
            break
    return "".join(heard)


def judge(outcome: Outcome) -> None:
    assert outcome.ended_by_themselves == 0, "they were to be killed"
    recovered.judge(outcome.after, outcome.acknowledged)


@pytest.mark.fault("F1")
def test_killed_at_all_times_nothing_acknowledged_is_lost(url, directory, seed, reached):
    outcome = run(url, directory, seed, KILLS)
    judge(outcome)
    reached(f"{KILLS} kills, {len(outcome.acknowledged)} acknowledged: 0 lost, 0 twice, read models equal a rebuild")


@pytest.mark.mutant("F1", "acknowledged before it is in the journal")
def test_acknowledged_too_early_it_would_be_lost(tmp_path, seed):
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge_some(tmp_path, seed, "acknowledged too early")


@pytest.mark.mutant("F1", "the journal forgets before the store has it")
def test_forgotten_too_early_it_would_be_lost(tmp_path, seed):
    with pytest.raises(AssertionError, match="acknowledged lost"):
        judge_some(tmp_path, seed, "forgotten too early")


@pytest.mark.mutant("F1", "events and read models in two transactions")
def test_stored_by_halves_the_read_models_would_differ(tmp_path, seed):
    with pytest.raises(AssertionError, match="read models"):
        judge_some(tmp_path, seed, "two transactions")


def judge_some(folder: Path, seed: int, mutant: str) -> None:
    """Kill in the middle of a batch, up to six times; a store for each, so that none has much to recover."""
    for n in range(6):
        path = folder / str(n) / "spark.db"
        judge(run(f"sqlite:///{path}", path.with_name("spark.db.capture"), seed + n, 1, mutant, ("busy",)))
