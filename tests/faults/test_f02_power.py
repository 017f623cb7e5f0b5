"""F2: the power is cut at any moment, and the disk forgets what was not synced: of the journal, and of the store."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.capture import journal
from spark_plugin.store import Filter, open_store
from tests.faults.disk import Disk, Step, steps_of
from tests.faults.matrix import size
from tests.faults.recovered import ROOT, child

CUTS = size(2000)
TASKS = 20
PAIRS = max(2, CUTS // 250)
"""How many pairs of processes, one after the other, meet with a share of the cuts each."""


class Swarm:
    """The next coordinator."""


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """To reserve large ones takes most of the time that a start takes."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 64 << 10)
    monkeypatch.setattr(journal, "MAX_RECORD", 32 << 10)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that logs what a process does to its files."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("no C compiler here to make the library that logs what a process writes")
    library = tmp_path_factory.mktemp("shim") / "disklog.so"
    source = Path(__file__).with_name("disklog.c")
    made = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True)
    if made.returncode:
        pytest.skip(f"the library that logs what a process writes cannot be made: {made.stderr.decode()[:200]}")
    return library


def log_of_two_lives(shim: Path, folder: Path, mutant: str = "") -> list[Step]:
    """Let a process send until it dies, and another one after it; return all that they did to their files."""
    below, log = folder / "below", folder / "log"
    below.mkdir()
    environment = os.environ | {"LD_PRELOAD": str(shim), "DISKLOG_BELOW": str(below), "DISKLOG_TO": str(log)}
    for end in ("die", "close"):
        command = child("powercut", str(below), str(TASKS), end, mutant)
        subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=True)
    steps = list(steps_of(log))
    seen = {step.names[0].name for step in steps if step.kind == "C"}
    if not {"spark.db", "spark.db-wal", "told"} <= seen:
        pytest.skip("what this SQLite writes cannot be logged: it is no library of its own")
    return steps


def lost_at(steps: list[Step], below: Path, moments: list[int], rng: random.Random) -> Iterator[tuple[int, list[str]]]:
    """(how many were acknowledged before, which of them are lost) of a power cut at each of these moments."""
    disk, done = Disk(below), 0
    for moment in moments:
        for step in steps[done:moment]:
            disk.take(step)
        done = moment
        acknowledged = disk.told.memory.decode().split()
        with tempfile.TemporaryDirectory(dir=below.parent) as folder:
            disk.after_a_power_cut(rng, Path(folder))
            stored = started_again(Path(folder))
        assert set(stored.values()) <= {1}, "stored twice"
        yield len(acknowledged), [name for name in acknowledged if name not in stored]


def started_again(folder: Path) -> Counter[str]:
    """How often each event is in the store when the next process has recovered it."""
    url = f"sqlite:///{folder / 'a new' / 'place' / 'spark.db'}"
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url)) as spark:
        signals.custom.send(swarm, type="started_again")
        assert any(spark.flush(30) for _ in range(10)), spark.trouble
    with closing(open_store(url)) as store:
        assert store.check() == []
        return Counter(row.id for row in store.events(Filter()))


def cut(shim: Path, folder: Path, rng: random.Random, cuts: int, mutant: str = "") -> Iterator[tuple[int, list[str]]]:
    folder.mkdir()
    steps = log_of_two_lives(shim, folder, mutant)
    moments = sorted(rng.randrange(len(steps) + 1) for _ in range(cuts))
    yield from lost_at(steps, folder / "below", moments, rng)


@pytest.mark.fault("F2")
def test_the_power_is_cut_and_nothing_acknowledged_is_lost(shim, tmp_path, seed, reached):
    rng = random.Random(seed)
    at_stake = 0
    for n in range(PAIRS):
        for acknowledged, lost in cut(shim, tmp_path / str(n), rng, CUTS // PAIRS):
            assert not lost, f"{len(lost)} of {acknowledged} acknowledged lost: {lost[:5]}"
            at_stake += acknowledged
    reached(f"{CUTS} power cuts, on average after {at_stake // CUTS} acknowledged: 0 lost, 0 twice, every store sound")


@pytest.mark.mutant("F2", "a part of what must be synced is not")
@pytest.mark.parametrize(
    "mutant",
    [
        "journal not synced",
        "store not synced",
        "wiped before it is noted",
        "names not synced",
        "names above not synced",
    ],
)
def test_without_each_of_the_syncs_some_would_be_lost(shim, tmp_path, seed, mutant):
    assert any(lost for _, lost in cut(shim, tmp_path / "life", random.Random(seed), 150, mutant))
