"""Events: what they take, what they refuse and how they say so, and what they make of what they took."""

from __future__ import annotations

import enum
import math
import time
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from spark_hooks import InvalidEvent, SparkError
from spark_hooks.events import (
    EVENT_TYPES,
    AdvisoryAcknowledged,
    AdvisoryDelivered,
    AdvisoryDismissed,
    AdvisoryFollowed,
    AgentJoined,
    AgentLeft,
    BidSubmitted,
    CustomEvent,
    Event,
    RecommendationGiven,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
    ToolExecuted,
    bare,
    build,
    changed,
    checked,
)
from spark_plugin import codec

FULL: dict[type[Event], dict[str, object]] = {
    TaskPosted: {
        "task_id": "t1",
        "description": "Fix the login bug",
        "candidates": ("ada", "bo"),
        "category": "bug",
        "reserve": 10.0,
        "deadline": 1_800_000_000.0,
    },
    BidSubmitted: {"task_id": "t1", "agent_id": "ada", "bid": 7.5},
    TaskAssigned: {"task_id": "t1", "agent_id": "ada", "bid": 7.5},
    TaskCompleted: {"task_id": "t1", "agent_id": "ada", "result": "done", "cost": 8.0, "duration_s": 60.0},
    TaskFailed: {"task_id": "t1", "agent_id": "ada", "reason": "tests fail", "cost": 8.0, "duration_s": 60.0},
    AgentJoined: {"agent_id": "ada", "name": "Ada", "capabilities": ("python", "sql")},
    AgentLeft: {"agent_id": "ada", "name": "Ada", "capabilities": ("python", "sql")},
    ToolExecuted: {"agent_id": "ada", "tool": "grep", "success": True, "task_id": "t1", "duration_ms": 12.0},
    RecommendationGiven: {
        "task_id": "t1",
        "agent_id": "ada",
        "candidates": ("ada", "bo"),
        "propensities": (0.75, 0.25),
        "chances": (0.9, 0.5),
    },
    AdvisoryAcknowledged: {"advisory_id": "a7-1"},
    AdvisoryDelivered: {"advisory_id": "a7-1"},
    AdvisoryDismissed: {"advisory_id": "a7-1"},
    AdvisoryFollowed: {"advisory_id": "a7-1"},
}
"""Every declared event with every data field of the contract."""

REQUIRED: dict[type[Event], set[str]] = {
    TaskPosted: {"task_id", "description"},
    BidSubmitted: {"task_id", "agent_id", "bid"},
    TaskAssigned: {"task_id", "agent_id"},
    TaskCompleted: {"task_id", "agent_id"},
    TaskFailed: {"task_id"},
    AgentJoined: {"agent_id"},
    AgentLeft: {"agent_id"},
    ToolExecuted: {"agent_id", "tool", "success"},
    RecommendationGiven: {"task_id", "agent_id"},
    AdvisoryAcknowledged: {"advisory_id"},
    AdvisoryDelivered: {"advisory_id"},
    AdvisoryDismissed: {"advisory_id"},
    AdvisoryFollowed: {"advisory_id"},
}

NAN, INF = float("nan"), float("inf")
BAD_ID = ["", "\t", " \n", 7, 1.5, True, b"t1", ["t1"], {"id": "t1"}, object()]
BAD_AMOUNT = ["5", True, NAN, INF, -INF, -0.01, -1, 10**400, np.float64("nan"), np.bool_(True), [1.0], 1j]
BAD_TEXT = [5, 1.5, True, b"text", ["text"], {}]
BAD_LIST = ["ada", b"ada", 5, {"ada": 1}, [None], ["ada", ""], ("ada", 3), [["ada"]], ["ada", True]]
BAD_SHARES = ["0.5", 5, [-0.1], [1.1], [NAN], [None], ["0.5"], [True], {"ada": 0.5}]
BAD_TIME = ["yesterday", "", "2026-13-01T00:00:00Z", True, NAN, INF, 1e300, -1e300, [0], {}]
BAD: dict[str, list[object]] = {
    "task_id": BAD_ID,
    "agent_id": BAD_ID,
    "advisory_id": BAD_ID,
    "tool": BAD_ID,
    "category": BAD_ID,
    "bid": BAD_AMOUNT,
    "reserve": BAD_AMOUNT,
    "cost": BAD_AMOUNT,
    "duration_s": BAD_AMOUNT,
    "duration_ms": BAD_AMOUNT,
    "description": BAD_TEXT,
    "result": BAD_TEXT,
    "reason": BAD_TEXT,
    "name": BAD_TEXT,
    "candidates": BAD_LIST,
    "capabilities": BAD_LIST,
    "success": [0, 1, "true", 1.0],
    "deadline": BAD_TIME,
    "propensities": BAD_SHARES,
    "chances": BAD_SHARES,
}

FIELDS = [(cls, field) for cls, data in FULL.items() for field in data]
MANDATORY = [(cls, field) for cls, fields in REQUIRED.items() for field in sorted(fields)]
OPTIONAL = [(cls, field) for cls, field in FIELDS if field not in REQUIRED[cls]]


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 3


def built(cls: type[Event], data: dict[str, object]) -> Event:
    return build(cls, data)


def constructed(cls: type[Event], data: dict[str, object]) -> Event:
    return cls(**data)


both_ways = pytest.mark.parametrize("make", [built, constructed])


def refusal(make, cls: type[Event], data: dict[str, object]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        make(cls, data)
    return caught.value


# --- the contract's table --------------------------------------------------------------------------------------------


def test_the_examples_cover_every_declared_type():
    assert set(FULL) == set(EVENT_TYPES.values()) == set(REQUIRED)


@pytest.mark.parametrize("cls", FULL)
def test_a_class_has_exactly_the_fields_of_the_contract(cls):
    envelope = set(Event.__struct_fields__)
    assert set(cls.__struct_fields__) - envelope == set(FULL[cls]) == set(cls.checks)
    assert set(cls.required) == REQUIRED[cls]


@pytest.mark.parametrize("cls", FULL)
@both_ways
def test_an_event_holds_what_it_was_given(make, cls):
    event = make(cls, FULL[cls])
    assert type(event) is cls
    assert {field: getattr(event, field) for field in FULL[cls]} == FULL[cls]
    assert (event.id, event.source, event.writer, event.time) == ("", "", "", None)
    assert event.extra == event.attributes == {}


@pytest.mark.parametrize("cls", FULL)
@both_ways
def test_the_required_fields_are_enough(make, cls):
    event = make(cls, {field: FULL[cls][field] for field in REQUIRED[cls]})
    for field in FULL[cls].keys() - REQUIRED[cls]:
        assert getattr(event, field) in (None, ())


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "field"), MANDATORY)
def test_a_missing_field_is_refused_by_name(cls, field):
    data = {name: value for name, value in FULL[cls].items() if name != field}
    error = refusal(built, cls, data)
    assert (error.event, error.field, error.reason) == (cls.type, field, "is missing")
    with pytest.raises((InvalidEvent, TypeError), match=field):
        cls(**data)


@pytest.mark.parametrize(("cls", "field"), MANDATORY)
@both_ways
def test_none_in_a_required_field_is_refused_by_name(make, cls, field):
    error = refusal(make, cls, FULL[cls] | {field: None})
    assert (error.event, error.field) == (cls.type, field)


@pytest.mark.parametrize(("cls", "field"), OPTIONAL)
@both_ways
def test_none_in_an_optional_field_is_nothing(make, cls, field):
    assert getattr(make(cls, FULL[cls] | {field: None}), field) in (None, ())


@pytest.mark.parametrize(("cls", "field"), FIELDS)
@both_ways
def test_a_value_that_does_not_fit_is_refused_by_name(make, cls, field):
    for bad in BAD[field]:
        error = refusal(make, cls, FULL[cls] | {field: bad})
        assert (error.event, error.field) == (cls.type, field), bad
        assert str(error) == f"{cls.type}: {field} {error.reason}"
        assert error.reason.startswith("must"), bad


def test_a_refusal_is_an_error_of_sparks_and_a_value_error():
    assert issubclass(InvalidEvent, SparkError)
    assert issubclass(InvalidEvent, ValueError)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("id", [None, 5, "\t", b"x", ["x"], np.array(["x", "y"])]),
        ("source", [None, 5, "\t"]),
        ("writer", [None, 5, "\t"]),
        ("time", [True, "soon", NAN, INF, 1e300]),
        ("attributes", [None, 5, "text", ["a"]]),
        ("extra", [None, 5, "text", ["a"]]),
    ],
)
def test_the_envelope_is_checked_too(field, bad):
    for value in bad:
        with pytest.raises(InvalidEvent) as caught:
            BidSubmitted(task_id="t1", agent_id="ada", bid=1.0, **{field: value})
        assert caught.value.field == field, repr(value)


def test_an_id_of_blanks_is_empty():
    for blank in (" ", "   ", "\t", "\u3000"):
        with pytest.raises(InvalidEvent, match="task_id must not be empty"):
            TaskFailed(task_id=blank)


def test_a_custom_event_needs_a_type():
    for bad in [None, "", "\t", 5, b"x", ["x"]]:
        with pytest.raises(InvalidEvent) as caught:
            CustomEvent(type=bad)
        assert caught.value.field == "type", bad


def test_the_refusal_of_a_custom_event_without_a_type_names_no_python_object():
    with pytest.raises(InvalidEvent, match=r"^custom: type is missing$"):
        build(CustomEvent, {})


def test_a_reason_never_repeats_the_type_of_a_custom_event():
    """Reasons are counted by their text: what a stranger may name must not make their number, or their size, grow."""
    with pytest.raises(InvalidEvent) as caught:
        CustomEvent(type="x" * 100_000, time="soon")
    assert len(str(caught.value)) < 1000


def test_an_event_is_frozen():
    event = build(BidSubmitted, FULL[BidSubmitted])
    for field in ("bid", "id", "extra", "type"):
        with pytest.raises(AttributeError):
            setattr(event, field, 1.0)


def test_a_changed_copy_is_validated_again():
    event = build(BidSubmitted, FULL[BidSubmitted])
    assert changed(event, bid=2).bid == 2.0
    with pytest.raises(InvalidEvent, match="bid must be a finite number"):
        changed(event, bid=NAN)


def test_an_event_made_by_a_way_that_does_not_check_can_be_checked():
    event = msgspec.structs.replace(build(BidSubmitted, FULL[BidSubmitted]), bid=NAN)
    with pytest.raises(InvalidEvent, match="bid must be a finite number"):
        checked(event)


@pytest.mark.parametrize("garbage", [{"bid": "much"}, {"task_id": None}, {"agent_id": 5}, {"$": "strange"}])
def test_garbage_on_disk_is_refused_when_it_is_decoded(garbage):
    data = {"$": "bid_submitted", "task_id": "t1", "agent_id": "ada", "bid": 1.0, **garbage}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(data), type=BidSubmitted)


# --- what becomes of what is accepted --------------------------------------------------------------------------------

KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.str_("t1"), "t1"),
        (KEY, "12345678-1234-5678-1234-567812345678"),
        (Colour.RED, "red"),
        (date(2026, 11, 20), "2026-11-20"),
        (" t1 ", " t1 "),
        ("日本 🙂", "日本 🙂"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude42", "🙂"),
    ],
)
def test_ids_become_plain_text(given, kept):
    event = TaskAssigned(task_id=given, agent_id="ada")
    assert event.task_id == kept
    assert type(event.task_id) is str


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (3, 3.0),
        (0, 0.0),
        (np.float32(2.5), 2.5),
        (np.int64(4), 4.0),
        (np.uint8(4), 4.0),
        (np.array(2.5), 2.5),
        (Size.SMALL, 3.0),
        pytest.param(Decimal("12.50"), 12.5, id="Decimal"),
        pytest.param(np.longdouble(12.5), 12.5, id="longdouble"),
    ],
)
def test_amounts_become_plain_floats(given, kept):
    bid = BidSubmitted(task_id="t1", agent_id="ada", bid=given).bid
    assert bid == kept
    assert type(bid) is float


def test_flags_become_plain():
    assert ToolExecuted(agent_id="ada", tool="grep", success=np.bool_(False)).success is False


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["bo", "ada", "bo"], ("bo", "ada")),
        (("ada",), ("ada",)),
        ([], ()),
        ({"bo", "ada"}, ("ada", "bo")),
        (np.array(["ada", "bo"]), ("ada", "bo")),
        ([KEY, Colour.RED], (str(KEY), "red")),
    ],
)
def test_candidates_become_a_tuple_of_ids_each_once(given, kept):
    event = TaskPosted(task_id="t1", description="", candidates=given)
    assert event.candidates == kept
    assert {type(agent) for agent in event.candidates} <= {str}


def test_there_is_a_bound_on_candidates():
    assert len(TaskPosted(task_id="t", description="", candidates=[str(n) for n in range(10_000)]).candidates) == 10_000
    with pytest.raises(InvalidEvent, match="candidates must have at most 10000 entries"):
        TaskPosted(task_id="t", description="", candidates=[str(n) for n in range(10_001)])


EIGHT_THIRTY = datetime(2026, 11, 20, 8, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0.0),
        (-1.5, -1.5),
        (EIGHT_THIRTY, EIGHT_THIRTY),
        (np.float64(EIGHT_THIRTY), EIGHT_THIRTY),
        (1.23456789, 1.234568),
        (datetime(2026, 11, 20, 8, 30, tzinfo=UTC), EIGHT_THIRTY),
        (datetime(2026, 11, 20, 10, 30, tzinfo=timezone(timedelta(hours=2))), EIGHT_THIRTY),
        (datetime(2026, 11, 20, 8, 30), EIGHT_THIRTY),
        ("2026-11-20T08:30:00Z", EIGHT_THIRTY),
        (" 2026-11-20T08:30:00+00:00 ", EIGHT_THIRTY),
        ("2026-11-20T10:30:00+02:00", EIGHT_THIRTY),
        ("2026-11-20T01:00:00-07:30", EIGHT_THIRTY),
        ("2026-11-20T08:30:00.123456Z", EIGHT_THIRTY + 0.123456),
        ("2026-11-20T08:30:00.123456789Z", EIGHT_THIRTY + 0.123456),
        ("2026-11-20T08:30:00", EIGHT_THIRTY),
    ],
)
def test_times_become_seconds_since_1970(given, seconds):
    assert TaskFailed(task_id="t1", time=given).time == pytest.approx(seconds, abs=1e-7)
    assert TaskPosted(task_id="t1", description="", deadline=given).deadline == pytest.approx(seconds, abs=1e-7)


@pytest.fixture
def machine_in_india(monkeypatch):
    monkeypatch.setenv("TZ", "IST-05:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone cannot be set on this system")
@pytest.mark.parametrize("given", ["2026-11-20T08:30:00", datetime(2026, 11, 20, 8, 30)])
def test_the_machines_own_zone_does_not_change_what_a_log_says(machine_in_india, given):
    assert TaskFailed(task_id="t1", time=given).time == EIGHT_THIRTY


@pytest.mark.parametrize("year", [1, 9999])
def test_times_at_the_ends_of_the_calendar(year):
    inside = datetime(year, 6, 1, tzinfo=UTC).timestamp()
    assert TaskFailed(task_id="t1", time=inside).time == inside
    outside = math.copysign(1e12, inside)
    with pytest.raises(InvalidEvent, match="time must lie between"):
        TaskFailed(task_id="t1", time=outside)


def test_ten_megabytes_of_text_are_cut_and_marked():
    event = TaskPosted(task_id="t1", description="é" * 5_000_000)
    assert len(event.description.encode()) <= 64 * 1024
    assert event.description.endswith("é[cut: 10000000 bytes]")


def test_long_ids_are_cut_and_stay_apart():
    ids = [TaskFailed(task_id="x" * 10_000 + end).task_id for end in "ab"]
    assert ids[0] != ids[1]
    for task_id in ids:
        assert len(task_id) <= 512
        assert task_id.startswith("xxxx")
        assert "[cut: " in task_id


# --- what an event is about ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "about"),
    [
        (TaskPosted(task_id="t1", description=""), ("t1", "t1", None)),
        (BidSubmitted(task_id="t1", agent_id="ada", bid=1), ("t1", "t1", "ada")),
        (TaskFailed(task_id="t1"), ("t1", "t1", None)),
        (AgentJoined(agent_id="ada"), ("ada", None, "ada")),
        (ToolExecuted(agent_id="ada", tool="grep", success=True), ("ada", None, "ada")),
        (ToolExecuted(agent_id="ada", tool="grep", success=True, task_id="t1"), ("t1", "t1", "ada")),
        (CustomEvent(type="x"), (None, None, None)),
        (CustomEvent(type="x", about="s"), ("s", None, None)),
        (CustomEvent(type="x", extra={"task_id": "t1", "agent_id": "ada"}), (None, "t1", "ada")),
        (CustomEvent(type="x", extra={"task_id": 5, "agent_id": ""}), (None, None, None)),
    ],
)
def test_what_an_event_is_about(event, about):
    assert (event.subject, event.task, event.agent) == about


def test_types_are_bare_names():
    assert {name: cls.type for name, cls in EVENT_TYPES.items()} == {name: name for name in EVENT_TYPES}
    assert CustomEvent(type="deploy").type == "deploy"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("swarm.task_posted", "task_posted"),
        ("task_posted", "task_posted"),
        ("swarm.deploy", "deploy"),
        ("com.example.deploy", "com.example.deploy"),
        ("swarm.deploy.done", "swarm.deploy.done"),
    ],
)
def test_bare_names(given, kept):
    assert bare(given) == kept
    assert bare(bare(given)) == kept


# --- fields that the class does not know -----------------------------------------------------------------------------

AWKWARD = {"id": 1, "type": "t", "source": "s", "time": "noon", "subject": "x", "writer": "w", "extra": {}, "event": 2}


@pytest.mark.parametrize("cls", FULL)
def test_unknown_fields_are_kept_apart_whatever_they_are_called(cls):
    event = build(cls, FULL[cls] | AWKWARD, id="e1", source="/s", time=5.0)
    assert event.extra == AWKWARD
    assert (event.id, event.source, event.time) == ("e1", "/s", 5.0)
    assert event == build(cls, FULL[cls], id="e1", source="/s", time=5.0, extra=AWKWARD)


def test_unknown_fields_and_attributes_are_cleaned():
    dirty = {"a\0": np.int64(5), "nan": NAN, "when": datetime(2026, 1, 1, tzinfo=UTC), "who": KEY}
    clean = {"a\ufffd": 5, "nan": None, "when": "2026-01-01T00:00:00+00:00", "who": str(KEY)}
    event = TaskFailed(task_id="t1", extra=dirty, attributes=dirty)
    assert event.extra == clean
    assert event.attributes == clean


def test_an_event_does_not_share_what_the_sender_may_change():
    mine = {"list": [1]}
    event = TaskFailed(task_id="t1", extra=mine)
    mine["list"].append(2)
    mine["more"] = 1
    assert event.extra == {"list": [1]}


def test_a_field_of_extra_that_is_called_like_one_of_the_events_own_gets_another_name():
    """On the wire both are in one place: there it would be taken for the event's own, and refused or believed."""
    event = TaskFailed(task_id="t1", extra={"cost": "much", "cost'": 1, "note": 2})
    assert event.extra == {"cost''": "much", "cost'": 1, "note": 2}
    assert codec.decode(codec.encode(sent(event))) == sent(event)
    assert CustomEvent(type="x", extra={"type": 1, "about": 2, "task_id": 3}).extra == {
        "type": 1,
        "about": 2,
        "task_id": 3,
    }


def sent(event):
    return msgspec.structs.replace(event, id="e", source="/s", time=1.0, writer="w")
