"""Redaction: every text of an event but its identity goes through the hook before it is stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_hooks import Hooks, InvalidEvent, hookimpl
from spark_hooks.events import (
    EVENT_TYPES,
    AgentJoined,
    BidSubmitted,
    CustomEvent,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
    ToolExecuted,
)
from spark_hooks.plugins import WITHHELD, Plugins
from spark_plugin import codec
from spark_plugin.redaction import redacted

SECRET = "sk-12345"
ENVELOPE = {"id": f"id {SECRET}", "source": f"/{SECRET}", "writer": f"w {SECRET}", "time": 5.0}
BURIED = {"a": [{"b": (SECRET, 1, None, True, 2.5)}], f"key {SECRET}": f"x {SECRET} y", "n": 7}
KEPT = {"attributes": BURIED, "extra": BURIED}

EVENTS = [
    TaskPosted(
        task_id=SECRET, description=f"use {SECRET}", candidates=["ada", SECRET], category=SECRET, **ENVELOPE, **KEPT
    ),
    BidSubmitted(task_id=SECRET, agent_id=SECRET, bid=1.0, **ENVELOPE, **KEPT),
    TaskCompleted(task_id="t", agent_id="a", result=f"{SECRET} {SECRET}", cost=1.0, **ENVELOPE, **KEPT),
    TaskFailed(task_id="t", reason=SECRET, **ENVELOPE, **KEPT),
    AgentJoined(agent_id="a", name=SECRET, capabilities=[SECRET], **ENVELOPE, **KEPT),
    ToolExecuted(agent_id="a", tool=SECRET, success=True, **ENVELOPE, **KEPT),
    CustomEvent(type="deploy", about=SECRET, **ENVELOPE, **KEPT),
]


def hide(text: str) -> str:
    return text.replace(SECRET, "[hidden]")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_no_secret_is_left_but_in_the_identity(event):
    clean = redacted(event, hide)
    for name in clean.__struct_fields__:
        if name not in ENVELOPE:
            assert SECRET not in repr(getattr(clean, name)), name
    assert type(clean) is type(event)
    assert {name: getattr(clean, name) for name in ENVELOPE} == ENVELOPE
    assert clean.type == event.type


def test_the_shape_of_what_is_redacted_stays():
    clean = redacted(EVENTS[0], hide)
    assert clean.description == "use [hidden]"
    assert clean.candidates == ("ada", "[hidden]")
    assert clean.extra == {"a": [{"b": ["[hidden]", 1, None, True, 2.5]}], "key [hidden]": "x [hidden] y", "n": 7}
    assert clean.attributes == clean.extra


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_what_holds_no_secret_is_the_same_event(event):
    assert redacted(event, lambda text: text) is event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_redacting_twice_is_redacting_once(event):
    clean = redacted(event, hide)
    assert redacted(clean, hide) == clean


def test_the_original_is_not_touched():
    before = repr(EVENTS[0])
    redacted(EVENTS[0], hide)
    assert repr(EVENTS[0]) == before


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(EVENTS), st.functions(like=lambda text: "", returns=st.text(min_size=1, max_size=5), pure=True))
def test_whatever_a_plugin_makes_of_the_texts_can_be_stored(event, redact):
    try:
        clean = redacted(event, redact)
    except InvalidEvent:
        return
    assert codec.decode(codec.encode(clean)).id == event.id


def test_what_a_plugin_brings_in_is_cleaned():
    assert redacted(TaskFailed(task_id="t", reason="x"), lambda text: text + "\0\ud800").reason == "x\ufffd\ufffd"


def test_a_plugin_that_leaves_no_valid_event_is_told_so():
    with pytest.raises(InvalidEvent, match="task_failed: task_id must not be empty"):
        redacted(TaskFailed(task_id="t"), lambda text: "")


def test_two_keys_that_become_one_keep_both_values():
    event = CustomEvent(type="x", extra={"key 1": 1, "key 2": 2, "key 3": 3})
    clean = redacted(event, lambda text: text[:3])
    assert sorted(clean.extra.values()) == [1, 2, 3]


class Hiding:
    @hookimpl
    def redact(self, text):
        return hide(text)


class Failing:
    @hookimpl
    def redact(self, text):
        raise RuntimeError("no")


def test_texts_go_through_every_plugin():
    hooks = Hooks(Plugins())
    hooks.register(Hiding())
    assert redacted(TaskFailed(task_id="t", reason=SECRET), hooks.redact).reason == "[hidden]"


def test_where_a_plugin_fails_no_text_is_stored_but_two_tasks_stay_two():
    hooks = Hooks(Plugins())
    hooks.register(Failing())
    one, other = (redacted(TaskFailed(task_id=task, reason=SECRET), hooks.redact) for task in (SECRET, "t2"))
    assert one.reason == other.reason == WITHHELD
    assert SECRET not in repr(one)
    assert one.task_id != other.task_id
    assert one.task_id == redacted(TaskFailed(task_id=SECRET), hooks.redact).task_id


# --- without any plugin ----------------------------------------------------------------------------------------------

TOKEN = "ghp" + "_" + "a1B2c3D4e5F6" * 3


@pytest.mark.parametrize(
    "event",
    [
        TaskPosted(task_id="t", description=f"use {TOKEN} to push", candidates=["ada", TOKEN], category=TOKEN),
        TaskCompleted(task_id="t", agent_id="a", result=f"remote set to https://{TOKEN}@github.com/x/y"),
        TaskFailed(task_id=TOKEN, agent_id=TOKEN, reason=TOKEN),
        AgentJoined(agent_id="a", name=TOKEN, capabilities=[TOKEN]),
        ToolExecuted(agent_id="a", tool=f"git push {TOKEN}", success=True),
        CustomEvent(type="deploy", about=TOKEN, extra={"env": [{"TOKEN": TOKEN}, (TOKEN,)], TOKEN: 1}),
        CustomEvent(type="deploy", attributes={"trace": TOKEN}),
    ],
    ids=lambda event: event.type,
)
def test_a_well_known_kind_of_secret_is_taken_out_wherever_it_stands(event):
    clean = redacted(event)
    assert TOKEN not in repr(clean)
    assert redacted(clean) == clean
    assert codec.decode(codec.encode(clean.__class__(**fields(clean) | {"id": "e", "source": "s"}))).id == "e"


def fields(event) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_ids_that_hold_secrets_stay_apart_and_stay_the_same():
    one, other = (redacted(TaskFailed(task_id=f"job-{n}-{TOKEN}")).task_id for n in (1, 2))
    assert one != other
    assert one == redacted(TaskAssigned(task_id=f"job-1-{TOKEN}", agent_id="a")).task_id
    alike = {redacted(TaskFailed(task_id=TOKEN[:-1] + end)).task_id for end in "xyz"}
    assert len(alike) == 3


@pytest.mark.parametrize(
    "text",
    ["Fix the login bug", "see commit 3f2a9c1d", "token budget of 500", "the password field is too short", "🙂", ""],
)
def test_ordinary_text_stays_as_it_is(text):
    event = TaskPosted(task_id="t-1", description=text, extra={"note": text})
    assert redacted(event) is event


# --- which texts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", EVENT_TYPES.values())
def test_the_identity_is_the_envelope_not_the_data(cls):
    """A field that is text in any class of event and is not redacted would be a hole: here are those that may stay."""
    asked: list[str] = []
    data = {name: sample(name) for name in cls.checks}
    event = cls(**data, id="i", source="s", writer="w")
    redacted(event, lambda text: asked.append(text) or text)
    texts = {value for value in data.values() if isinstance(value, str)} | {
        item for value in data.values() if isinstance(value, tuple) for item in value if isinstance(item, str)
    }
    assert texts == set(asked)


def sample(field: str) -> object:
    if field in ("candidates", "capabilities"):
        return (f"{field} 1", f"{field} 2")
    if field == "success":
        return True
    if field in ("bid", "reserve", "cost", "duration_s", "duration_ms", "deadline"):
        return 1.0
    if field in ("propensities", "chances"):
        return (0.5, 0.5)
    return field
