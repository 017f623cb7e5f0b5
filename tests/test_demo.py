"""The demo: real files, real compressing, and three arms that differ in nothing but the advice."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import os
import random
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from spark_hooks import Recommendation
from spark_plugin import Spark, demo
from spark_plugin.coordinator import Outcome, Result, Task
from spark_plugin.demo import arms, files, tasks, workers
from spark_plugin.demo.records import Bin
from spark_plugin.demo.tasks import Job
from spark_plugin.errors import StoreUnavailable

FEW = {"text": 2, "binary": 2, "compressed": 2, "tiny": 2, "huge": 1}
STDLIB = (Path(os.__file__).parent,)

DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.decompress,
    "bz2": bz2.decompress,
    "lzma": lzma.decompress,
}


def prose(size: int, seed: int = 1) -> bytes:
    """Text that compresses as text does: words drawn from a small vocabulary."""
    rng = random.Random(seed)
    words = [f"word{rng.randrange(600)}" for _ in range(size // 5)]
    return " ".join(words).encode()[:size]


def noise(size: int) -> bytes:
    return random.Random(2).randbytes(size)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "category"),
    [
        (prose(600), "tiny"),
        (noise(600), "tiny"),
        (prose(60_000), "text"),
        (prose(60_000) + b"\0", "binary"),
        (noise(60_000), "compressed"),
        (lzma.compress(prose(200_000)), "compressed"),
        (prose(2 << 20), "huge"),
        (noise(2 << 20), "compressed"),
        (b"caf\xe9 " * 10_000, None),
    ],
)
def test_a_category_is_judged_by_content(data: bytes, category: str | None) -> None:
    assert files.category_of(data) == category


def _a_machine(place: Path) -> dict[str, bytes]:
    """A directory with something of each category, and traps."""
    contents = {
        "a/story.txt": prose(50_000),
        "a/more.txt": prose(60_000, 3),
        "b/program": prose(50_000) + bytes(5_000),
        "b/archive.gz": noise(30_000),
        "b/small.cfg": prose(300),
        "big.bin": bytes(100) + prose((2 << 20) + 9),
        "lies.png": prose(50_000),
        "middling.txt": prose(5_000),
        "a/__pycache__/story.pyc": prose(70_000) + b"\0",
    }
    for name, data in contents.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (place / "again").symlink_to(place / "a")
    (place / "link.txt").symlink_to(place / "a/story.txt")
    return contents


def test_files_are_found_for_every_category_and_traps_are_left_alone(tmp_path: Path) -> None:
    contents = _a_machine(tmp_path)
    found = files.find({"text": 2, "binary": 1, "compressed": 1, "tiny": 1, "huge": 1}, random.Random(0), [tmp_path])
    names = {category: sorted(file.name for file in own) for category, own in found.items()}
    assert names == {
        "text": ["more.txt", "story.txt"],
        "binary": ["program"],
        "compressed": ["archive.gz"],
        "tiny": ["small.cfg"],
        "huge": ["big.bin"],
    }
    assert found["binary"][0].data == contents["b/program"]
    walked = {path.relative_to(tmp_path).as_posix(): size for path, size in files._walk(tmp_path)}
    cached = "a/__pycache__/story.pyc"
    assert walked == {name: len(data) for name, data in contents.items() if name != cached}  # nothing through links


def test_what_is_missing_is_made_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "only.txt").write_bytes(prose(50_000))
    found = files.find(FEW, random.Random(0), [tmp_path])
    assert {category: len(own) for category, own in found.items()} == {
        "text": 2,
        "compressed": 2,
        "tiny": 2,
        "huge": 1,
    }
    for category, own in found.items():
        assert {files.category_of(file.data) for file in own} == {category}
    assert lzma.decompress(found["compressed"][0].data) == prose(50_000)
    assert found["huge"][0].data.startswith(prose(50_000))


def test_a_small_stock_is_used_again(tmp_path: Path) -> None:
    _a_machine(tmp_path)
    found = files.find({"text": 5}, random.Random(0), [tmp_path])
    assert list(found) == ["text"]
    assert sorted(Counter(file.name for file in found["text"]).values()) == [2, 3]


def test_nothing_to_work_on_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no files to work on"):
        files.find(FEW, random.Random(0), [tmp_path])


def test_an_unreadable_place_is_passed_over(tmp_path: Path) -> None:
    _a_machine(tmp_path)
    assert files.find({"tiny": 1}, random.Random(0), [tmp_path / "nowhere", tmp_path])["tiny"]


def test_the_search_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        (tmp_path / f"d{n:02d}").mkdir()
        (tmp_path / f"d{n:02d}" / "small.cfg").write_bytes(prose(300))
    monkeypatch.setattr(files, "_MAX_ENTRIES", 40)
    assert len(list(files._walk(tmp_path))) == 10  # thirty directories, and ten of the files in them


def test_this_machine_has_what_the_demo_needs() -> None:
    found = files.find(FEW, random.Random(0), STDLIB)
    assert {"text", "compressed", "tiny", "huge"} <= found.keys()
    assert all(files.category_of(file.data) == name for name, own in found.items() for file in own)


# --- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "data", "size"),
    [
        ("text", prose(60_000), round(0.97 * len(zlib.compress(prose(60_000), 6)))),
        ("binary", prose(60_000), round(0.93 * len(zlib.compress(prose(60_000), 6)))),
        ("compressed", noise(60_000), 60_060),
        ("tiny", prose(600), len(zlib.compress(prose(600), 6))),
        ("huge", prose(60_000), len(zlib.compress(prose(60_000), 1))),
    ],
)
def test_targets_follow_from_the_file(category: str, data: bytes, size: int) -> None:
    job = tasks.demanded(category, data)
    assert (job.data, job.target) == (data, size)
    assert job.deadline_ms >= tasks.DEMANDS[category].floor_ms


@pytest.mark.parametrize(("spent_s", "deadline_ms"), [(0.1, 600.0), (0.001, 100.0)])
def test_deadlines_follow_from_the_machine_but_have_a_floor(
    spent_s: float, deadline_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 10.0 + 3 * spent_s, 20.0, 20.0 + spent_s, 30.0, 30.0 + 2 * spent_s])  # the quickest counts
    monkeypatch.setattr(tasks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert tasks.demanded("huge", prose(60_000)).deadline_ms == pytest.approx(deadline_ms)


def test_every_category_has_a_demand_and_a_share_of_the_tasks() -> None:
    assert set(tasks.DEMANDS) == set(tasks.COUNTS) == set(files.CATEGORIES)
    assert 150 <= sum(tasks.COUNTS.values()) <= 250


def test_a_seed_fixes_the_tasks(tmp_path: Path) -> None:
    _a_machine(tmp_path)

    def prepared(seed: int) -> list[tuple[str, str | None, bytes, int]]:
        made = tasks.prepare(random.Random(seed), {"text": 2, "tiny": 3, "huge": 2}, (tmp_path,))
        return [(task.task_id, task.category, task.payload.data, task.payload.target) for task in made]  # type: ignore[attr-defined]

    assert prepared(1) == prepared(1)
    assert prepared(1) != prepared(2)
    assert [task_id for task_id, *_ in prepared(1)] == [f"demo-{n:03d}" for n in range(1, 8)]


# --- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent_id", workers.CODECS)
@pytest.mark.parametrize("data", [prose(30_000), noise(3_000), b""], ids=["prose", "noise", "nothing"])
def test_a_worker_really_compresses(agent_id: str, data: bytes) -> None:
    packed, spent = workers.measured(workers.CODECS[agent_id], data)
    assert DECOMPRESS[agent_id.split("-")[0]](packed) == data
    assert spent > 0


def test_the_settings_make_a_difference() -> None:
    source = b"".join((STDLIB[0] / name).read_bytes() for name in ("argparse.py", "typing.py", "inspect.py"))
    size = {agent_id: len(codec(source)) for agent_id, codec in workers.CODECS.items()}
    assert size["zlib-1"] > size["zlib-6"] > size["zlib-9"]
    assert size["lzma-1"] > size["lzma-6"]


@pytest.mark.parametrize("agent_id", ["zlib-1", "bz2-9", "lzma-6"])
@pytest.mark.parametrize("slack", [0, -1])
async def test_success_is_the_measured_size_and_time(agent_id: str, slack: int) -> None:
    codec = workers.CODECS[agent_id]
    size = len(codec(prose(30_000)))
    worker = workers.Compressor(agent_id, codec)
    outcome = await worker.work(Task("t", "…", payload=Job(prose(30_000), size + slack, 1e9)))
    assert outcome.succeeded is (slack == 0)
    assert outcome.detail.startswith(f"{size} of at most {size + slack} bytes{'' if slack == 0 else ': too big'}")
    assert outcome.cost is not None
    assert outcome.cost > 0
    late = await worker.work(Task("t", "…", payload=Job(prose(30_000), size, 0.0)))
    assert (late.succeeded, late.detail.endswith("too late")) == (False, True)


async def test_a_worker_measures_what_its_codec_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.25])
    monkeypatch.setattr(workers, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    worker = workers.Compressor("copy", bytes)
    outcome = await worker.work(Task("t", "…", payload=Job(b"abc", 3, 250.0)))
    assert outcome == Outcome(True, 250.0, "3 of at most 3 bytes, 250.0 of at most 250 ms")


async def test_a_worker_bids_what_it_measured_and_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec of 2 ms to start and 1 ms per 1000 bytes; then the machine becomes twice as slow."""
    pace = 1.0

    def timed(codec: workers.Codec, data: bytes) -> tuple[bytes, float]:
        return codec(data), pace * (2 + len(data) / 1000)

    monkeypatch.setattr(workers, "measured", timed)
    worker = workers.Compressor("copy", bytes)
    await worker.calibrate(noise(64_000))
    task = Task("t", "…", payload=Job(noise(100_000), 10**9, 1e9))
    first = await worker.bid(task)
    assert first == pytest.approx(102, rel=0.01)
    pace = 2.0
    for _ in range(40):
        await worker.work(task)
    assert await worker.bid(task) == pytest.approx(204, rel=0.02)


async def test_one_hiccup_of_the_machine_does_not_spoil_the_bids(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = workers.Compressor("copy", bytes)
    monkeypatch.setattr(workers, "measured", lambda codec, data: (b"", 10.0))
    await worker.calibrate(noise(64_000))
    monkeypatch.setattr(workers, "measured", lambda codec, data: (b"", 60_000.0))
    task = Task("t", "…", payload=Job(prose(500), 10**9, 1e9))
    await worker.work(task)
    assert worker.estimate(500) <= 15


async def test_other_work_is_declined() -> None:
    assert await workers.workers()[0].bid(Task("t", "Write a poem")) is None


# --- advice and arms -------------------------------------------------------------------------------------------------


def advice(**probabilities: float) -> list[Recommendation]:
    return [Recommendation(name, p, None, 1.0) for name, p in probabilities.items()]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, set()),
        ({"a": 0.8, "b": 0.73, "c": 0.71}, {"a", "b"}),
        ({"explored": 0.1, "best": 0.8, "poor": 0.5}, {"explored", "best"}),
    ],
)
def test_recommended_are_the_choice_and_all_close_to_the_best(given: dict[str, float], named: set[str]) -> None:
    assert arms.recommended(advice(**given)) == named


def test_the_lowest_bid_among_the_recommended_wins() -> None:
    bids = {"a": 3.0, "b": 2.0, "c": 1.0}
    task = Task("t", "…")
    assert arms.lowest_recommended(task, bids, advice(a=0.8, b=0.75, c=0.1)) == "b"
    assert arms.lowest_recommended(task, bids, []) == "c"
    assert arms.lowest_recommended(task, bids, advice(absent=0.9, c=0.2, b=0.1)) == "c"


def test_shuffling_moves_names_and_nothing_else() -> None:
    given = advice(a=0.9, b=0.5, c=0.3, d=0.1)
    rng = random.Random(5)
    drawn = [arms.shuffled(given, rng) for _ in range(400)]
    for one in drawn:
        assert [entry.success_probability for entry in one] == [0.9, 0.5, 0.3, 0.1]
        assert sorted(entry.agent_id for entry in one) == ["a", "b", "c", "d"]
    firsts = Counter(one[0].agent_id for one in drawn)
    assert all(60 <= firsts[name] <= 140 for name in "abcd")
    assert [entry.agent_id for entry in given] == ["a", "b", "c", "d"]


def test_an_arm_is_summed_up() -> None:
    done = [Task("1", "…", "x"), Task("2", "…", "y"), Task("3", "…", "x"), Task("4", "…", "y")]
    ends = [Outcome(True, 4.0), Outcome(False, 2.0), Outcome(False, None), Outcome(False, 2.0)]
    results = [Result(t.task_id, "a", 1.0, end, {}, 0.0) for t, end in zip(done, ends, strict=True)]
    arm = arms.summed(done, results)
    assert (arm.tasks, arm.success, arm.cost, arm.late_success) == (4, 0.25, 2.0, 0.0)
    assert arm.by_category == {"x": 0.5, "y": 0.0}


def test_calibration_compares_forecasts_with_what_happened() -> None:
    def row(success: float, succeeded: bool) -> dict[str, object]:
        return {"award": {"success": success}, "actual": {"succeeded": succeeded}}

    never_awarded: dict[str, object] = {"award": None, "actual": None}
    open_yet: dict[str, object] = {"award": {"success": 0.5}, "actual": None}
    rows = [row(0.1, False), row(0.15, True), row(0.999, True), never_awarded, open_yet]
    assert list(arms.calibration(rows)) == [
        Bin(0.0, 0.2, 2, 0.125, 0.5),
        Bin(0.8, 1.0, 1, 0.999, 1.0),
    ]


def test_a_small_demo_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK_STORE", f"sqlite:///{tmp_path / 'the-users-own.db'}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    steps: list[tuple[int, int]] = []
    result = demo.run(7, lambda done, total: steps.append((done, total)), FEW, STDLIB)
    total = sum(FEW[category] for category in result.arms["with"].by_category)
    assert total >= 7  # a machine without binaries of a fitting size does without them
    assert steps == [(n, total) for n in range(1, total + 1)]
    assert not (tmp_path / "the-users-own.db").exists()

    store = Path(result.store.removeprefix("sqlite:///"))
    assert store.is_file()
    plain = json.loads(json.dumps(demo.as_json(result)))
    assert {"seed", "without", "with", "shuffled", "predictions", "advisories"} <= plain.keys()
    for name in ("without", "with", "shuffled"):
        assert plain[name]["tasks"] == total
        assert 0 <= plain[name]["success"] <= 1
        assert plain[name]["cost"] > 0
    assert plain["predictions"]["evaluated"] == total  # Spark heard the one arm and no other
    assert sum(row["attempts"] for row in plain["calibration"]) == total

    screen = io.StringIO()
    demo.render(result, Console(file=screen, width=100))
    shown = " ".join(screen.getvalue().split())
    assert f"spark timeline --store {result.store}" in shown
    assert f"{total} tasks" in shown
    assert f"{result.arms['with'].success:.0%}" in shown


def test_the_progress_bar_keeps_quiet_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with demo.progress_bar() as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_demo_whose_store_takes_nothing_ends_with_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Spark, "flush", lambda self, timeout=None: False)
    with pytest.raises(StoreUnavailable):
        demo.run(7, None, FEW, STDLIB)
