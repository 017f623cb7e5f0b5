"""The commands: shapes of their JSON, what people see, errors in one line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

from spark_plugin.readers import Scores

SCORES = set(Scores.__annotations__)
CONTRACT = {
    "made",
    "evaluated",
    "log_loss",
    "brier",
    "base_rate_log_loss",
    "skill",
    "ece",
    "winner_top1",
    "winner_log_loss",
    "bid_coverage",
    "bid_level",
}
assert CONTRACT <= SCORES, "keys may be added, none renamed"
ROW = {
    "task_id",
    "attempt",
    "candidates",
    "winner",
    "success",
    "bid",
    "award",
    "actual",
    "scores",
    "positions",
    "model",
}
ADVISORY = {
    "id",
    "category",
    "priority",
    "title",
    "detail",
    "suggested_action",
    "action",
    "subject",
    "evidence",
    "evidence_count",
    "interval",
    "state",
    "created_position",
    "expires_at",
    "detector",
    "effect",
    "probability",
    "saves",
    "figures",
    "updated_position",
    "held_out",
}


@pytest.fixture
def replayed(spark, example):
    spark.json("replay", example)
    return spark


def test_replay_summary(spark, example):
    summary = spark.json("replay", example)
    assert set(summary) == {
        "events",
        "ingested",
        "duplicates",
        "rejected",
        "seconds",
        "predictions",
        "advisories",
    }
    assert (summary["events"], summary["ingested"], summary["duplicates"], summary["rejected"]) == (364, 364, 0, 0)
    assert set(summary["predictions"]) == SCORES
    assert summary["predictions"]["evaluated"] == 60
    assert summary["advisories"] > 0


def test_replaying_again_adds_nothing_and_changes_no_prediction(replayed, example):
    before = replayed.json_lines("predictions", "--all")
    again = replayed.json("replay", example)
    assert (again["ingested"], again["duplicates"]) == (0, 364)
    assert replayed.json_lines("predictions", "--all") == before


def test_a_packed_stream_and_standard_input_read_the_same(spark, example, tmp_path):
    packed = tmp_path / "stream.jsonl.gz"
    packed.write_bytes(gzip.compress(example.read_bytes()))
    assert spark.json("replay", packed, "--store", "sqlite:///packed.db")["ingested"] == 364
    command = [sys.executable, "-m", "spark_plugin", "replay", "-", "--store", "sqlite:///piped.db", "--json"]
    piped = subprocess.run(command, input=example.read_bytes(), capture_output=True, timeout=60, check=True)
    assert json.loads(piped.stdout)["ingested"] == 364
    packed_rows = spark.json_lines("predictions", "--all", "--store", "sqlite:///packed.db")
    assert packed_rows == spark.json_lines("predictions", "--all", "--store", "sqlite:///piped.db")


def test_status_shape(replayed):
    status = replayed.json("status")
    assert {"enabled", "events", "event_types", "tasks", "agents", "memories", "predictions", "capture"} <= set(status)
    assert status["events"] == sum(status["event_types"].values()) == 364
    assert set(status["tasks"]) == {"open", "completed", "failed"}
    assert sum(status["tasks"].values()) == 60
    assert status["agents"] == 4
    assert set(status["capture"]) == {"lag", "dropped", "rejected", "dead_letters", "plugin_errors"}
    assert set(status["predictions"]) == SCORES


def test_timeline_shape_filters_and_derived_rows(replayed):
    rows = replayed.json("timeline", "--limit", 30)["events"]
    assert len(rows) == 30
    assert [row["position"] for row in rows] == sorted((row["position"] for row in rows), reverse=True)
    scored = [row for row in rows if row["type"] == "prediction_scored"]
    assert scored and all(row["derived"] and row["importance"] == 0.7 for row in scored)
    for name in ("task_failed", "swarm.task_failed"):
        found = replayed.json("timeline", "--type", name, "--limit", 1000)["events"]
        assert found and {row["type"] for row in found} == {"task_failed"}
        assert {row["importance"] for row in found} == {1.0}
    of_cy = replayed.json("timeline", "--agent", "cy", "--limit", 500)["events"]
    assert of_cy and {row["agent_id"] for row in of_cy} == {"cy"}
    of_task = replayed.json("timeline", "--task", "task-3")["events"]
    assert of_task and {row["task_id"] for row in of_task} == {"task-3"}
    late = replayed.json("timeline", "--since", "2026-05-01T08:00:00Z", "--limit", 1000)["events"]
    assert late and all(row["derived"] or row["time"] >= "2026-05-01T08:00:00Z" for row in late)
    assert replayed.json("timeline", "--since", "2100-01-01")["events"] == []


def test_predictions_shape(replayed):
    rows = replayed.json_lines("predictions", "--all")
    assert len(rows) == 60
    for row in rows:
        assert set(row) == ROW
        assert abs(sum(row["winner"].values()) - 1) < 1e-9
        assert all(0.001 <= p <= 0.999 for p in row["success"].values())
        assert set(row["award"]) >= {"agent_id", "success", "bid"}
        assert set(row["actual"]) == {"succeeded", "winner", "winning_bid"}
        assert row["actual"]["winner"] == row["award"]["agent_id"]
        assert set(row["bid"]) == {"level", "low", "median", "high"}
        positions = row["positions"]
        assert positions["posted"] < positions["assigned"] < positions["outcome"]
    newest = replayed.json("predictions", "--limit", 3)["predictions"]
    assert [row["task_id"] for row in newest] == ["task-60", "task-59", "task-58"]


def test_a_task_never_assigned_has_a_row_without_award(spark, tmp_path):
    stream = tmp_path / "one.jsonl"
    data = {"task_id": "t", "description": "d", "candidates": ["a", "b"]}
    stream.write_text(json.dumps({"id": "1", "source": "/s", "type": "swarm.task_posted", "data": data}) + "\n")
    assert spark.json("replay", stream)["predictions"]["made"] == 1
    [row] = spark.json_lines("predictions", "--all")
    assert (row["attempt"], row["award"], row["actual"], row["scores"]) == (1, None, None, None)
    assert row["winner"] == {"a": 0.5, "b": 0.5}


def test_memories_shape(replayed):
    memories = replayed.json("memories")["memories"]
    assert {memory["kind"] for memory in memories} == {"pattern", "anomaly"}
    assert len({memory["agent_id"] for memory in memories}) == len(memories)
    [anomaly] = replayed.json("memories", "--type", "anomaly")["memories"]
    assert anomaly["agent_id"] == "cy" and anomaly["success_rate"] <= 0.3


def test_advise_shape_and_filters(replayed):
    advice = replayed.json("advise")["advisories"]
    assert advice and all(set(one) == ADVISORY for one in advice)
    assert [one["priority"] for one in advice] == sorted((one["priority"] for one in advice), reverse=True)
    assert all(0 <= one["priority"] <= 1 for one in advice)
    assert {one["subject"] for one in replayed.json("advise", "--agent", "cy")["advisories"]} == {"cy"}
    assert len(replayed.json("advise", "--all", "--limit", 100)["advisories"]) >= len(advice)
    assert replayed.json("advise", "--type", "bid_optimization")["advisories"] == []


def test_predict_and_recommend_shapes(replayed):
    asked = ("--category", "bugfix", "--candidate", "ada", "--candidate", "cy", "--reserve", 100)
    prediction = replayed.json("predict", "--description", "mend it", *asked)
    assert set(prediction) == {"task_id", "winner", "success", "bid", "duration", "cost", "reasoning"}
    assert set(prediction["winner"]) == set(prediction["success"]) == {"ada", "cy"}
    assert prediction["success"]["ada"] > prediction["success"]["cy"]
    assert prediction["bid"]["low"] <= prediction["bid"]["median"] <= prediction["bid"]["high"] <= 100
    recommendations = replayed.json("recommend", *asked)["recommendations"]
    assert {one["agent_id"] for one in recommendations} == {"ada", "cy"}
    assert abs(sum(one["propensity"] for one in recommendations) - 1) < 1e-9


def test_an_export_is_the_stream_again_and_can_go_on_from_where_it_ended(replayed, example, tmp_path):
    def plain(lines):
        return [{k: v for k, v in json.loads(line).items() if k != "sparkwriter"} for line in lines]

    assert replayed("export") == 0
    assert plain(replayed.out.splitlines()) == plain(example.read_text().splitlines())
    assert "--after 364" in replayed.err
    assert replayed("export", "--after", 360, "--output", tmp_path / "rest.jsonl") == 0
    rest = (tmp_path / "rest.jsonl").read_text().splitlines()
    assert plain(rest) == plain(example.read_text().splitlines()[360:])
    assert replayed("export", "--after", 364) == 0
    assert replayed.out == ""
    assert replayed("export", "--after", 365) == 2, "whoever goes on from there has another store in mind"
    assert replayed.out == "" and "ends at position 364" in replayed.err
    assert replayed("export", "--output", tmp_path / "no" / "such" / "folder") == 2


def test_an_exported_stream_replayed_elsewhere_gives_the_same_predictions(replayed, tmp_path):
    before = replayed.json_lines("predictions", "--all")
    assert replayed("export", "--output", tmp_path / "all.jsonl") == 0
    replayed.json("replay", tmp_path / "all.jsonl", "--store", "sqlite:///again.db")
    assert replayed.json_lines("predictions", "--all", "--store", "sqlite:///again.db") == before


def test_asking_writes_nothing(replayed, tmp_path):
    before = (tmp_path / "spark.db").read_bytes()
    replayed.json("predict", "--candidate", "ada")
    replayed.json("recommend", "--candidate", "ada")
    replayed.json("advise")
    assert (tmp_path / "spark.db").read_bytes() == before


def test_doctor_and_config_shapes(replayed):
    health = replayed.json("doctor")
    assert health["ok"] is True
    assert all(set(check) == {"name", "ok", "found", "advice"} for check in health["checks"])
    found = replayed.json("config")["settings"]
    assert found["store"]["origin"] == "environment"
    assert found["batch"] == {"value": 1000, "origin": "default"}


def test_doctor_rebuilds_to_the_same_answers(replayed):
    commands = (("status",), ("advise", "--all"), ("memories",), ("timeline", "--limit", 500))
    before = [replayed.json(*command) for command in commands]
    health = replayed.json("doctor", "--rebuild")
    assert health["checks"][0] == {"name": "rebuild", "ok": True, "found": "364 events read", "advice": ""}
    assert [replayed.json(*command) for command in commands] == before


def test_doctor_says_what_to_do_about_a_damaged_store(spark, tmp_path):
    (tmp_path / "spark.db").write_bytes(b"this is no database at all" * 100)
    assert spark("doctor", "--json") == 1
    checks = {check["name"]: check for check in json.loads(spark.out)["checks"]}
    assert not checks["store"]["ok"] and checks["store"]["advice"]


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("timeline",),
        ("predictions",),
        ("memories",),
        ("advise",),
        ("doctor",),
        ("config",),
        ("predict", "--candidate", "ada"),
        ("recommend", "--candidate", "ada", "--candidate", "cy"),
    ],
)
def test_people_get_names_in_full(replayed, command):
    assert replayed(*command) == 0
    assert replayed.out.strip()
    assert "Traceback" not in replayed.err


def test_commands_on_no_store_answer_empty_and_make_none(spark, tmp_path):
    assert spark.json("status")["events"] == 0
    assert spark.json("advise") == {"advisories": [], "detectors": []}
    assert spark.json("timeline") == {"events": []}
    assert spark.json("memories") == {"memories": []}
    assert spark.json("predictions") == {"predictions": []}
    assert "no store at" in spark.err
    assert list(tmp_path.iterdir()) == []


BAD_LINES = [
    b'{"broken',
    b'{"id":"2","source":"/s","type":"swarm.bid_submitted","data":{"task_id":"t","agent_id":"a","bid":NaN}}',
    b'{"id":"3","source":"/s","type":"swarm.bid_submitted","data":{"task_id":"t","agent_id":"a","bid":-1}}',
    b'{"id":"4","source":"/s","type":"swarm.bid_submitted","data":{"task_id":"t","bid":1}}',
    b'{"id":"5","source":"/s","type":"swarm.bid_submitted","data":{"task_id":"t","agent_id":["a"],"bid":1}}',
    b'{"source":"/s","type":"swarm.task_posted","data":{"task_id":"t","description":"d"}}',
    b"[1, 2]",
    b"\xff\xfe\x00",
]
GOOD_LINES = [
    b'{"id":"g1","source":"/s","type":"swarm.task_posted","data":{"task_id":"t","description":"d\\ud800\\u0000"}}',
    b'{"id":"g2","source":"/s","type":"swarm.deploy_started","subject":"x","data":{"type":"y","id":7}}',
    b'{"id":"g3","source":"/s","type":"com.example.push","data":{}}',
    b'{"id":"g4","source":"/s","type":"swarm.task_posted","data":{"task_id":"%s1","description":"d"}}' % (b"x" * 10000),
    b'{"id":"g5","source":"/s","type":"swarm.task_posted","data":{"task_id":"%s2","description":"d"}}' % (b"x" * 10000),
]


def test_bad_lines_are_named_and_good_ones_beside_them_stored(spark, tmp_path):
    lines = [line for pair in zip(BAD_LINES, [*GOOD_LINES, b"", b"", b""], strict=True) for line in pair]
    stream = tmp_path / "mixed.jsonl"
    stream.write_bytes(b"\n".join(lines) + b"\n")
    summary = spark.json("replay", stream)
    assert (summary["events"], summary["ingested"], summary["rejected"]) == (13, 5, 8)
    named = spark.err.splitlines()
    assert [line.split(":")[1] for line in named] == ["1", "3", "5", "7", "9", "11", "13", "15"]
    assert all(line.startswith(str(stream)) and len(line.split(": ", 1)[1]) > 5 for line in named)
    assert spark.json("status")["capture"]["rejected"] == 8
    rows = spark.json("timeline", "--limit", 100)["events"]
    events = [row for row in rows if not row["derived"]]
    assert {row["type"] for row in events} == {"task_posted", "deploy_started", "com.example.push"}
    ids = {row["task_id"] for row in events if row["task_id"]}
    assert len(ids) == 3 and all(len(task_id) <= 512 for task_id in ids)
    assert sum("[cut: " in task_id for task_id in ids) == 2


def test_a_stream_that_breaks_off_keeps_what_came_before(spark, example, tmp_path):
    packed = tmp_path / "torn.jsonl.gz"
    whole = gzip.compress(example.read_bytes())
    packed.write_bytes(whole[: len(whole) // 2])
    assert spark("replay", packed) == 2
    [line] = spark.err.splitlines()
    assert "torn.jsonl.gz" in line and "stored" in line
    assert 0 < spark.json("status")["events"] < 364


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("replay", "nowhere.jsonl"), 2, "nowhere.jsonl"),
        (("replay",), 2, "files"),
        (("bogus",), 2, "bogus"),
        (("timeline", "--limit", "x"), 2, "--limit"),
        (("timeline", "--since", "yesterday"), 2, "--since"),
        (("recommend",), 2, "--candidate"),
        (("predict", "--reserve", "-1"), 2, "--reserve"),
        (("status", "--store", "nonsense"), 1, "nonsense"),
        (("status", "--store", "sqlite:////"), 1, "sqlite:////"),
    ],
)
def test_errors_are_one_line_on_stderr(spark, arguments, code, said):
    assert spark(*arguments) == code
    [line] = spark.err.splitlines()
    assert line.startswith("spark: ") and said in line
    assert spark.out == ""


def test_a_bad_setting_is_bad_usage(spark, monkeypatch):
    monkeypatch.setenv("SPARK_BATCH", "many")
    assert spark("status") == 2
    assert spark.err.startswith("spark: SPARK_BATCH (environment): 'many'")


@pytest.mark.parametrize("place", ["folder", "under-a-file/spark.db", "junk.db"])
def test_a_store_that_cannot_be_opened_fails_with_one_line(spark, example, tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "under-a-file").write_text("")
    (tmp_path / "junk.db").write_text("junk" * 1000)
    url = f"sqlite:///{tmp_path}/{place}"
    assert spark("replay", example, "--store", url) == 1
    [line] = spark.err.splitlines()
    assert url in line and ";" in line


def test_switched_off_nothing_is_written(spark, example, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_ENABLED", "false")
    assert spark.json("replay", example)["ingested"] == 0
    assert spark.json("status")["enabled"] is False
    assert list(tmp_path.iterdir()) == []


def test_help_and_module_run(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "spark_plugin"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "replay" in run.stdout and "doctor" in run.stdout
