"""The read side: events, timeline, predictions, advice, memories, as plain rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import pytest

from spark_eidos.rules import log_loss
from spark_hooks import SparkError
from spark_hooks.events import AgentJoined, CustomEvent
from spark_plugin import Settings, Spark
from spark_plugin.errors import StoreCorrupt
from spark_plugin.projection import published
from spark_plugin.readers import Readable, Scores, scoreboard
from spark_plugin.store import open_store, path_of
from tests.projection.swarmlog import (
    NOON,
    Run,
    assigned,
    bid,
    completed,
    failed,
    fall_and_rise,
    posted,
    random_log,
    record,
    stamped,
)

EVENT_KEYS = {"position", "derived", "type", "time", "task_id", "agent_id", "importance", "id", "source", "data"}

LOG = stamped(
    [
        posted("t1", category="bug", reserve=100.0),  # 1
        bid("t1", "ada", 40.0),  # 2
        assigned("t1", "ada", 40.0),  # 3
        AgentJoined(agent_id="cy"),  # 4
        failed("t1", None, reason="lost"),  # 5
        assigned("t1", "bo"),  # 6
        posted("t2", ["cy"]),  # 7
        completed("t1", "bo", cost=3.0),  # 8
        CustomEvent(type="moved", about="t2", extra={"task_id": "t2", "agent_id": "cy"}),  # 9
        CustomEvent(type="other.moved"),  # 10
    ]
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spark.db'}"


@pytest.fixture
def filled(url: str) -> Iterator[Callable[..., Spark]]:
    """Fills the store with a log and opens it for reading."""
    opened: list[Spark] = []

    def fill(events: Any) -> Spark:
        with closing(open_store(url)) as store:
            Run(store).take(events)
        opened.append(Spark.open(url, settings=Settings(store=url)))
        return opened[-1]

    yield fill
    for spark in opened:
        spark.close()


@pytest.fixture
def spark(filled: Callable[..., Spark]) -> Spark:
    return filled(LOG)


@pytest.fixture
def long(filled: Callable[..., Spark]) -> Spark:
    return filled(random_log(14, tasks=80))


def positions(rows: list[dict[str, Any]]) -> list[int]:
    return [row["position"] for row in rows]


# events


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, range(1, 11)),
        ({"type": "task_assigned"}, [3, 6]),
        ({"type": "swarm.task_assigned"}, [3, 6]),
        ({"type": "moved"}, [9]),
        ({"type": "other.moved"}, [10]),
        ({"type": "nothing"}, []),
        ({"agent": "ada"}, [2, 3]),
        ({"agent": "cy"}, [4, 9]),
        ({"task": "t1"}, [1, 2, 3, 5, 6, 8]),
        ({"task": "t2"}, [7, 9]),
        ({"importance": 1.0}, [5]),
        ({"importance": 0.0}, range(1, 11)),
        ({"since": NOON + 8 * 60.0}, [9, 10]),
        ({"since": NOON + 1e6}, []),
        ({"after": 8}, [9, 10]),
        ({"before": 3}, [1, 2]),
        ({"after": 2, "before": 5}, [3, 4]),
        ({"task": "t1", "type": "task_assigned", "agent": "bo"}, [6]),
        ({"type": None, "agent": None}, range(1, 11)),
    ],
    ids=str,
)
def test_events_are_found_by_what_is_asked(spark: Spark, which: dict[str, Any], expected: Any) -> None:
    assert positions(spark.events.query(newest_first=False, **which)) == list(expected)
    assert positions(spark.events.query(**which)) == list(expected)[::-1]
    assert spark.events.count(**which) == len(list(expected))


def test_events_are_limited_and_the_newest_come_first(spark: Spark) -> None:
    assert positions(spark.events.query(limit=3)) == [10, 9, 8]
    assert positions(spark.events.query(limit=3, newest_first=False)) == [1, 2, 3]
    assert spark.events.query(limit=0) == []
    assert len(spark.events.query(limit=None)) == 10
    assert positions(spark.events.query(limit=2, task="t1")) == [8, 6]


def test_unlimited_is_not_fifty(filled: Callable[..., Spark]) -> None:
    spark = filled(stamped(record("ada", [True] * 30)))
    assert len(spark.events.query()) == 50
    assert len(spark.events.query(limit=None)) == spark.events.count() == 90


def test_the_row_of_an_event(spark: Spark) -> None:
    [row] = spark.events.query(after=1, before=3)
    assert row == {
        "position": 2,
        "derived": False,
        "type": "bid_submitted",
        "time": "2023-11-14T22:14:20Z",
        "task_id": "t1",
        "agent_id": "ada",
        "importance": 0.3,
        "id": "w1",
        "source": "/swarm",
        "data": {"task_id": "t1", "agent_id": "ada", "bid": 40.0},
    }


def test_a_filter_nobody_knows_is_an_error(spark: Spark) -> None:
    with pytest.raises(TypeError, match="colour"):
        spark.events.query(colour="red")


# timeline


def test_the_timeline_shows_events_and_what_was_derived_from_them(spark: Spark) -> None:
    rows = spark.events.timeline()
    assert [(row["position"], row["type"]) for row in reversed(rows)] == [
        (1, "task_posted"),
        (1, "prediction"),
        (2, "bid_submitted"),
        (3, "task_assigned"),
        (3, "award_prediction"),
        (4, "agent_joined"),
        (5, "task_failed"),
        (5, "prediction_scored"),
        (6, "task_assigned"),
        (6, "award_prediction"),
        (7, "task_posted"),
        (7, "prediction"),
        (8, "task_completed"),
        (8, "prediction_scored"),
        (9, "moved"),
        (10, "other.moved"),
    ]
    assert all(set(row) == EVENT_KEYS for row in rows)
    assert [row["derived"] for row in reversed(rows)][:4] == [False, True, False, False]
    [scored] = [row for row in rows if row["type"] == "prediction_scored" and row["position"] == 5]
    assert (scored["task_id"], scored["agent_id"], scored["importance"]) == ("t1", "ada", 0.7)
    assert scored["data"]["succeeded"] is False


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 7, 16, 100])
def test_a_short_timeline_is_the_end_of_the_long_one(spark: Spark, limit: int) -> None:
    assert spark.events.timeline(limit=limit) == spark.events.timeline(limit=1000)[:limit]


def test_a_long_timeline_has_everything_once(long: Spark) -> None:
    rows = long.events.timeline(limit=10_000)
    assert sum(not row["derived"] for row in rows) == long.events.count()
    assert positions(rows) == sorted(positions(rows), reverse=True)
    assert long.events.timeline(limit=37) == rows[:37]


def expected_timeline(spark: Spark, **which: Any) -> list[dict[str, Any]]:
    """The whole timeline, sifted by hand; a derived row happened when its event did."""
    whole = spark.events.timeline(limit=10_000)
    times = {row["position"]: row["time"] for row in whole if not row["derived"]}
    since = which.get("since")
    return [
        row
        for row in whole
        if which.get("type") in (None, row["type"])
        and which.get("agent") in (None, row["agent_id"])
        and which.get("task") in (None, row["task_id"])
        and row["importance"] >= which.get("importance", 0.0)
        and (since is None or times[row["position"]] >= since[1])
    ]


LATE = (NOON + 6 * 60.0, "2023-11-14T22:19:20Z")


@pytest.mark.parametrize(
    "which",
    [
        {"type": "prediction"},
        {"type": "prediction_scored"},
        {"agent": "ada"},
        {"task": "t1"},
        {"importance": 0.7},
        {"since": LATE},
        {"since": LATE, "task": "t1"},
        {"since": LATE, "type": "task_posted"},
        {"since": LATE, "type": "prediction"},
        {"since": LATE, "type": "prediction_scored"},
        {"since": LATE, "importance": 0.7},
        {"since": (NOON, "2023-11-14T22:13:20Z"), "agent": "ada"},
        {"since": (NOON + 180.0, "2023-11-14T22:16:20Z"), "agent": "ada"},
    ],
    ids=str,
)
def test_the_timeline_is_filtered_as_a_whole(spark: Spark, which: dict[str, Any]) -> None:
    asked = {name: value[0] if name == "since" else value for name, value in which.items()}
    expected = expected_timeline(spark, **which)
    assert expected, "or this test means nothing"
    assert spark.events.timeline(**asked) == expected


def test_since_a_time_when_nothing_happened_any_more_there_is_nothing(spark: Spark) -> None:
    assert spark.events.timeline(since=NOON + 1e9) == []


# predictions


def test_one_row_per_attempt_in_the_shape_of_the_contract(spark: Spark) -> None:
    first, second, never = spark.predictions.rows()
    assert first == {
        "task_id": "t1",
        "attempt": 1,
        "candidates": ["ada", "bo"],
        "winner": {"ada": 0.5, "bo": 0.5},
        "success": {"ada": 0.5, "bo": 0.5},
        "bid": {"level": 0.8, "low": 70.0, "median": 90.0, "high": 100.0},
        "award": {
            "agent_id": "ada",
            "success": 0.5,
            "bid": 40.0,
            "base_rate": 0.5,
            "agent_rate": 0.5,
            "duration": None,
            "cost": None,
            "followed": False,
        },
        "actual": {"succeeded": False, "winner": "ada", "winning_bid": 40.0},
        "scores": first["scores"],
        "positions": {"posted": 1, "assigned": 3, "outcome": 5},
        "model": first["model"],
    }
    assert set(first["scores"]) == {
        "log_loss",
        "brier",
        "base_rate_log_loss",
        "agent_rate_log_loss",
        "winner_log_loss",
        "winner_top1",
        "bid_covered",
        "bid_winkler",
    }
    assert isinstance(first["model"], str) and first["model"]
    assert second["attempt"] == 2
    assert (second["award"]["agent_id"], second["award"]["bid"]) == ("bo", None)
    assert second["actual"] == {"succeeded": True, "winner": "bo", "winning_bid": None}
    assert second["positions"] == {"posted": 1, "assigned": 6, "outcome": 8}
    for repeated in ("candidates", "winner", "success", "bid"):
        assert second[repeated] == first[repeated]
    assert never == {
        "task_id": "t2",
        "attempt": 1,
        "candidates": ["cy"],
        "winner": {"cy": 1.0},
        "success": never["success"],
        "bid": None,
        "award": None,
        "actual": None,
        "scores": None,
        "positions": {"posted": 7, "assigned": None, "outcome": None},
        "model": first["model"],
    }


def test_an_attempt_under_way_has_an_award_and_no_outcome(filled: Callable[..., Spark]) -> None:
    [row] = filled(stamped([posted("t1"), assigned("t1", "cy", 5.0)])).predictions.rows()
    assert (row["award"]["agent_id"], row["award"]["success"], row["award"]["bid"]) == ("cy", 0.5, 5.0)
    assert (row["actual"], row["scores"]) == (None, None)
    assert row["positions"] == {"posted": 1, "assigned": 2, "outcome": None}


def test_rows_are_json(long: Spark) -> None:
    for row in long.predictions.rows():
        assert msgspec.json.decode(msgspec.json.encode(row)) == row


def test_rows_come_in_the_order_in_which_tasks_were_heard_of(long: Spark) -> None:
    rows = list(long.predictions.rows())
    first = {
        row["task_id"]: row["position"]
        for row in long.events.query(limit=None)
        if row["type"].startswith(("task_", "bid_"))
    }
    order = [(first[row["task_id"]], row["attempt"]) for row in rows]
    assert order == sorted(order)
    assert len(order) == len(set(order))


def test_the_newest_rows_come_first(spark: Spark, long: Spark) -> None:
    for some in (spark, long):
        rows = list(some.predictions.rows())[::-1]
        for limit in (0, 1, 2, 10, 10_000):
            assert some.predictions.newest(limit) == rows[:limit]


def test_the_summary_agrees_with_the_rows(long: Spark) -> None:
    """Every number of the summary, computed anew from the rows alone."""
    rows = list(long.predictions.rows())
    scored = [row["scores"] for row in rows if row["scores"]]
    awarded = [row for row in rows if row["award"]]
    summary = long.predictions.summary()
    assert summary["made"] == len(rows)
    assert summary["evaluated"] == len(scored) > 30
    assert summary["log_loss"] == pytest.approx(fmean(one["log_loss"] for one in scored))
    assert summary["brier"] == pytest.approx(fmean(one["brier"] for one in scored))
    assert summary["base_rate_log_loss"] == pytest.approx(fmean(one["base_rate_log_loss"] for one in scored))
    assert summary["skill"] == pytest.approx(1 - summary["log_loss"] / summary["base_rate_log_loss"])
    assert summary["ece"] == pytest.approx(calibration_error(awarded))
    assert summary["bid_level"] == pytest.approx(0.8)
    last, spans = summary["last"], summary["over_time"]
    newest = scored[-500:]
    assert last["n"] == len(newest)
    assert last["log_loss"] == pytest.approx(fmean(one["log_loss"] for one in newest))
    assert sum(span["n"] for span in spans) == len(scored)
    total = sum(span["n"] * span["agent_rate_log_loss"] for span in spans)
    assert total / len(scored) == pytest.approx(summary["agent_rate_log_loss"])
    low, high = summary["skill_interval"]
    assert low < summary["skill"] < high
    assert sum(one["n"] for one in summary["reliability"]) == len(scored)
    assert set(summary) == set(Scores.__annotations__)


def calibration_error(rows: list[dict[str, Any]], bins: int = 15) -> float:
    """Expected calibration error of the award forecasts, by the book."""
    done = [(row["award"]["success"], row["actual"]["succeeded"]) for row in rows if row["actual"]]
    total = 0.0
    for n in range(bins):
        cell = [(p, came) for p, came in done if min(int(p * bins), bins - 1) == n]
        if cell:
            total += len(cell) * abs(fmean(p for p, _ in cell) - fmean(came for _, came in cell))
    return total / len(done)


def test_the_scores_of_winner_and_bid_agree_with_the_rows(filled: Callable[..., Spark]) -> None:
    """All attempts are over, so every score known at an award is in a row."""
    log = [
        event
        for n in range(30)
        for event in (
            posted(f"t{n}", category="bug", reserve=100.0),
            assigned(f"t{n}", "ada" if n % 3 else "bo", 40.0 + n),
            completed(f"t{n}", "ada" if n % 3 else "bo"),
        )
    ]
    spark = filled(stamped(log))
    summary = spark.predictions.summary()
    rows = list(spark.predictions.rows())
    scores = [row["scores"] for row in rows]
    assert summary["winner_top1"] == pytest.approx(fmean(one["winner_top1"] for one in scores))
    assert summary["winner_log_loss"] == pytest.approx(fmean(one["winner_log_loss"] for one in scores))
    assert summary["bid_coverage"] == pytest.approx(fmean(one["bid_covered"] for one in scores))
    for row in rows:
        agent = row["actual"]["winner"]
        assert row["scores"]["log_loss"] == pytest.approx(log_loss(row["award"]["success"], True))
        assert row["scores"]["winner_top1"] == float(max(row["winner"], key=row["winner"].__getitem__) == agent)
        covered = row["bid"]["low"] <= row["award"]["bid"] <= row["bid"]["high"]
        assert row["scores"]["bid_covered"] == float(covered)


def test_the_base_rate_is_the_one_known_at_the_assignment(filled: Callable[..., Spark]) -> None:
    spark = filled(stamped([*record("ada", [True, True, False]), *record("bo", [True])]))
    wins, done = 0, 0
    for row in spark.predictions.rows():
        base, succeeded = (wins + 1) / (done + 2), row["actual"]["succeeded"]
        assert row["scores"]["base_rate_log_loss"] == pytest.approx(log_loss(base, succeeded))
        wins, done = wins + succeeded, done + 1


def test_nothing_measured_is_none(url: str) -> None:
    with closing(open_store(url)):
        pass
    spark = Spark.open(url, settings=Settings(store=url))
    summary = spark.predictions.summary()
    assert [summary.pop(name) for name in ("made", "evaluated", "drifts")] == [0, 0, 0]
    assert (summary.pop("reliability"), summary.pop("over_time")) == ([], [])
    assert summary.pop("last") == {
        "n": 0, "log_loss": None, "base_rate_log_loss": None, "agent_rate_log_loss": None
    }  # fmt: skip
    assert set(summary.values()) == {None}
    assert list(spark.predictions.rows()) == spark.predictions.newest(10) == []
    spark.close()


# advice, memories, status


@pytest.fixture
def advised(filled: Callable[..., Spark]) -> Spark:
    """ada excels, bo fails, cy failed and has recovered."""
    return filled(
        stamped(
            [
                *fall_and_rise("cy"),
                *record("bo", [False] * 12),
                *record("ada", [True] * 40),
            ]
        )
    )


def test_the_timeline_shows_the_life_of_an_advisory(advised: Spark) -> None:
    rows = advised.events.timeline(limit=10_000)
    life = {row["data"]["id"]: [] for row in rows if row["type"] == "advisory_issued"}
    for row in reversed(rows):
        if row["type"].startswith("advisory_"):
            life[row["data"]["id"]].append(row["type"])
    assert ["advisory_issued", "advisory_resolved"] in life.values()
    assert {steps[0] for steps in life.values()} == {"advisory_issued"}


def test_advice_is_ranked_and_the_retired_come_last(advised: Spark) -> None:
    live, everything = advised.advisories.live(100), advised.advisories.all(100)
    assert live == advised.hooks.advisories(limit=100)
    assert everything[: len(live)] == live
    assert {one.state for one in everything[len(live) :]} == {"resolved"}
    assert [one.priority for one in live] == sorted((one.priority for one in live), reverse=True)
    assert advised.advisories.live(1) == live[:1]
    assert advised.advisories.all(len(live) + 1) == everything[: len(live) + 1]
    assert advised.advisories.all(1) == live[:1]


def test_advice_by_category_and_agent(advised: Spark) -> None:
    rows = advised.advisories.rows
    assert {one.subject for one in rows(retired=False, category="failure_prevention", agent=None, limit=9)} == {"bo"}
    assert {one.subject for one in rows(retired=False, category=None, agent="ada", limit=9)} == {"ada"}
    assert rows(retired=False, category="failure_prevention", agent="cy", limit=9) == []
    assert rows(retired=True, category="failure_prevention", agent="cy", limit=9)
    assert len(rows(retired=True, category=None, agent=None, limit=1)) == 1


def test_memories_that_hold_come_first_then_those_with_most_evidence(filled: Callable[..., Spark]) -> None:
    log = [*record("ada", [True] * 5), *record("bo", [False] * 9), *record("cy", [True] * 4 + [False] * 8)]
    memories = filled(stamped(log)).memories
    assert [row["agent_id"] for row in memories.rows()] == ["bo", "ada", "cy"]
    assert [row["state"] for row in memories.rows()] == ["held", "held", "faded"]
    assert [row["agent_id"] for row in memories.rows(kind="pattern")] == ["ada", "cy"]
    assert [row["agent_id"] for row in memories.rows(agent="bo")] == ["bo"]
    assert len(memories.rows(limit=1)) == 1


def test_the_status_agrees_with_the_rest(long: Spark) -> None:
    status = long.status()
    assert status["events"] == long.events.count()
    assert sum(status["event_types"].values()) == status["events"]
    assert sum(status["tasks"].values()) == len(
        {row["task_id"] for row in long.events.query(limit=None) if row["type"] in ("task_posted", "task_assigned")}
    )
    assert status["memories"] == sum(row["state"] == "held" for row in long.memories.rows())
    assert status["advisories"] == len(long.advisories.live(1000))
    assert status["predictions"] == long.predictions.summary()
    assert status["capture"] == {
        "lag": 0,
        "dropped": 0,
        "rejected": 0,
        "dead_letters": 0,
        "plugin_errors": 0,
    }


def test_published_cards_by_id(url: str, spark: Spark) -> None:
    with closing(open_store(url, create=False)) as store:
        assert set(scoreboard(store, published.AGENT)) == {"ada", "bo", "cy"}
        assert scoreboard(store, published.CATEGORY)["bug"]["posted"] == 1


# the store behind them


def test_a_store_is_found_when_it_is_made_and_opened_again_after_closing(url: str) -> None:
    readable = Readable(url)
    assert not readable.exists
    assert readable.store().position() == 0
    assert not path_of(url).exists()
    with closing(open_store(url)) as store:
        Run(store).take(LOG)
    assert readable.exists
    assert readable.store().position() == 10
    assert readable.store() is readable.store()
    readable.close()
    readable.close()
    assert readable.store().position() == 10
    readable.close()


READERS: dict[str, Callable[[Spark], object]] = {
    "query": lambda spark: spark.events.query(limit=None),
    "timeline": lambda spark: spark.events.timeline(limit=1000),
    "rows": lambda spark: list(spark.predictions.rows()),
    "newest": lambda spark: spark.predictions.newest(10),
    "summary": lambda spark: spark.predictions.summary(),
    "live": lambda spark: spark.advisories.live(10),
    "all": lambda spark: spark.advisories.all(10),
    "memories": lambda spark: spark.memories.rows(),
    "status": lambda spark: spark.status(),
}


@pytest.mark.parametrize("table", ["events", "derived", "read_models"])
def test_garbage_in_the_store_is_survived_or_told_as_an_error_of_ours(
    url: str, filled: Callable[..., Spark], table: str
) -> None:
    spark = filled([*LOG, *stamped([*record("ada", [True] * 12), *record("bo", [False] * 12)], writer="x")])
    uncaught = []
    for garbage in (b"", b"garbage", b"null", b"[]", b"{}", b"[" * 100_000, "text", 5, 0.5, b'{"data":5,"time":[]}'):
        with closing(sqlite3.connect(path_of(url))) as db, db:
            db.execute(f"UPDATE {table} SET data = ?", (garbage,))
        for name, ask in READERS.items():
            try:
                ask(spark)
            except SparkError:
                pass
            except Exception as error:
                uncaught.append((name, garbage, repr(error)))
    assert uncaught == []


@pytest.mark.parametrize("value", [b"\xff", b"x" * 100, "abc", 5, 1e300, float("inf"), None], ids=repr)
@pytest.mark.parametrize(
    "column",
    ["events.type", "events.task_id", "events.time", "events.importance", "derived.position", "derived.time",
     "derived.importance", "derived.agent_id", "derived.task_position", "counters.n"],
)  # fmt: skip
def test_a_value_of_any_type_in_any_column_is_shown_or_told_as_an_error_of_ours(
    url: str, filled: Callable[..., Spark], column: str, value: object
) -> None:
    """SQLite keeps whatever it is given; commands put numbers and texts together, and print JSON."""
    spark = filled(LOG)
    table, _, name = column.partition(".")
    with closing(sqlite3.connect(path_of(url))) as db, db:
        db.execute("INSERT INTO counters VALUES ('dropped', 3)")
        db.execute(f"UPDATE OR IGNORE {table} SET {name} = ?", (value,))
    for ask in READERS.values():
        with suppress(SparkError):
            msgspec.json.encode(ask(spark))
    for row in spark.events.timeline(limit=1000):
        assert isinstance(row["importance"], float) and isinstance(row["position"], int)
        assert all(row[name] is None or isinstance(row[name], str) for name in ("type", "time", "task_id", "agent_id"))


@pytest.mark.parametrize("change", [{"event_types": "x"}, {"tasks": None}, {"predictions": {}}, {"agents": "many"}])
def test_a_summary_that_is_none_is_told_as_an_error_of_ours(
    url: str, filled: Callable[..., Spark], change: dict[str, object]
) -> None:
    spark = filled(LOG)
    with closing(open_store(url)) as store, store.transaction() as transaction:
        known = msgspec.json.decode(transaction.model(published.SUMMARY, published.SUMMARY_KEY) or b"")
        transaction.publish(published.SUMMARY, {published.SUMMARY_KEY: msgspec.json.encode(known | change)})
    with pytest.raises(StoreCorrupt, match="rebuild"):
        spark.status()


def test_the_best_advice_is_the_same_however_many_are_asked_for(url, monkeypatch):
    """Whether it is read from the one row of the best, or from all."""
    monkeypatch.setattr(published, "MOST", 3)
    good = [event for n in range(4) for event in record(f"good-{n}", [True] * 60)]
    bad = [event for n in range(6) for event in record(f"bad-{n}", [False] * (8 + n))]
    with closing(open_store(url)) as store:
        Run(store).take(stamped([*good, *bad]))
    with Spark.open(url) as spark:
        everything = spark.advisories.live(1000)
        assert len(everything) > published.MOST
        for limit in (0, 1, 2, 3, 4):
            assert spark.advisories.live(limit) == everything[:limit]
            assert spark.advisories.rows(retired=False, category=None, agent=None, limit=limit) == everything[:limit]
