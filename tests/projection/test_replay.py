"""Same log, same bytes: whatever the batches, the hash seed, the interruptions; and what was forecast stands."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.success import SuccessModel
from spark_eidos.winner import WinnerModel
from spark_plugin.projection import ledger, projection, published, tasks
from spark_plugin.projection import state as state_module
from spark_plugin.projection.state import SNAPSHOT_VERSION, load
from spark_plugin.store import EventRow, Filter, open_store
from tests.projection.swarmlog import (
    MODELS,
    Run,
    assigned,
    attempt,
    completed,
    digest,
    fall_and_rise,
    posted,
    random_log,
    record,
    stamped,
)

ROOT = Path(__file__).parents[2]


def broken_off(*_: object) -> None:
    raise KeyboardInterrupt


def ledger_of(run: Run) -> list[Any]:
    return [row for kind in (ledger.FORECAST, ledger.AWARD, ledger.SCORE) for row in run.derived(kind)]


def test_the_batch_size_changes_nothing() -> None:
    log = random_log(3)
    runs = [Run(batch=batch).take(log) for batch in (1, 7, 1000)]
    rows = [[msgspec.json.encode(row) for row in run.rows()] for run in runs]
    assert len(rows[0]) > 50
    assert rows[0] == rows[1] == rows[2]
    assert runs[0].contents() == runs[1].contents() == runs[2].contents()
    assert runs[0].dump() == runs[1].dump() == runs[2].dump()


def test_the_hash_seed_changes_nothing() -> None:
    script = "from tests.projection.swarmlog import digest, random_log; print(digest(random_log(3), batch=7))"
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }
    assert found == {digest(random_log(3), batch=7)}


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 5), where=st.floats(0, 1))
def test_cutting_a_log_leaves_what_was_settled_and_what_was_frozen(seed: int, where: float) -> None:
    log = random_log(seed, tasks=20)
    cut, whole = Run().take(log[: int(where * len(log))]), Run().take(log)
    upto = cut.store.position()
    made = set(whole.store.derived(Filter()))  # more than before the cut, where something came that was waited for
    assert set(cut.store.derived(Filter())) <= made
    after = {(row["task_id"], row["attempt"]): row for row in whole.rows()}
    for row in cut.rows():
        later = after[row["task_id"], row["attempt"]]
        if row["scores"]:
            assert msgspec.json.encode(later) == msgspec.json.encode(row)
        for frozen in ("candidates", "winner", "success", "bid", "model"):
            assert later[frozen] == row[frozen]
        if row["award"]:
            assert later["award"] == row["award"]
    assert cut.importance() == whole.importance()[:upto]


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("place", [0, 1, 150, 299])
def test_snapshot_and_catch_up_equal_an_uninterrupted_run(place: int, snapshot: bool) -> None:
    log = random_log(5)
    straight = Run(batch=7).take(log)
    second = Run(batch=7).take(log[:place]).restarted(snapshot=snapshot)
    assert (second.store.snapshot(SNAPSHOT_VERSION) is not None) == (snapshot and place > 0)
    second.take(log[place:])
    assert second.dump() == straight.dump()
    assert second.contents() == straight.contents()


def test_a_snapshot_is_read_and_spares_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run().take(random_log(5))
    state = run.dump()
    again = run.restarted(snapshot=True)
    monkeypatch.setattr(projection.codec, "decode", lambda line: pytest.fail("the log was read"))
    again.take([])
    assert again.dump() == state


def checked(body: bytes) -> bytes:
    """What is no state, with the checksum that fits."""
    return struct.pack("<I", zlib.crc32(body)) + body


def test_a_snapshot_is_written_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "SNAPSHOT_EVERY", 100)
    run = Run(batch=30)
    log = stamped(record("ada", [True] * 60))
    run.take(log[:90])
    assert run.store.snapshot(SNAPSHOT_VERSION) is None
    run.take(log[90:])
    data = run.store.snapshot(SNAPSHOT_VERSION)
    assert data is not None
    assert load(data).position == 120
    assert run.restarted(snapshot=False).take([]).dump() == run.dump()


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", b"\x80", "text", 5, checked(b"\x80x"), checked(b"\x81\xa6agents\x81\xa2\xff\xfe\x80"),
     checked(b"\x91" * 100_000)],
    ids=lambda data: repr(data)[:40],
)  # fmt: skip
def test_a_snapshot_that_cannot_be_read_is_passed_over(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    run = Run().take(stamped(record("ada", [True] * 4)))
    state = run.dump()
    again = run.restarted(snapshot=True)
    with run.store.transaction() as transaction:
        transaction.save_snapshot(SNAPSHOT_VERSION, data)
    again.take([])
    assert again.dump() == state


@pytest.mark.parametrize("place", [0, 3, 4, 40, 400, -1])
def test_a_snapshot_with_one_wrong_bit_is_passed_over(place: int, caplog: pytest.LogCaptureFixture) -> None:
    """It may well be a state, but it is not the one that was saved; and a page of SQLite has no checksum."""
    run = Run().take(stamped(record("ada", [True] * 40)))
    state = run.dump()
    again = run.restarted(snapshot=True)
    with run.store.transaction() as transaction:
        saved = bytearray(transaction.snapshot(SNAPSHOT_VERSION) or b"")
        saved[place] ^= 1
        transaction.save_snapshot(SNAPSHOT_VERSION, bytes(saved))
    again.take([])
    assert again.dump() == state
    assert "cannot be read" in caplog.text


def test_a_snapshot_of_another_version_is_not_read() -> None:
    run = Run().take(stamped(record("ada", [True] * 4)))
    again = run.restarted(snapshot=False)
    with run.store.transaction() as transaction:
        transaction.save_snapshot("0:other-models", b"must not be looked at")
    assert again.take([]).dump() == run.dump()


def test_a_snapshot_ahead_of_the_log_is_not_read() -> None:
    """A store put back from a backup, with a snapshot that is newer."""
    ahead = Run().take(random_log(5)).restarted(snapshot=True)
    data = ahead.store.snapshot(SNAPSHOT_VERSION)
    assert data is not None
    run = Run().take(stamped(record("ada", [True] * 4)))
    again = run.restarted(snapshot=False)
    with run.store.transaction() as transaction:
        transaction.save_snapshot(SNAPSHOT_VERSION, data)
    assert again.take([]).dump() == run.dump()


def test_a_rebuild_brings_back_lost_and_garbled_read_models() -> None:
    run = Run(batch=7).take([*random_log(6), *stamped(fall_and_rise(), start=2e9, writer="x")])
    before, state = run.contents(), run.dump()
    assert all(before["models"][kind] for kind in MODELS), "the log fills every read model"
    with run.store.transaction() as transaction:
        transaction.reset_models()
        transaction.publish(published.AGENT, {"ada": b"garbage", "nobody": b"{}"})
        transaction.set_importance(dict.fromkeys(range(1, 40), 0.0))
        transaction.save_snapshot(SNAPSHOT_VERSION, b"garbage")
    assert run.rebuild() == run.store.position()
    assert run.contents() == before
    assert run.dump() == state


def test_a_rebuild_in_small_steps_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(batch=7).take(random_log(6))
    before = run.contents()
    monkeypatch.setattr(projection, "CHUNK", 13)
    run.rebuild()
    assert run.contents() == before
    assert run.restarted(snapshot=False).take([]).dump() == run.dump()


def test_a_rebuild_that_is_broken_off_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(batch=7).take(random_log(6))
    before = run.contents()
    with monkeypatch.context() as patch:
        patch.setattr(published, "summary", broken_off)
        with pytest.raises(KeyboardInterrupt):
            run.rebuild()
    assert run.contents() == before
    assert run.restarted(snapshot=False).take([]).contents() == before


@pytest.mark.parametrize("way", ["rebuild", "catch-up"])
def test_what_was_forecast_stands_when_the_models_change(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [*random_log(8), *stamped([posted("last", ["ada", "bo"])], start=2e9, writer="x")]
    run = Run(batch=7).take(log)
    before, rows, scores = ledger_of(run), run.rows(), run.summary()["predictions"]
    monkeypatch.setattr(SuccessModel, "blend", lambda self, experts: np.full(len(experts), 0.123))
    monkeypatch.setattr(WinnerModel, "predict_one", lambda self, task, features: dict.fromkeys(task.candidates, 0.0))
    if way == "rebuild":
        run.rebuild()
    run = run.restarted(snapshot=False).take([])
    assert ledger_of(run) == before
    assert run.rows() == rows
    assert run.summary()["predictions"] == scores
    scoreboard = run.state.eidos.scoreboard
    assert scoreboard.summary() == scores, "the record of the forecasts is that of those that were made"
    # an attempt under way is scored by what was said then; only what is new is forecast anew
    run.take(stamped([assigned("last", "bo"), *attempt("new", "bo", True)], start=2.1e9, writer="y"))
    by_task = {row["task_id"]: row for row in run.rows()}
    assert by_task["last"]["success"] == rows[-1]["success"] != {"ada": 0.123, "bo": 0.123}
    assert by_task["new"]["success"] == {"ada": 0.123, "bo": 0.123}
    assert by_task["new"]["award"]["success"] == 0.123


def test_an_attempt_under_way_is_scored_by_the_forecast_made_at_its_assignment(monkeypatch: pytest.MonkeyPatch) -> None:
    log = stamped([*record("ada", [True] * 5), posted("open"), assigned("open", "ada")])
    run = Run().take(log)
    [said] = [row["award"]["success"] for row in run.rows() if row["task_id"] == "open"]
    monkeypatch.setattr(SuccessModel, "blend", lambda self, experts: np.full(len(experts), 0.001))
    run = run.restarted(snapshot=False).take(stamped([completed("open", "ada")], start=2e9, writer="later"))
    [row] = [row for row in run.rows() if row["task_id"] == "open"]
    assert row["award"]["success"] == said
    assert row["scores"]["brier"] == pytest.approx((1 - said) ** 2)


@pytest.mark.parametrize("most", [12, 15])
def test_tasks_read_back_from_the_log_make_no_difference(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = random_log(9, tasks=120)
    roomy = Run(batch=5).take(log)
    monkeypatch.setattr(tasks, "MAX_TASKS", most)
    narrow = Run(batch=5).take(log)
    assert narrow.state.tasks_left > 0
    assert narrow.contents() == roomy.contents()
    for part in ("counts", "agents", "categories", "eidos", "book", "memories", "clock"):
        assert state_module._encode(getattr(narrow.state, part)) == state_module._encode(getattr(roomy.state, part))
    again = narrow.restarted(snapshot=False).take([])
    assert again.dump() == narrow.dump()
    narrow.rebuild()
    assert narrow.contents() == roomy.contents()


def test_a_task_heard_of_in_this_batch_does_not_leave_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newest events are not in the store yet: it could not be read back. The one not heard of for longest goes."""
    monkeypatch.setattr(tasks, "MAX_TASKS", 4)
    run = Run(batch=4).take(stamped([posted(f"t{n}") for n in range(1, 5)]))
    run.take(stamped([assigned("t1", "ada"), posted("t5"), posted("t6"), completed("t1", "ada")], writer="x"))
    assert run.rows()[0]["actual"] == {"succeeded": True, "winner": "ada", "winning_bid": None}
    assert set(run.state.tasks) == {"t1", "t4", "t5", "t6"}


def test_a_task_comes_back_with_all_that_was_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Category, forecasts, attempts: the late outcome is scored and taught as if nothing had come between."""
    monkeypatch.setattr(tasks, "MAX_TASKS", 3)
    early = [
        posted("old", ["ada", "bo"], category="bug", reserve=80.0),
        assigned("old", "ada", 60.0),
        assigned("old", "bo", 70.0),
        posted("old", ["di"], category="docs"),
    ]
    between = record("cy", [True] * 8)
    late = [completed("old", "ada", cost=61.0), assigned("old", "ada", 65.0)]
    run = Run(batch=3).take(stamped([*early, *between, *late]))
    first, second, third = (row for row in run.rows() if row["task_id"] == "old")
    assert first["actual"] == {"succeeded": True, "winner": "ada", "winning_bid": 60.0}
    assert set(first["scores"]) >= {"log_loss", "brier", "winner_log_loss", "bid_winkler"}
    assert second["actual"] is None
    assert third["attempt"] == 3
    assert third["positions"]["posted"] == first["positions"]["posted"] == 1
    assert run.model(published.CATEGORY, "bug")["outcomes"] == 1


@pytest.mark.parametrize(
    "data", [b"", b"garbage", b"null", b"{}", b'{"id":"x","source":"/s","type":"swarm.task_posted"}']
)
def test_a_row_of_the_log_that_cannot_be_read_stops_nobody(data: bytes) -> None:
    """It has its position and is passed over; who comes after it is stored, projected, rebuilt as ever."""
    log = stamped(record("ada", [True] * 4))
    run = Run().take(log[:6])
    with run.store.transaction() as transaction:
        transaction.append([EventRow(7, "/swarm", "odd", "task_posted", "t", None, 0.0, 0.5, data)])
    again = run.restarted(snapshot=False).take(log[6:], faults=True)
    assert again.store.position() == 13
    assert again.state.agents["ada"].outcomes == 4
    with again.store.transaction() as transaction:
        assert again.projection.rebuild(transaction) == 13
    assert again.state.agents["ada"].outcomes == 4


def test_a_store_on_disk_gives_the_same_bytes_as_one_in_memory(tmp_path: Path) -> None:
    log = random_log(4)
    with closing(open_store(f"sqlite:///{tmp_path / 'spark.db'}")) as store:
        assert Run(store, batch=50).take(log).contents() == Run(batch=7).take(log).contents()


@pytest.mark.parametrize("said", [1e300, -1e300, "0.5", None])
def test_a_row_whose_experts_say_what_none_can_is_no_forecast(said):
    """Read from a damaged ledger, such numbers made the models infinite."""
    run = Run().take(stamped([*attempt("t1", "ada", True), *attempt("t2", "ada", True)]))
    [_, row] = run.derived(ledger.AWARD)
    assert ledger.read(row, ledger.AwardRow)
    document = msgspec.json.decode(row.data)
    document["experts"][2] = said
    assert ledger.read(msgspec.structs.replace(row, data=msgspec.json.encode(document)), ledger.AwardRow) is None
