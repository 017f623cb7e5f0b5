"""Events in files: CloudEvents JSON, one a line. What is written is read back the same; what is bad is refused with a
reason; what can be cleaned is cleaned."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_hooks import cleaning
from spark_hooks.events import EVENT_TYPES, AnyEvent, BidSubmitted, CustomEvent, Event, TaskFailed, TaskPosted, build
from spark_plugin import codec
from spark_plugin.errors import BadLine

bounded = settings(max_examples=100, deadline=None)

# --- any event at all ------------------------------------------------------------------------------------------------

any_text = st.text(alphabet=st.characters(), max_size=20)
ids = st.text(alphabet=st.characters(), min_size=1, max_size=20).filter(lambda t: t.strip())
fractions = st.lists(st.floats(0, 1), max_size=4).map(tuple)
amounts = st.floats(min_value=0, allow_nan=False, allow_infinity=False) | st.integers(0, 2**62)
moments = st.floats(-6.2e10, 2.5e11) | st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(max_size=10),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(any_text, inside, max_size=3),
    max_leaves=8,
)
awkward = st.sampled_from(
    ["type", "id", "subject", "time", "source", "data", "specversion", "sparkwriter", "$", "extra"]
)

DATA = {
    "task_id": ids,
    "agent_id": ids,
    "tool": ids,
    "category": ids,
    "description": any_text,
    "result": any_text,
    "reason": any_text,
    "name": any_text,
    "candidates": st.lists(ids, max_size=4),
    "advisory_id": ids,
    "capabilities": st.lists(ids, max_size=4),
    "bid": amounts,
    "reserve": amounts,
    "cost": amounts,
    "duration_s": amounts,
    "duration_ms": amounts,
    "success": st.booleans(),
    "deadline": moments,
    "propensities": fractions,
    "chances": fractions,
}
FIELD_NAMES = frozenset(DATA)
extras = st.dictionaries((any_text | awkward).filter(lambda key: key not in FIELD_NAMES), values, max_size=4)
attributes = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12).filter(
        lambda key: key not in codec._CONTEXT
    ),
    values,
    max_size=3,
)
envelopes = st.fixed_dictionaries(
    {"id": ids, "source": ids},
    optional={"time": moments, "writer": ids, "attributes": attributes},
)
own_types = st.text("abcxyz_-", min_size=1, max_size=10).filter(lambda name: name not in EVENT_TYPES) | st.builds(
    "{}.{}.{}".format, *[st.text("abc", min_size=1, max_size=5)] * 3
)


def of_class(cls: type[Event]) -> st.SearchStrategy[Event]:
    required = {name: DATA[name] for name in cls.required}
    optional = {name: DATA[name] for name in cls.checks if name not in required}
    data = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda d, x, e: build(cls, d | x, **e), data, extras, envelopes)


custom_events = st.builds(
    lambda kind, about, extra, envelope: CustomEvent(type=kind, about=about, extra=extra, **envelope),
    own_types,
    st.none() | ids,
    extras,
    envelopes,
)


@pytest.mark.parametrize("cls", EVENT_TYPES.values())
@bounded
@given(st.data())
def test_every_event_comes_back_from_a_file_and_from_the_journal(cls, data):
    assert_comes_back(data.draw(of_class(cls)))


@bounded
@given(custom_events)
def test_every_custom_event_comes_back_from_a_file_and_from_the_journal(event):
    assert_comes_back(event)


def assert_comes_back(event: Event) -> None:
    line = codec.encode(event)
    assert b"\n" not in line
    assert codec.decode(line) == event
    assert codec.encode(codec.decode(line)) == line
    packed = msgspec.msgpack.encode(event)
    again = msgspec.msgpack.decode(packed, type=AnyEvent)
    assert again == event
    assert type(again) is type(event)


@bounded
@given(custom_events | of_class(TaskPosted))
def test_a_line_is_a_cloudevent(event):
    document = json.loads(codec.encode(event))
    assert document["specversion"] == "1.0"
    assert {type(document[name]) for name in ("id", "source", "type")} == {str}
    assert document["type"] == f"swarm.{event.type}" or "." in event.type
    assert document.get("subject") == event.subject
    assert isinstance(document["data"], dict)


@bounded
@given(moments)
def test_times_come_back_to_the_microsecond(moment):
    event = TaskFailed(task_id="t1", id="e1", source="/s", time=moment)
    assert codec.decode(codec.encode(event)).time == event.time


# --- lines as they are written elsewhere -----------------------------------------------------------------------------


def line(type_name: str = "swarm.task_failed", data: object = None, **fields: object) -> bytes:
    document = {"specversion": "1.0", "id": "e1", "source": "/s", "type": type_name}
    document |= {"data": {"task_id": "t1"} if data is None else data} | fields
    return json.dumps(document).encode()


REAL_SHAPES = [
    b'{"specversion": "1.0", "id": "town-0000005", "source": "/town", "type": "swarm.task_assigned", "time": '
    b'"2026-02-16T07:57:17Z", "subject": "gt-kvo.5", "data": {"task_id": "gt-kvo.5", "agent_id": '
    b'"install10:town/polecats/nux", "role": "polecat"}}',
    b'{"specversion": "1.0", "id": "town-0000008", "source": "/town", "type": "swarm.task_completed", "time": '
    b'"2026-02-16T08:20:47Z", "subject": "gt-kvo.6", "data": {"task_id": "gt-kvo.6", "agent_id": "nux", "result": '
    b'"Review complete \xe2\x86\x92 11 added || no code", "duration_s": 1396.0}}',
    b'{"specversion": "1.0", "id": "auction-0000001", "source": "/auction", "type": "swarm.task_posted", "time": '
    b'"2007-05-09T00:00:00Z", "subject": "auction-1", "data": {"task_id": "auction-1", "description": "water main", '
    b'"candidates": ["b120", "b188"], "category": "water|pipe", "reserve": 2030000.0, "deadline": '
    b'"2007-05-10T00:00:00.500000Z"}}',
    b'{"specversion": "1.0", "id": "auction-0000002", "source": "/auction", "type": "swarm.bid_submitted", "time": '
    b'"2007-05-09T00:00:01Z", "subject": "auction-1", "data": {"task_id": "auction-1", "agent_id": "b188", "bid": '
    b"2000000.0}}",
    b'{"specversion": "1.0", "id": "bench-0000003", "source": "/bench", "type": "swarm.task_failed", "time": '
    b'"2026-01-01T00:00:50Z", "subject": "django__1--0", "data": {"task_id": "django__1--0", "agent_id": '
    b'"20241106_navie-2", "reason": "not resolved"}}',
    b'{"specversion": "1.0", "id": "b-1", "source": "urn:ci", "type": "com.github.push", "time": '
    b'"2026-01-01T00:00:00.000001Z", "subject": "main", "datacontenttype": "application/json", "traceparent": "00-ab", '
    b'"data": {"id": 5, "type": "tag", "time": null, "task_id": "t1"}}',
    b'{"specversion": "1.0", "id": "b-2", "source": "/ci", "type": "swarm.deploy_started", "data": {}}',
    b'{"specversion": "1.0", "id": "b-3", "source": "/ci", "type": "swarm.tool_executed", "subject": "ada", '
    b'"sparkwriter": "w1", "data": {"agent_id": "ada", "tool": "grep", "success": false, "duration_ms": 0.5}}',
]


@pytest.mark.parametrize("recorded", REAL_SHAPES, ids=lambda recorded: json.loads(recorded)["id"])
def test_recorded_lines_are_written_back_as_they_were(recorded):
    assert json.loads(codec.encode(codec.decode(recorded))) == json.loads(recorded)


def test_a_recorded_bid_is_read_whole():
    event = codec.decode(REAL_SHAPES[3])
    assert event == BidSubmitted(
        task_id="auction-1",
        agent_id="b188",
        bid=2_000_000.0,
        id="auction-0000002",
        source="/auction",
        time=datetime(2007, 5, 9, 0, 0, 1, tzinfo=UTC).timestamp(),
    )


def test_unknown_fields_and_attributes_are_kept():
    event = codec.decode(line(data={"task_id": "t1", "role": "polecat", "id": 5}, traceparent="00-ab", tenant=7))
    assert event.extra == {"role": "polecat", "id": 5}
    assert event.attributes == {"traceparent": "00-ab", "tenant": 7}


def test_an_attribute_or_an_unknown_field_never_replaces_a_known_one():
    event = TaskFailed(
        task_id="t1", id="e1", source="/s", attributes={"id": "x", "data": "y"}, extra={"task_id": "evil"}
    )
    document = codec.to_cloudevent(event)
    assert document["id"] == "e1"
    assert document["data"]["task_id"] == "t1"


def test_a_task_posted_without_a_description_is_a_task():
    assert codec.decode(line("swarm.task_posted")) == TaskPosted(task_id="t1", description="", id="e1", source="/s")
    with pytest.raises(BadLine, match="description must be text"):
        codec.decode(line("swarm.task_posted", {"task_id": "t1", "description": None}))


@pytest.mark.parametrize("name", ["task_failed", "swarm.task_failed"])
def test_the_bare_name_of_a_type_is_read_too(name):
    assert type(codec.decode(line(name))) is TaskFailed


@pytest.mark.parametrize(
    ("written", "kept", "again"),
    [
        ("swarm.deploy", "deploy", "swarm.deploy"),
        ("deploy", "deploy", "swarm.deploy"),
        ("com.example.deploy", "com.example.deploy", "com.example.deploy"),
        ("com.task_failed", "com.task_failed", "com.task_failed"),
        ("swarm.deploy.done", "swarm.deploy.done", "swarm.deploy.done"),
    ],
)
def test_unknown_types_are_kept_whole(written, kept, again):
    data = {"type": "t", "id": 1, "subject": "s", "time": "noon", "nested": {"a": [1, None]}}
    event = codec.decode(line(written, data, subject="prod"))
    assert type(event) is CustomEvent
    assert (event.type, event.subject, event.extra) == (kept, "prod", data)
    assert codec.to_cloudevent(event)["type"] == again


def test_a_cloudevent_may_come_without_data():
    assert codec.decode(b'{"specversion":"1.0","id":"e1","source":"/s","type":"swarm.tick"}').extra == {}


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("2026-11-20T08:30:00Z", 0),
        ("2026-11-20T08:30:00.5Z", 500_000),
        ("2026-11-20T08:30:00.123456Z", 123_456),
        ("2026-11-20T08:30:00.123456789Z", 123_456),
        ("2026-11-20T10:30:00.000001+02:00", 1),
        ("2026-11-19T23:00:00-09:30", 0),
        ("2026-11-20T14:15:00+05:45", 0),
        (datetime(2026, 11, 20, 8, 30, tzinfo=UTC).timestamp(), 0),
    ],
)
def test_times_with_zones_and_fractions(written, microseconds):
    moment = datetime(2026, 11, 20, 8, 30, 0, microseconds, UTC)
    event = codec.decode(line("swarm.task_posted", {"task_id": "t1", "deadline": written}, time=written))
    assert event.time == event.deadline == moment.timestamp()
    document = codec.to_cloudevent(event)
    assert document["time"] == document["data"]["deadline"] == moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1.5, "1970-01-01T00:00:01.500000Z"),
        (-0.000001, "1969-12-31T23:59:59.999999Z"),
        (-62_135_510_400.0, "0001-01-02T00:00:00Z"),
        (253_402_128_000.0, "9999-12-30T00:00:00Z"),
    ],
)
def test_rfc3339(seconds, text):
    assert codec.rfc3339(seconds) == text
    assert datetime.fromisoformat(text).timestamp() == seconds


# --- bad lines -------------------------------------------------------------------------------------------------------

BAD = {
    "nothing": (b"", "is not JSON"),
    "text": (b"hello", "is not JSON"),
    "cut off": (line()[:-5], "is not JSON"),
    "binary": (b"\x00\xff\xfe\x80", "is not JSON"),
    "number": (b"5", "is not a JSON object"),
    "list": (b"[]", "is not a JSON object"),
    "null": (b"null", "is not a JSON object"),
    "no id": (b'{"source":"/s","type":"swarm.x"}', "id is missing"),
    "id null": (line(id=None), "id is missing or not text"),
    "id number": (line(id=5), "id is missing or not text"),
    "id empty": (line(id=""), "id is missing or not text"),
    "id blank": (line(id="\t"), "id must not be empty"),
    "no source": (b'{"id":"e1","type":"swarm.x"}', "source is missing"),
    "source list": (line(source=["s"]), "source is missing or not text"),
    "no type": (b'{"id":"e1","source":"/s"}', "type is missing"),
    "type of nothing": (line("swarm."), "type must not be empty"),
    "data text": (line(data="text"), "data is not a JSON object"),
    "data list": (line(data=[1]), "data is not a JSON object"),
    "writer number": (line(sparkwriter=5), "writer must be text"),
    "subject number": (line("swarm.x", subject=5), "about must be text"),
    "time text": (line(time="yesterday"), "time must be a time"),
    "time true": (line(time=True), "time must be a number"),
    "time too far": (line(time=1e300), "time must lie between"),
    "missing field": (line("swarm.bid_submitted"), "agent_id is missing"),
    "null id": (line(data={"task_id": None}), "task_failed: task_id must be text"),
    "negative bid": (
        line("swarm.bid_submitted", {"task_id": "t", "agent_id": "a", "bid": -1}),
        "bid must not be negat",
    ),
    "text bid": (line("swarm.bid_submitted", {"task_id": "t", "agent_id": "a", "bid": "5"}), "bid must be a number"),
    "NaN bid": (
        line("swarm.bid_submitted", {"task_id": "t", "agent_id": "a", "bid": float("nan")}),
        "bid must be a fin",
    ),
    "inf bid": (
        line("swarm.bid_submitted", {"task_id": "t", "agent_id": "a", "bid": float("inf")}),
        "bid must be a fin",
    ),
    "nested without end": (b'{"id":"e","source":"s","type":"x","data":' + b"[" * 100_000, "is n"),
    "huge number": (b'{"id":"e","source":"s","type":"x","data":{"n":' + b"9" * 10_000 + b"}", "is not JSON"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_line_is_refused_with_its_reason(kind):
    bad, reason = BAD[kind]
    with pytest.raises(BadLine, match=reason):
        codec.decode(bad)


@bounded
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_garbage_is_a_bad_line_and_nothing_else(garbage):
    with pytest.raises(BadLine):
        codec.decode(garbage)


@bounded
@given(st.sampled_from(REAL_SHAPES), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_line_is_read_or_is_a_bad_line(good, at, patch, gone):
    damaged = good[:at] + patch + good[at + gone :]
    try:
        event = codec.decode(damaged)
    except BadLine:
        return
    assert codec.decode(codec.encode(event)) == event


@bounded
@given(
    st.dictionaries(awkward | st.sampled_from([*FIELD_NAMES]), values, max_size=8), st.sampled_from([*EVENT_TYPES, "x"])
)
def test_a_document_of_anything_is_read_or_is_a_bad_line(document, name):
    whole = {"id": "e1", "source": "/s", "type": f"swarm.{name}"} | document
    for attempt in (whole, whole | {"data": document}):
        try:
            event = codec.from_cloudevent(attempt)
        except BadLine:
            continue
        assert codec.decode(codec.encode(event)).id == event.id


# --- what is cleaned -------------------------------------------------------------------------------------------------


def test_lone_surrogates_are_accepted_and_replaced():
    written = b'{"id":"e1","source":"/s","type":"swarm.task_posted","data":{"task_id":"t1","description":"a\\ud800b"}}'
    assert codec.decode(written).description == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("broken", [b"caf\xe9", b"caf\xe9 au lait", b"\xff\xfe", b"cut \xf0\x9f\x99"])
def test_broken_utf8_is_accepted_and_replaced(broken):
    """Old exporters write Latin-1: one such letter must not cost the event."""
    written = (
        b'{"id":"e1","source":"/s","type":"swarm.task_posted","data":{"task_id":"t1","description":"%s"}}' % broken
    )
    assert codec.decode(written).description == broken.decode(errors="replace")


def test_a_nul_is_replaced():
    assert codec.decode(line(data={"task_id": "t\x001"})).task_id == "t\N{REPLACEMENT CHARACTER}1"


def test_numbers_that_are_none_become_nothing_where_any_value_may_stand():
    event = codec.decode(b'{"id":"e1","source":"/s","type":"swarm.x","data":{"a":NaN,"b":[-Infinity,1]}}')
    assert event.extra == {"a": None, "b": [None, 1]}


def test_long_text_is_cut_and_deep_nesting_ends():
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    event = codec.decode(line(data={"task_id": "t1", "reason": "x" * 1_000_000, "deep": deep}))
    assert event.reason.endswith("[cut: 1000000 bytes]")
    assert cleaning.TOO_DEEP in str(event.extra)


def test_a_byte_order_mark_before_the_first_line_is_no_harm():
    assert codec.decode(b"\xef\xbb\xbf" + line()) == codec.decode(line())


@pytest.mark.parametrize("value", [None, 5, "text", [], bytearray(b"{}")], ids=repr)
def test_what_is_no_line_is_a_bad_line(value):
    """A store gives back whatever somebody has put into it."""
    with pytest.raises(BadLine, match="is no line"):
        codec.decode(value)


def test_a_line_nested_without_end_is_a_bad_line():
    with pytest.raises(BadLine):
        codec.decode(b"[" * 100_000)
