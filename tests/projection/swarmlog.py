"""Logs of small swarms, and what the projection makes of them: what the tests of projection and readers share."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from spark_advisor import built_in
from spark_hooks.events import (
    AgentJoined,
    AgentLeft,
    BidSubmitted,
    CustomEvent,
    Event,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
    ToolExecuted,
)
from spark_plugin.capture.ingest import Ingested, ingest
from spark_plugin.projection import Extensions, Projection, State, published
from spark_plugin.projection.state import dump, load
from spark_plugin.readers import Predictions
from spark_plugin.store import DerivedRow, Filter, Store, open_store

NOON = 1_700_000_000.0
MODELS = (
    published.AGENT,
    published.CATEGORY,
    published.MEMORY,
    published.ADVISORY,
    published.BEST,
    published.EFFECT,
    published.ADVISORY_RETIRED,
    published.SUMMARY,
)
SKILLS = {"ada": 0.95, "bo": 0.15, "cy": 0.6, "di": 0.85, "ed": 0.5}
CATEGORIES = ("bug", "docs", None)


def posted(task: str = "t1", candidates: Sequence[str] = ("ada", "bo"), **more: Any) -> TaskPosted:
    return TaskPosted(task_id=task, description="", candidates=tuple(candidates), **more)


def bid(task: str, agent: str, amount: float) -> BidSubmitted:
    return BidSubmitted(task_id=task, agent_id=agent, bid=amount)


def assigned(task: str, agent: str, amount: float | None = None) -> TaskAssigned:
    return TaskAssigned(task_id=task, agent_id=agent, bid=amount)


def completed(task: str, agent: str, **more: Any) -> TaskCompleted:
    return TaskCompleted(task_id=task, agent_id=agent, **more)


def failed(task: str, agent: str | None = None, **more: Any) -> TaskFailed:
    return TaskFailed(task_id=task, agent_id=agent, **more)


def attempt(task: str, agent: str, succeeded: bool, **more: Any) -> list[Event]:
    """A task from its posting to the outcome of its one attempt."""
    end = completed(task, agent) if succeeded else failed(task, agent)
    return [posted(task, **more), assigned(task, agent), end]


def record(agent: str, outcomes: Iterable[bool], *, name: str = "", **more: Any) -> list[Event]:
    """One task after the other for one agent, with these outcomes."""
    return [
        event
        for n, succeeded in enumerate(outcomes)
        for event in attempt(f"{name or agent}-{n}", agent, succeeded, **more)
    ]


FAIR = [True, True, True, True, False] * 5
"""The outcomes of an agent like most."""


def fall_and_rise(agent: str = "bo") -> list[Event]:
    """Beside one like most, an agent fails until it is warned of, and then does well until it no longer is."""
    return [*record("fay", FAIR), *record(agent, [False] * 12), *record(agent, [True] * 60, name=f"{agent}-again")]


def stamped(events: Iterable[Event], *, start: float = NOON, step: float = 60.0, writer: str = "w") -> list[Event]:
    """The events as if sent one after the other; what is in an envelope already stays."""
    return [
        msgspec.structs.replace(
            event,
            id=event.id or f"{writer}{n}",
            source=event.source or "/swarm",
            writer=event.writer or writer,
            time=start + n * step if event.time is None else event.time,
        )
        for n, event in enumerate(events)
    ]


def a_day_later() -> list[Event]:
    """Two events that bring the log's time on by a day: nothing waits for a missing event any more."""
    envelope = {"source": "/swarm", "writer": "day"}
    return [CustomEvent(type="tick", id=f"day{n}", time=n * 86_400.0, **envelope) for n in range(2)]


def random_log(seed: int, tasks: int = 60) -> list[Event]:
    """A swarm's log with all that happens in one: rival bids, second attempts, early, late, doubled, foreign events."""
    rng = random.Random(seed)
    waiting = [_life_of_a_task(rng, f"t{n}") for n in range(tasks)]
    events: list[Event] = [AgentJoined(agent_id=agent, name=agent.title(), capabilities=("py",)) for agent in SKILLS]
    open_tasks: list[list[Event]] = []
    while waiting or open_tasks:
        if waiting and len(open_tasks) < 6:
            open_tasks.append(waiting.pop(0))
        life = rng.choice(open_tasks)
        events.append(life.pop(0))
        if not life:
            open_tasks.remove(life)
        if rng.random() < 0.1:
            events.append(_odd_event(rng, events))
    log = stamped(events)
    for _ in range(tasks // 4):  # delivered again, at some later place
        place = rng.randrange(len(log))
        log.insert(rng.randrange(place, len(log)) + 1, log[place])
    return log


def _life_of_a_task(rng: random.Random, task: str) -> list[Event]:
    candidates = rng.sample(sorted(SKILLS), rng.randrange(1, 5))
    reserve = rng.choice([None, 50.0, 100.0])
    events: list[Event] = [posted(task, candidates, category=rng.choice(CATEGORIES), reserve=reserve)]
    bids = {agent: round(rng.uniform(20, reserve or 200), 2) for agent in candidates if rng.random() < 0.8}
    events += [bid(task, agent, amount) for agent, amount in bids.items()]
    for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 3])):
        agent = rng.choice(candidates)
        events.append(assigned(task, agent, bids.get(agent)))
        if rng.random() < SKILLS[agent]:
            events.append(completed(task, agent, cost=bids.get(agent), duration_s=rng.uniform(1, 100)))
            break
        events.append(failed(task, rng.choice([agent, None]), cost=bids.get(agent)))
    if rng.random() < 0.15:  # out of order
        rng.shuffle(events)
    return events


def _odd_event(rng: random.Random, events: list[Event]) -> Event:
    agent = rng.choice(sorted(SKILLS))
    task = f"t{rng.randrange(60)}"
    return rng.choice(
        [
            AgentLeft(agent_id=agent),
            AgentJoined(agent_id=agent),
            ToolExecuted(agent_id=agent, tool="grep", success=True, task_id=task),
            CustomEvent(type="swarm_moved", about="x", extra={"task_id": task, "agent_id": agent, "n": 1}),
            completed(task, agent),
            failed("never-posted"),
            rng.choice(events),  # the same content under a new id
        ]
    )


class Run:
    """A store, a projection, and what it made of the events it took."""

    def __init__(self, store: Store | None = None, *, batch: int = 1000, extensions: Extensions | None = None) -> None:
        self.store = memory_store() if store is None else store
        self.batch = batch
        self.extensions = extensions or Extensions(detectors=built_in())
        self.projection = Projection(self.extensions)

    def take(self, events: Iterable[Event], *, faults: bool = False) -> Run:
        """Ingest the events, batch by batch. Without `faults`, the projection must have no trouble with any."""
        todo, total = list(events), Ingested()
        with _told(faults):
            for start in range(0, len(todo), self.batch):
                total = total.plus(ingest(self.store, todo[start : start + self.batch], self.projection))
            if not todo:
                ingest(self.store, [], self.projection)
        self.ingested = total
        return self

    def restarted(self, *, snapshot: bool) -> Run:
        """The same store under a new process; with `snapshot`, the old one ended in peace."""
        if snapshot:
            with self.store.transaction() as transaction:
                self.projection.rest(transaction)
        return Run(self.store, batch=self.batch, extensions=self.extensions)

    def rebuild(self) -> int:
        with _told(False), self.store.transaction() as transaction:
            return self.projection.rebuild(transaction)

    @property
    def state(self) -> State:
        return load(self.dump())

    def dump(self) -> bytes:
        found = self.projection.ask(dump)
        assert found is not None
        return found

    def contents(self) -> dict[str, Any]:
        """All that the store holds, but for snapshots."""
        return {
            "events": self.store.events(Filter()),
            "derived": self.store.derived(Filter()),
            "models": {kind: self.store.models(kind) for kind in MODELS},
        }

    def importance(self) -> list[float]:
        return [row.importance for row in self.store.events(Filter())]

    def derived(self, kind: str) -> list[DerivedRow]:
        return list(self.store.derived(Filter(type=kind)))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of predictions."""
        return list(Predictions(Held(self.store)).rows())  # type: ignore[arg-type]

    def model(self, kind: str, key: str) -> dict[str, Any]:
        data = self.store.model(kind, key)
        assert data is not None
        return msgspec.json.decode(data)

    def summary(self) -> dict[str, Any]:
        return self.model(published.SUMMARY, published.SUMMARY_KEY)


class Held:
    """A store at hand, where readers expect one to be opened."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def store(self) -> Store:
        return self._store


def memory_store() -> Store:
    """An empty store that is on no disk."""
    return open_store("sqlite:////no/such/place/spark.db", create=False)


def digest(events: Sequence[Event], *, batch: int) -> str:
    """A fingerprint of all that is made of a log."""
    run = Run(batch=batch).take(events)
    whole = run.contents()
    rows = msgspec.json.encode(run.rows())
    return hashlib.sha256(msgspec.msgpack.encode([whole, rows, run.dump()])).hexdigest()


@contextmanager
def _told(faults: bool) -> Iterator[None]:
    """The projection logs a fault of its own and goes on; here it fails the test."""
    handler = _Faults(logging.ERROR)
    logger = logging.getLogger("spark.projection")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert faults or not handler.found, handler.found


class _Faults(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.found.append(f"{record.getMessage()}: {cause!r}")
