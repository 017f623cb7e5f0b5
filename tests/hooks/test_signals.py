"""Signals and the bridge: what a coordinator sends, what plugins are told, and what the sender gets back."""

from __future__ import annotations

import gc
import inspect
import os
import threading
import time
import uuid
import warnings
import weakref
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

import spark_hooks
from spark_hooks import InvalidEvent, Receipt, events, hookimpl, signals, specs
from spark_hooks.bridge import MAX_REASONS, OTHER_REASONS, Bridge, Stamp, bridge_of
from spark_hooks.events import EVENT_TYPES, BidSubmitted, CustomEvent, Event, TaskFailed, TaskPosted
from spark_hooks.plugins import Plugins
from spark_hooks.signals import SIGNALS
from spark_plugin import codec

DATA: dict[str, dict[str, object]] = {
    "task_posted": {"task_id": "t1", "description": "Fix the login bug"},
    "bid_submitted": {"task_id": "t1", "agent_id": "ada", "bid": 7.5},
    "task_assigned": {"task_id": "t1", "agent_id": "ada"},
    "task_completed": {"task_id": "t1", "agent_id": "ada"},
    "task_failed": {"task_id": "t1"},
    "agent_joined": {"agent_id": "ada"},
    "agent_left": {"agent_id": "ada"},
    "tool_executed": {"agent_id": "ada", "tool": "grep", "success": True},
    "recommendation_given": {"task_id": "t1", "agent_id": "ada"},
    "advisory_delivered": {"advisory_id": "a7-1"},
    "advisory_acknowledged": {"advisory_id": "a7-1"},
    "advisory_dismissed": {"advisory_id": "a7-1"},
    "advisory_followed": {"advisory_id": "a7-1"},
    "custom": {"type": "swarm.deploy"},
}
"""For each signal, the least that it takes."""


def hooks_of(group: type) -> set[str]:
    return {name for name in vars(group) if not name.startswith("_")}


def notifications() -> set[str]:
    return hooks_of(specs.Notifications)


def listener() -> tuple[object, list[tuple[str, object, object]]]:
    """A plugin that notes (hook, event, coordinator) of every notification there is."""
    told: list[tuple[str, object, object]] = []

    def noting(hook: str):
        @hookimpl(specname=hook)
        def note(event, coordinator):
            told.append((hook, event, coordinator))

        return note

    return SimpleNamespace(__name__="listener", **{hook: noting(hook) for hook in sorted(notifications())}), told


class Keeper:
    """Stands for the journal: keeps every event and says so."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []

    @hookimpl
    def event_captured(self, event):
        self.events.append(event)
        return Receipt(event.id, "journaled")


class Coordinator:
    """Equal to every other: only identity tells them apart."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Swarm:
    """A coordinator and everything behind it."""

    def __init__(self, *, strict: bool = False) -> None:
        self.coordinator = Coordinator()
        self.keeper = Keeper()
        self.plugins = Plugins(strict=strict)
        self.plugins.register(self.keeper)
        self.bridge = Bridge(self.coordinator, self.plugins, "/swarm")
        self.bridge.connect()

    def send(self, signal: str, /, **fields: object) -> Receipt:
        [(_, receipt)] = SIGNALS[signal].send(self.coordinator, **fields)
        assert isinstance(receipt, Receipt)
        return receipt

    @property
    def last(self):
        return self.keeper.events[-1]


@pytest.fixture
def swarm():
    swarm = Swarm()
    yield swarm
    swarm.bridge.disconnect()


@pytest.fixture
def strict_swarm():
    swarm = Swarm(strict=True)
    yield swarm
    swarm.bridge.disconnect()


# --- one name for signal, hook and event -----------------------------------------------------------------------------


def test_signals_hooks_and_events_have_the_same_names():
    assert set(SIGNALS) == set(EVENT_TYPES) | {"custom"} == set(DATA)
    assert notifications() == set(SIGNALS) | {"event_captured"}


@pytest.mark.parametrize("name", SIGNALS)
def test_each_signal_is_an_attribute_of_its_name(name):
    assert getattr(signals, name) is SIGNALS[name]
    assert len({id(signal) for signal in SIGNALS.values()}) == len(SIGNALS)


def test_a_misspelt_signal_is_an_error_where_it_stands():
    with pytest.raises(AttributeError):
        signals.task_postd  # noqa: B018


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_class_of_an_event_is_its_name_in_camel_case(name):
    cls = EVENT_TYPES[name]
    assert cls.__name__ == "".join(part.capitalize() for part in name.split("_"))
    assert getattr(events, cls.__name__) is cls
    assert cls.type == cls.__struct_config__.tag == name


@pytest.mark.parametrize("name", [*DATA])
def test_every_hook_of_an_event_takes_the_event_and_the_coordinator(name):
    assert list(inspect.signature(getattr(specs.Notifications, name)).parameters) == ["self", "event", "coordinator"]


def test_the_contract_is_found_at_the_top_of_the_package():
    for name in spark_hooks.__all__:
        assert hasattr(spark_hooks, name), name


# --- sending ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATA)
def test_one_signal_is_one_event_and_calls_the_hook_of_its_name(swarm, name):
    plugin, told = listener()
    swarm.plugins.register(plugin)
    receipt = swarm.send(name, **DATA[name])
    [event] = swarm.keeper.events
    assert receipt == Receipt(event.id, "journaled")
    assert type(event) is EVENT_TYPES.get(name, CustomEvent)
    assert [hook for hook, _, _ in told] == ["event_captured", name]
    for _, told_event, told_coordinator in told:
        assert told_event == event
        assert told_event is not event, "each has its own, and cannot change that of others"
        assert told_coordinator is swarm.coordinator


def test_send_returns_blinkers_list_with_a_receipt(swarm):
    answers = signals.task_failed.send(swarm.coordinator, task_id="t1")
    assert isinstance(answers, list)
    [(receiver, receipt)] = answers
    assert callable(receiver)
    assert receipt == Receipt(swarm.last.id, "journaled")


def test_the_envelope_is_filled_in(swarm):
    before = time.time()
    swarm.send("task_failed", task_id="t1")
    event = swarm.last
    assert before - 1e-6 <= event.time <= time.time() + 1e-6
    assert event.source == "/swarm"
    assert event.id.startswith(event.writer)
    assert event.writer


def test_the_envelope_may_be_given(swarm):
    receipt = swarm.send("task_failed", task_id="t1", event_id="e1", time="2026-11-20T08:30:00Z", source="/other")
    event = swarm.last
    assert (event.id, event.source, event.time) == ("e1", "/other", 1_795_163_400.0)
    assert receipt.event_id == "e1"
    assert event.extra == {}


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_envelope_is_filled_in(swarm, blank):
    receipt = swarm.send("task_failed", task_id="t1", event_id=blank, source=blank, time=blank)
    event = swarm.last
    assert receipt.event_id == event.id == f"{event.writer}-1000000000"
    assert event.source == "/swarm"
    assert event.time > 0


@pytest.mark.parametrize("epoch", [0, 0.0, "1970-01-01T00:00:00Z"])
def test_the_first_second_of_1970_is_a_time(swarm, epoch):
    swarm.send("task_failed", task_id="t1", time=epoch)
    assert swarm.last.time == 0.0


def test_unknown_fields_are_kept(swarm):
    fields = {"sender": "x", "coordinator": 1, "type": "y", "id": 2, "writer": "w", "self": 3, "extra": {"a": 1}}
    fields |= {"event": "not one", "cls": 4, "signal": 5}
    receipt = swarm.send("task_failed", task_id="t1", **fields)
    assert receipt.state == "journaled"
    assert swarm.last.extra == fields


def test_a_custom_event_keeps_fields_called_as_those_of_others(swarm):
    fields = {"sender": "x", "id": 1, "about": "y", "extra": {}, "task_id": "t1", "agent_id": "ada", "event": 4}
    swarm.send("custom", type="swarm.deploy", subject="prod", **fields)
    event = swarm.last
    assert (event.type, event.subject, event.task, event.agent) == ("deploy", "prod", "t1", "ada")
    assert event.extra == fields


@pytest.mark.parametrize(("given", "kept"), [("deploy", "deploy"), ("swarm.deploy", "deploy"), ("com.x.y", "com.x.y")])
def test_types_of_the_swarms_own(swarm, given, kept):
    swarm.send("custom", type=given)
    assert type(swarm.last) is CustomEvent
    assert swarm.last.type == kept


@pytest.mark.parametrize("hook", sorted({"event_captured"} | hooks_of(specs.Questions) | hooks_of(specs.Extensions)))
def test_a_custom_type_called_as_a_hook_calls_no_other_hook(swarm, hook):
    plugin, told = listener()
    swarm.plugins.register(plugin)
    answered: list[str] = []

    class Answering:
        @hookimpl
        def predict(self):
            answered.append("predict")

        @hookimpl
        def redact(self):
            answered.append("redact")

    swarm.plugins.register(Answering())
    swarm.send("custom", type=f"swarm.{hook}")
    assert [name for name, _, _ in told] == ["event_captured", "custom"]
    assert len(swarm.keeper.events) == 1
    assert answered == []
    assert not swarm.plugins.errors


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_declared_type_sent_as_custom_is_that_event(swarm, name):
    """Else it would be told to the hook of that name as what it is not, and could never be read back from a file."""
    plugin, told = listener()
    swarm.plugins.register(plugin)
    assert swarm.send("custom", type=f"swarm.{name}").state == "rejected"
    assert swarm.send("custom", type=f"swarm.{name}", **DATA[name]).state == "journaled"
    assert type(swarm.last) is EVENT_TYPES[name]
    assert [hook for hook, _, _ in told] == ["event_captured", name]
    assert codec.decode(codec.encode(swarm.last)) == swarm.last


@pytest.mark.parametrize(
    "kind", ["deploy", "swarm.deploy", "com.x.y", "swarm.a.b", "predict", "task_posted", "custom", "x y"]
)
def test_whatever_is_accepted_can_be_read_back(swarm, kind):
    swarm.send("custom", type=kind, subject="s", task_id="t1", n=1)
    for event in swarm.keeper.events:
        assert codec.decode(codec.encode(event)) == event


@pytest.mark.parametrize("kind", ["task_posted", "swarm.task_posted", "swarm.deploy", "deploy"])
def test_whatever_is_accepted_whole_can_be_read_back(swarm, kind):
    try:
        event = CustomEvent(type=kind, about="s", extra={"n": 1})
    except InvalidEvent:
        return
    swarm.send("custom", event=event)
    for kept in swarm.keeper.events:
        assert codec.decode(codec.encode(kept)) == kept


# --- events sent whole -----------------------------------------------------------------------------------------------


def test_an_event_built_beforehand_may_be_sent_whole(swarm):
    event = TaskFailed(task_id="t1", extra={"a": 1})
    receipt = swarm.send("task_failed", event=event)
    sent = swarm.last
    assert (sent.task_id, sent.extra, sent.source, sent.writer) == ("t1", {"a": 1}, "/swarm", sent.id.split("-")[0])
    assert receipt.event_id == sent.id
    assert event.id == ""


def test_only_the_gaps_of_an_envelope_are_filled(swarm):
    swarm.send("task_failed", event=TaskFailed(task_id="t1", id="e1", time=0.0))
    assert (swarm.last.id, swarm.last.time, swarm.last.source) == ("e1", 0.0, "/swarm")
    whole = TaskFailed(task_id="t1", id="e1", time=0.0, source="/other", writer="w")
    swarm.send("task_failed", event=whole)
    assert swarm.last == whole


# --- who is heard ----------------------------------------------------------------------------------------------------


def test_nobody_registered_nothing_happens():
    assert signals.task_failed.send(Coordinator(), task_id=None) == []


def test_only_the_registered_object_is_heard_not_its_equals(swarm):
    assert signals.task_failed.send(Coordinator(), task_id="t1") == []
    assert signals.task_failed.send(None, task_id="t1") == []
    assert swarm.keeper.events == []


def test_each_swarm_hears_its_own(swarm, strict_swarm):
    swarm.send("task_failed", task_id="mine")
    strict_swarm.send("task_failed", task_id="theirs")
    assert [event.task_id for event in swarm.keeper.events] == ["mine"]
    assert [event.task_id for event in strict_swarm.keeper.events] == ["theirs"]


def test_disconnected_nothing_is_heard(swarm):
    swarm.bridge.disconnect()
    for name, data in DATA.items():
        assert SIGNALS[name].send(swarm.coordinator, **data) == []
    swarm.bridge.disconnect()


def test_connected_twice_is_connected_once(swarm):
    swarm.bridge.connect()
    swarm.send("task_failed", task_id="t1")
    assert len(swarm.keeper.events) == 1


def test_connected_again_it_is_heard_again(swarm):
    swarm.bridge.disconnect()
    swarm.bridge.connect()
    assert swarm.send("task_failed", task_id="t1").state == "journaled"


def test_the_sender_is_kept_alive_while_connected():
    swarm = Swarm()
    sender, bridge = weakref.ref(swarm.coordinator), weakref.ref(swarm.bridge)
    del swarm
    gc.collect()
    assert sender() is not None
    signals.task_failed.send(sender(), task_id="t1")
    bridge().disconnect()
    gc.collect()
    assert sender() is None, "a sender that was let go is still held"


def test_what_was_disconnected_leaves_nothing_in_the_signals():
    before = {name: len(signal.receivers) for name, signal in SIGNALS.items()}
    for _ in range(3):
        Swarm().bridge.disconnect()
    assert {name: len(signal.receivers) for name, signal in SIGNALS.items()} == before


def test_the_bridge_of_a_sender_is_found(swarm, strict_swarm):
    swarm.bridge.owner = "whoever"
    assert bridge_of(swarm.coordinator) is swarm.bridge
    assert bridge_of(swarm.coordinator).owner == "whoever"
    assert bridge_of(strict_swarm.coordinator) is strict_swarm.bridge
    assert bridge_of(Coordinator()) is None
    swarm.bridge.disconnect()
    assert bridge_of(swarm.coordinator) is None


def test_the_bridge_of_an_equal_text_is_somebody_elses():
    """blinker takes texts for the same that are equal; a bridge looks at identity."""
    mine, other = ("".join(["a ", "swarm"]) for _ in range(2))
    bridge = Bridge(mine, Plugins(), "/s")
    bridge.connect()
    assert bridge_of(mine) is bridge
    assert bridge_of(other) is None
    bridge.disconnect()


def test_receivers_of_others_are_no_bridges(swarm):
    def stranger(sender, **fields):
        return "mine"

    with signals.task_posted.connected_to(stranger):
        assert bridge_of(swarm.coordinator) is swarm.bridge
        assert bridge_of(Coordinator()) is None
        answers = signals.task_posted.send(swarm.coordinator, **DATA["task_posted"])
    assert len(answers) == 2


@pytest.mark.parametrize("bad", ["", None, 5, "\t"])
def test_a_source_must_be_a_name(bad):
    with pytest.raises(Exception, match="must"):
        Bridge(object(), Plugins(), bad)


# --- refusals and other receipts -------------------------------------------------------------------------------------


def test_a_refusal_reaches_only_the_receipt_and_the_count(swarm):
    receipt = swarm.send("bid_submitted", task_id="t1", agent_id="ada", bid=float("nan"))
    assert receipt.state == "rejected"
    assert receipt.reason == "bid_submitted: bid must be a finite number"
    assert receipt.event_id
    assert swarm.keeper.events == []


def test_refusals_are_counted_by_reason(swarm):
    for bid in (-1.0, -2.0, "many"):
        swarm.send("bid_submitted", task_id="t1", agent_id="ada", bid=bid)
    swarm.send("bid_submitted", agent_id="ada", bid=1.0)
    swarm.send("task_failed", task_id="t1")
    assert swarm.bridge.rejected == {
        "bid_submitted: bid must not be negative": 2,
        "bid_submitted: bid must be a number, not str": 1,
        "bid_submitted: task_id is missing": 1,
    }


def test_a_refusal_names_the_id_that_was_given(swarm):
    """The sender looks for its own id in the receipt."""
    assert swarm.send("task_failed", event_id="e1").event_id == "e1"


def test_many_kinds_of_custom_events_make_few_kinds_of_refusals(swarm):
    """The count of refusals lives as long as the process: what a stranger names must not make it grow."""
    for n in range(100):
        assert swarm.send("custom", type=f"kind-{n}", time="soon").state == "rejected"
    assert swarm.bridge.rejected.total() == 100
    assert len(swarm.bridge.rejected) == 1


def test_reasons_beyond_a_bound_are_counted_together(swarm):
    for n in range(MAX_REASONS + 100):
        assert swarm.send("task_failed", task_id=type(f"Odd{n}", (), {})()).state == "rejected"
    assert swarm.bridge.rejected.total() == MAX_REASONS + 100
    assert swarm.bridge.rejected[OTHER_REASONS] == 100


def test_a_reason_is_of_a_readable_length(swarm):
    assert len(swarm.send("task_failed", task_id=type("x" * 10_000_000, (), {})()).reason) < 200


@pytest.mark.parametrize("method", ["__str__", "__bool__", "__class__", "__len__"])
@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit])
def test_a_value_may_raise_anything_and_reaches_nobody(swarm, method, error):
    def leave(*_: object) -> object:
        raise error

    leaving = type("Leaving", (), {method: property(leave) if method == "__class__" else leave})()
    for name in ("task_id", "reason", "cost", "note", "event_id", "time", "event"):
        receipt = swarm.send("task_failed", **{"task_id": "t1", name: leaving})
        assert receipt.state in ("journaled", "rejected")
        assert receipt.state == "journaled" or receipt.reason


class Own(Event, frozen=True, kw_only=True, tag="own"):
    """A class of events that Spark cannot store."""

    type = "own"


class Heir(TaskFailed, frozen=True, kw_only=True, tag="heir"):
    """One that only looks like one it can."""


@pytest.mark.parametrize("event", [Event(), Own(), Heir(task_id="t1")], ids=["base", "own", "heir"])
def test_an_event_of_a_class_of_its_own_is_refused_and_not_journaled(swarm, event):
    """Acknowledged, it would be lost: no decoder knows it."""
    receipt = swarm.send("task_failed", event=event)
    assert (receipt.state, swarm.keeper.events) == ("rejected", [])
    assert "send a CustomEvent" in receipt.reason


def test_what_was_changed_in_an_event_since_it_was_built_is_cleaned_once_more(swarm):
    event = TaskFailed(task_id="t1", id="e", source="/s", time=1.0, writer="w", extra={"n": 1}, attributes={"a": "b"})
    event.extra["x"] = "\ud800"
    event.attributes["y"] = {1: object}
    assert swarm.send("task_failed", event=event).state == "journaled"
    assert swarm.last.extra == {"n": 1, "x": "\ufffd"}
    assert codec.decode(codec.encode(swarm.last)) == swarm.last


@pytest.mark.parametrize(
    "missing",
    [{}, {"type": "swarm."}, {"type": "swarm. "}, {"type": None}, {"type": 5}, {"type": ""}, {"type": object()}],
)
def test_a_custom_event_without_a_type_is_refused(swarm, missing):
    receipt = swarm.send("custom", subject="s", **missing)
    assert receipt.state == "rejected"
    assert "type must" in receipt.reason


def test_strict_raises_what_is_refused(strict_swarm):
    with pytest.raises(InvalidEvent, match="task_id is missing"):
        signals.task_failed.send(strict_swarm.coordinator)


def test_strict_raises_what_plugins_raise(strict_swarm):
    class Broken:
        @hookimpl
        def task_failed(self):
            raise KeyError("mine")

    strict_swarm.plugins.register(Broken())
    with pytest.raises(KeyError, match="mine"):
        signals.task_failed.send(strict_swarm.coordinator, task_id="t1")


def test_an_event_that_nobody_keeps_is_dropped(swarm):
    swarm.plugins.unregister(swarm.keeper)
    receipt = swarm.send("task_failed", task_id="t1")
    assert receipt.state == "dropped"
    assert receipt.reason == "nobody keeps events"


def test_the_first_receipt_counts(swarm):
    class Other:
        @hookimpl
        def event_captured(self, event):
            return Receipt(event.id, "dropped", "other")

    class Nonsense:
        @hookimpl
        def event_captured(self):
            return "journaled"

    other = Other()
    swarm.plugins.register(other)
    assert swarm.send("task_failed", task_id="t1").state == "journaled"
    swarm.plugins.unregister(swarm.keeper)
    swarm.plugins.register(Nonsense())
    swarm.plugins.register(swarm.keeper)
    assert swarm.send("task_failed", task_id="t1").reason == "other"
    swarm.plugins.unregister(other)
    assert swarm.send("task_failed", task_id="t1") == Receipt(swarm.last.id, "journaled")


class Raising:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


HOSTILE = [
    None,
    "",
    "x" * 10_000_000,
    "\ud800",
    "a\0b",
    float("nan"),
    float("-inf"),
    -1,
    10**500,
    True,
    b"\xff" * 100_000,
    np.float64("nan"),
    np.array([[1, 2], [3, 4]]),
    uuid.UUID(int=1),
    object(),
    Raising(),
    [Raising()],
    {Raising(): Raising()},
    [[[[[[[[[[["deep"]]]]]]]]]]],
    ["x" * 100_000],
    {"task_id": "t1"},
    lambda: None,
    Exception("boom"),
    (n for n in range(3)),
]


@pytest.mark.parametrize("name", DATA)
def test_no_value_in_any_field_raises_into_the_coordinator(swarm, name):
    fields = [*DATA[name], "note", "event", "event_id", "time", "source", "candidates", "subject", "cost"]
    for field in fields:
        for value in HOSTILE:
            receipt = swarm.send(name, **DATA[name] | {field: value})
            assert receipt.state in ("journaled", "rejected")
    for event in swarm.keeper.events:
        assert codec.decode(codec.encode(event)) == event
    assert swarm.send(name, **DATA[name]).state == "journaled"


# --- ids -------------------------------------------------------------------------------------------------------------


def test_ids_grow(swarm):
    ids = [swarm.send("task_failed", task_id="t1").event_id for _ in range(300)]
    assert ids == sorted(set(ids))


def test_ids_of_threads_are_apart_and_grow_in_each(swarm):
    made: list[list[str]] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        made.append([swarm.send("task_failed", task_id="t1").event_id for _ in range(200)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in made)
    assert len({event_id for ids in made for event_id in ids}) == 1600
    assert len(swarm.keeper.events) == 1600
    assert swarm.send("task_failed", task_id="t1").event_id > max(map(max, made))


def test_each_stamp_is_a_writer_of_its_own():
    assert len({Stamp()()[1] for _ in range(100)}) == 100


def test_a_later_stamp_makes_greater_ids():
    first = Stamp()
    earlier = first()
    while time.time_ns() // 1_000_000 == int(first()[1][:11], 16):
        time.sleep(0.001)
    assert Stamp()() > earlier


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork_the_child_is_another_writer(swarm):
    swarm.send("task_failed", task_id="t1")
    ours = swarm.last
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            swarm.send("task_failed", task_id="t1")
            os.write(write, f"{swarm.last.writer} {swarm.last.id}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        writer, event_id = pipe.read().decode().split()
    os.waitpid(child, 0)
    assert writer != ours.writer
    assert event_id.startswith(writer)
    swarm.send("task_failed", task_id="t1")
    assert swarm.last.writer == ours.writer


# --- from everywhere -------------------------------------------------------------------------------------------------


async def test_a_coroutine_sends_as_anybody_does(swarm):
    assert swarm.send("task_posted", **DATA["task_posted"]).state == "journaled"


def test_the_classes_and_signals_fit(swarm):
    """A declared event sent whole through another signal is still told to its own hook."""
    plugin, told = listener()
    swarm.plugins.register(plugin)
    for event in (TaskPosted(task_id="t1", description=""), BidSubmitted(task_id="t1", agent_id="ada", bid=1)):
        swarm.send("custom", event=event)
        assert told[-1][0] == event.type


def test_an_event_that_was_changed_behind_our_back_is_checked_when_it_is_sent(swarm):
    event = BidSubmitted(task_id="t1", agent_id="ada", bid=1.0, id="e1", source="/s", time=1.0, writer="w")
    receipt = swarm.send("bid_submitted", event=msgspec.structs.replace(event, bid=float("nan")))
    assert receipt.state == "rejected" and "bid must be a finite number" in receipt.reason
