"""F5: whatever is sent, nothing is raised, what is good is stored at once, and readers bear what lies in a store."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spark_hooks import InvalidEvent, Receipt, bridge, cleaning
from spark_hooks.bridge import MAX_REASONS, Bridge
from spark_hooks.events import EVENT_TYPES, BidSubmitted, CustomEvent, Event, TaskPosted
from spark_hooks.signals import SIGNALS
from spark_plugin import Settings, Spark, codec, register
from spark_plugin.capture import carrier
from spark_plugin.errors import BadLine
from spark_plugin.store import Filter, Store, open_store
from tests.faults import hostile
from tests.faults.matrix import size
from tests.faults.telling import Swarm

SENDS = size(1_000_000)
BLOCK = 1000
MONSTERS = 20_000
"""One value in so many is a monster."""
WITHIN_S = 1.0
TRIES = 3

TASKS = [f"t{n}" for n in range(200)]
AGENTS = [f"agent-{n}" for n in range(12)]
NAMES = sorted({name for cls in EVENT_TYPES.values() for name in cls.checks})
ODD_NAMES = ("", "\ud800", "\0", "x" * 1000, "id", "type", "subject", "writer", "extra", "attributes", "event", "$",
             "specversion", "data", "self", "cls", "event_id", "time", "source", "deadline", "task_id")  # fmt: skip


class Sent(NamedTuple):
    """What senders saw."""

    raised: Counter[str]
    """Whatever reached the coordinator, in words."""
    states: Counter[str]
    odd_receipts: list[object]


class Outcome(NamedTuple):
    """What became of all that was sent."""

    sent: Sent
    waits: list[float]
    """Seconds until a good event was stored, after each block."""
    status: dict[str, Any]
    ingested: tuple[int, int, int]
    faults: list[str]
    """Errors that Spark has logged about itself."""
    unreadable: list[str]
    """Stored lines that do not come back as they were."""
    letters: list[str]
    """Dead letters: what was acknowledged and could not be stored."""
    reasons: int
    """Different reasons that are kept."""


# what is sent


def good(rng: random.Random, name: str) -> dict[str, Any]:
    """The fields of a sound event."""
    task, agent = rng.choice(TASKS), rng.choice(AGENTS)
    fields: dict[str, Any] = {"task_id": task, "agent_id": agent, "bid": 5.0, "description": "", "tool": "grep"}
    fields |= {"advisory_id": "a1-1", "propensities": [0.9, 0.05, 0.05], "chances": [0.5, 0.5, 0.5]}
    fields |= {"success": True, "candidates": AGENTS[:3], "category": "bug", "reserve": 9.0, "cost": 4.0}
    cls = EVENT_TYPES.get(name)
    if cls is None:
        return {"type": f"swarm.kind-{rng.randrange(5)}", "subject": task, "note": "x"}
    return {key: fields[key] for key in cls.checks if key in fields}


def bad(rng: random.Random, name: str) -> dict[str, Any]:
    """The fields of an event with something hostile in it: as a field, in the envelope, or beside them."""
    fields = good(rng, name)
    for _ in range(rng.choice((1, 1, 2))):
        where = rng.random()
        if where < 0.45:
            key = rng.choice(list(fields))
        elif where < 0.55:
            key = rng.choice(("event_id", "source", "time", "event"))
        elif where < 0.62:
            key = rng.choice(ODD_NAMES)
        else:
            key = rng.choice(("note", "payload", *NAMES))
        fields[key] = hostile.value(rng) if rng.randrange(MONSTERS) else hostile.monster(rng)
    if rng.random() < 0.05:
        del fields[rng.choice(list(fields))]
    return fields


class Stranger(Event, frozen=True, kw_only=True, tag="stranger"):
    """A class of events that Spark does not know."""

    type = "stranger"


class Heir(TaskPosted, frozen=True, kw_only=True, tag="heir"):
    """A class that only looks like one that it knows."""


def whole(rng: random.Random, name: str) -> object:
    """An event built beforehand. Building it may be refused, and that is all."""
    odd = rng.random()
    if odd < 0.1:
        return rng.choice((Event(), Stranger(), Heir(task_id="t", description=""), object(), "task_posted"))
    if odd < 0.3:
        event = CustomEvent(type="mutable", extra={"n": 1}, attributes={"trace": "x"})
        rng.choice((event.extra, event.attributes))["later"] = hostile.value(rng)
        return event
    cls = EVENT_TYPES.get(name)
    fields = good(rng, name) | bad(rng, name)
    own = {key: value for key, value in fields.items() if cls is None or key in cls.checks}
    fields = own | ({"extra": {key: fields[key] for key in NAMES if key in fields}} if rng.random() < 0.2 else {})
    return (cls or CustomEvent)(**{"type": "custom-kind", "extra": fields} if cls is None else fields)


def send(rng: random.Random, swarm: Swarm) -> Receipt | None:
    """Send one event; None where it could not even be built."""
    name = rng.choice(list(SIGNALS))
    kind = rng.random()
    if kind < 0.15:
        fields = good(rng, name)
    elif kind < 0.9:
        fields = bad(rng, name)
    else:
        try:
            fields = {"event": whole(rng, name)}
        except InvalidEvent:
            return None
    [(_, receipt)] = SIGNALS[name].send(swarm, **fields)
    return receipt


def run(folder: Path, seed: int, sends: int, *, tries: int = TRIES) -> Outcome:
    url = f"sqlite:///{folder / 'spark.db'}"
    sent = Sent(Counter(), Counter(), [])
    swarm = Swarm()
    with faults_logged() as faults, register(swarm, settings=Settings(store=url)) as spark:
        waits = [wait_after(f"{seed} {block}", swarm, spark, sent, tries) for block in range(max(1, sends // BLOCK))]
        assert spark.flush(60)
        eventually_told(spark, sent)
        status, ingested, reasons = spark.status(), spark.ingested, len(spark._bridge.rejected)
        with closing(open_store(url)) as store:
            letters = [f"{letter.type}: {letter.reason}" for letter in store.dead_letters(10)]
            unreadable = list(changed_lines(store))
    return Outcome(sent, waits, status, ingested, faults, unreadable, letters, reasons)


def eventually_told(spark: Spark, sent: Sent) -> None:
    """The drainer adds the counts to the store's when it has nothing else to do."""
    end = time.monotonic() + 5
    while spark.status()["capture"]["rejected"] != sent.states["rejected"] and time.monotonic() < end:
        time.sleep(0.01)


def wait_after(seed: str, swarm: Swarm, spark: Spark, sent: Sent, tries: int) -> float:
    """Seconds until a good event is stored that is sent behind a block of hostile ones. A machine that was busy with
    something else is given another try with the same block."""
    waited = []
    while len(waited) < tries and min(waited, default=math.inf) > WITHIN_S:
        send_block(seed, swarm, sent)
        started = time.monotonic()
        [(_, receipt)] = SIGNALS["agent_joined"].send(swarm, agent_id="good")
        sent.states[receipt.state] += 1
        assert spark.flush(30)
        waited.append(time.monotonic() - started)
    return min(waited)


def send_block(seed: str, swarm: Swarm, sent: Sent) -> None:
    rng = random.Random(seed)
    for _ in range(BLOCK):
        try:
            receipt = send(rng, swarm)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            sent.raised[f"{type(error).__name__}: {str(error)[:200]}"] += 1
            continue
        if receipt is not None:
            sent.states[receipt.state] += 1
            if not is_sound(receipt):
                sent.odd_receipts.append(receipt)


def is_sound(receipt: Receipt) -> bool:
    told = (receipt.state == "journaled") != bool(receipt.reason)
    return told and type(receipt.event_id) is str and bool(receipt.event_id) and len(receipt.reason) <= 500


def changed_lines(store: Store) -> Iterator[str]:
    """The stored lines that cannot be read again, or not as they were written."""
    for start in range(0, store.position(), 1000):
        for row in store.events(Filter(after=start), limit=1000):
            try:
                event = codec.restored(row.data)
            except BadLine as error:
                yield f"{row.data[:300]!r}: {error}"
                continue
            if codec.stored(event) != row.data or (event.id, event.task, event.agent) != (
                row.id,
                row.task_id,
                row.agent_id,
            ):
                yield f"{row.data[:300]!r}: not the same"


class faults_logged:  # noqa: N801
    """What Spark logs as an error while it is in use."""

    def __enter__(self) -> list[str]:
        self.found: list[str] = []
        self.handler = logging.Handler(logging.WARNING)
        self.handler.emit = lambda record: self.found.append(f"{record.getMessage()[:300]} {record.exc_info}")
        logging.getLogger("spark").addHandler(self.handler)
        return self.found

    def __exit__(self, *_: object) -> None:
        logging.getLogger("spark").removeHandler(self.handler)


def judge(outcome: Outcome) -> None:
    assert not outcome.sent.raised, f"raised {outcome.sent.raised.most_common(5)}"
    assert not outcome.sent.odd_receipts, f"receipts {[str(one)[:300] for one in outcome.sent.odd_receipts[:3]]}"
    assert not outcome.faults, f"faults {outcome.faults[:3]}"
    assert not outcome.unreadable, f"lines {outcome.unreadable[:3]}"
    assert outcome.sent.states["journaled"] == sum(outcome.ingested), "journaled and not stored"
    assert not outcome.letters, f"letters {outcome.letters}"
    counted = {name: outcome.status["capture"][name] for name in ("rejected", "dropped", "plugin_errors")}
    assert counted == {"rejected": outcome.sent.states["rejected"], "dropped": 0, "plugin_errors": 0}, "counts"
    assert outcome.sent.states["dropped"] == 0, "dropped"
    assert outcome.reasons <= MAX_REASONS + 1, "reasons"
    assert max(outcome.waits) <= WITHIN_S, f"waits {max(outcome.waits)}"


@pytest.mark.fault("F5")
def test_hostile_values_hurt_nobody(tmp_path, seed, reached):
    outcome = run(tmp_path, seed, SENDS)
    judge(outcome)
    states = ", ".join(f"{n} {state}" for state, n in sorted(outcome.sent.states.items()))
    reached(f"{outcome.sent.states.total()} hostile events ({states}): 0 uncaught")
    reached(f"good ones stored in {max(outcome.waits):.2f} s at most")


FEW = 3000


@pytest.mark.mutant("F5", "texts are stored as they come")
def test_without_cleaning_it_fails(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(cleaning, "text", str.__str__)
    with pytest.raises(AssertionError, match=r"^(raised|faults|lines)"):
        judge(run(tmp_path, seed, FEW))


@pytest.mark.mutant("F5", "what cannot be taken in is not refused but raised")
def test_without_the_guard_it_fails(tmp_path, seed, monkeypatch):
    def unguarded(bridge: Bridge, cls: type[Event], fields: dict[str, object]) -> Receipt | None:
        return bridge._plugins.notify(bridge._event(cls, *bridge._stamp(), fields), bridge.sender)

    def passed_on(bridge: Bridge, cls: type[Event], error: BaseException) -> Receipt:
        raise error

    monkeypatch.setattr(Bridge, "receive", unguarded)
    monkeypatch.setattr(Bridge, "failed", passed_on)
    with pytest.raises(AssertionError, match=r"^raised"):
        judge(run(tmp_path, seed, FEW))


@pytest.mark.mutant("F5", "one field of one event is not checked")
def test_without_one_check_it_fails(tmp_path, seed, monkeypatch):
    check, plain = BidSubmitted.checks["bid"], (str, int, float, bool, type(None))  # others have no end, perhaps
    monkeypatch.setitem(BidSubmitted.checks, "bid", lambda value: value if type(value) in plain else check(value))
    with pytest.raises(AssertionError, match=r"^(faults|lines|letters)"):
        judge(run(tmp_path, seed, FEW))


class Anything:
    """A set of everything."""

    def __contains__(self, thing: object) -> bool:
        return True


@pytest.mark.mutant("F5", "events of unknown classes are taken in")
def test_with_strangers_it_fails(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(bridge, "_CLASSES", Anything())
    with pytest.raises(AssertionError, match=r"^(raised|receipts)"):
        judge(run(tmp_path, seed, FEW))


@pytest.mark.mutant("F5", "an event takes the drainer 3 ms")
def test_with_a_slow_drainer_it_fails(tmp_path, seed, monkeypatch):
    def slow(event: Event, redact: object) -> Event:
        time.sleep(0.003)
        return event

    monkeypatch.setattr(carrier, "redacted", slow)
    with pytest.raises(AssertionError, match=r"^waits"):
        judge(run(tmp_path, seed, BLOCK, tries=1))
