"""F21: a process forks while its threads send, and its children send too: each keeps a journal of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults import recovered
from tests.faults.matrix import size
from tests.faults.recovered import Recovered, started_again, told_in

FORKS = size(120)
NEW_STORES = size(30)
LIMIT_S = 30.0
"""No child lives that long, unless it hangs."""


class Outcome(NamedTuple):
    """What a forking process and its children told, and what the store has of it."""

    acknowledged: dict[str, str]
    writers: dict[str, set[str]]
    """The names under which each coordinator of each process wrote, by ``process/coordinator``."""
    trouble: list[str]
    ended: int
    after: Recovered


def run(url: str, directory: Path, forks: int, mutant: str = "", limit_s: float = LIMIT_S) -> Outcome:
    output = directory.with_name("told")
    ended = recovered.run("forking", url, str(forks), str(limit_s), mutant, output=output, seconds=60 + limit_s * forks)
    text = output.read_text()
    writers: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        if not line.startswith("!"):
            name, _, writer = line.split()
            writers[writer].add(name.rpartition("-")[0])
    trouble = [line for line in text.splitlines() if line.startswith("!")]
    return Outcome(told_in(text), dict(writers), trouble, ended, started_again(url, directory))


def judge(outcome: Outcome) -> None:
    assert outcome.trouble == []
    assert outcome.ended == 0
    names = [name for written in outcome.writers.values() for name in written]
    assert len(names) == len(set(names)) == len(outcome.writers), (
        "each coordinator of each process writes under a name of its own"
    )
    recovered.judge(outcome.after, outcome.acknowledged)


def told_of(outcomes: Sequence[Outcome]) -> str:
    processes = sum(len({writer.partition("/")[0] for writer in outcome.writers}) for outcome in outcomes)
    return f"{processes} processes sent {sum(len(outcome.acknowledged) for outcome in outcomes)} events"


@pytest.mark.fault("F21")
def test_forked_while_sending_each_process_keeps_its_own(url, directory, reached):
    outcome = run(url, directory, FORKS)
    judge(outcome)
    reached(f"{FORKS} forks, {told_of([outcome])}: 0 lost, 0 overwritten, 0 twice, none hung")


@pytest.mark.fault("F21")
def test_forked_while_its_store_is_made_each_process_keeps_its_own(tmp_path, reached):
    outcomes = []
    for n in range(NEW_STORES):
        (folder := tmp_path / str(n)).mkdir()
        outcomes.append(run(f"sqlite:///{folder / 'spark.db'}", folder / "spark.db.capture", 2))
        judge(outcomes[-1])
    reached(f"{NEW_STORES} new stores, forked while they are made, {told_of(outcomes)}: 0 lost")


@pytest.mark.mutant("F21", "a child takes along what its parent is just opening")
def test_a_child_that_takes_along_what_is_just_opened_writes_where_nobody_looks(url, directory):
    outcome = run(url, directory, 24, "opening", limit_s=10)
    with pytest.raises(AssertionError, match=r"lost|not sound"):
        recovered.judge(outcome.after, outcome.acknowledged)
    with pytest.raises(AssertionError):
        judge(outcome)


@pytest.mark.mutant("F21", "a child takes its parent's connections along")
def test_with_its_parents_connections_a_child_hangs_or_is_locked_out(url, directory):
    outcome = run(url, directory, 12, "connections", limit_s=2)
    assert any("hung" in line or "could not store" in line for line in outcome.trouble), outcome.trouble
    with pytest.raises(AssertionError):
        judge(outcome)


@pytest.mark.mutant("F21", "a child writes into its parent's journal")
def test_in_a_shared_journal_events_are_overwritten(url, directory):
    outcome = run(url, directory, 3, "journal", limit_s=3)
    with pytest.raises(AssertionError, match=r"lost|overwritten"):
        recovered.judge(outcome.after, outcome.acknowledged)
    with pytest.raises(AssertionError):
        judge(outcome)


@pytest.mark.mutant("F21", "a child uses its parent's ids")
def test_under_a_shared_name_events_pass_for_others(url, directory):
    outcome = run(url, directory, 3, "ids", limit_s=3)
    with pytest.raises(AssertionError, match=r"a name of its own|could not store what it sent"):
        judge(outcome)
    with pytest.raises(AssertionError, match=r"lost|overwritten"):
        recovered.judge(outcome.after, outcome.acknowledged)
