"""F6: random histories of two Sparks on one store, with restarts, locks, damage, rebuilds, against a simple model."""

from __future__ import annotations

import dataclasses
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar, TypeVar

import hypothesis
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from spark_advisor import AdvisoryBook, book, opposed, stances
from spark_hooks.events import (
    AdvisoryAcknowledged,
    AdvisoryDelivered,
    AdvisoryDismissed,
    AdvisoryFollowed,
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
from spark_plugin import Settings, Spark, codec, register
from spark_plugin.capture import carrier, journal, journal_directory, waiting
from spark_plugin.capture.segment import Segment
from spark_plugin.doctor import recover
from spark_plugin.errors import StoreUnavailable
from spark_plugin.plugin import rebuild
from spark_plugin.projection import park, projection, tasks
from spark_plugin.projection.cards import AgentCard, TaskCard
from spark_plugin.projection.projector import Projector
from spark_plugin.projection.state import State
from spark_plugin.store import EventRow, Filter, Store, open_store, path_of, sqlite
from spark_plugin.store.sqlite import SqliteTransaction
from tests.faults.history_model import Model
from tests.faults.matrix import size
from tests.faults.telling import Swarm, tell
from tests.projection.swarmlog import NOON, Run

STEPS = size(10_000)
STEPS_AT_ONCE = 50
MUTANT_STEPS = 2000
BATCH = 5
WAITING_ROOM = 8
PATIENCE_S = 30.0

SENDERS = ("one", "other")
TASKS = [f"t{n}" for n in range(30)]
AGENTS = ["ada", "bo", "cy"]

T = TypeVar("T")

senders = st.sampled_from(SENDERS)
task_ids = st.sampled_from(TASKS[:6]) | st.sampled_from(TASKS)
agent_ids = st.sampled_from(AGENTS)
amounts = st.sampled_from([0.0, 1.0, 40.0, 55.5])
picks = st.integers(0, 10**6)
"""Which of several, counted round: how many there are may hang on who came first, and what is drawn must not."""
maybe = st.none() | amounts
EVENTS = st.one_of(
    st.builds(
        TaskPosted,
        task_id=task_ids,
        description=st.just(""),
        candidates=st.lists(agent_ids, unique=True).map(tuple),
        category=st.sampled_from([None, "bug", "docs"]),
        reserve=maybe,
    ),
    st.builds(BidSubmitted, task_id=task_ids, agent_id=agent_ids, bid=amounts),
    st.builds(TaskAssigned, task_id=task_ids, agent_id=agent_ids, bid=maybe),
    st.builds(TaskCompleted, task_id=task_ids, agent_id=agent_ids, cost=maybe, duration_s=maybe),
    st.builds(TaskFailed, task_id=task_ids, agent_id=st.none() | agent_ids, cost=maybe),
    st.builds(AgentJoined, agent_id=agent_ids, name=st.sampled_from([None, "Ada"])),
    st.builds(AgentLeft, agent_id=agent_ids),
    st.builds(ToolExecuted, agent_id=agent_ids, tool=st.just("grep"), success=st.booleans(), task_id=task_ids),
    st.builds(CustomEvent, type=st.sampled_from(["moved", "a.b"]), extra=st.just({"task_id": "t1", "agent_id": "ada"})),
)


ANSWERS_TO_ADVICE = (AdvisoryDelivered, AdvisoryAcknowledged, AdvisoryFollowed, AdvisoryDismissed)
"""In the order in which they move advice on."""


class History(RuleBasedStateMachine):
    """Two coordinators with a Spark each, and everything that may happen to them."""

    checks: ClassVar[int] = 0
    found: ClassVar[list[str]] = []
    """What was violated, in words: kept here, because a failing history is run again."""
    fail_next: ClassVar[int] = 0
    """So many of the next transactions fail in their midst."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="spark-history-")
        self.settings = Settings(store=f"sqlite:///{self.folder.name}/spark.db", batch=BATCH)
        self.swarms = {name: Swarm() for name in SENDERS}
        self.sparks: dict[str, Spark] = {}
        self.told: dict[str, list[Event]] = {name: [] for name in SENDERS}
        self.now = NOON
        self.stored = 0
        for name in SENDERS:
            self._register(name)

    # what happens in a swarm

    @rule(sender=senders, events=st.lists(EVENTS, min_size=1, max_size=6))
    def tell(self, sender: str, events: list[Event]) -> None:
        self._tell(sender, events)

    @rule(
        sender=senders,
        task=task_ids,
        agent=agent_ids,
        succeeded=st.booleans(),
        mixed=st.permutations(range(4)),
        twice=st.booleans(),
    )
    def attempt(self, sender: str, task: str, agent: str, succeeded: bool, mixed: list[int], twice: bool) -> None:
        """A task from its posting to an outcome, in any order; perhaps with two more attempts of which one ends."""
        end = TaskCompleted if succeeded else TaskFailed
        life = [
            TaskPosted(task_id=task, description="", candidates=AGENTS, category="bug", reserve=100.0),
            BidSubmitted(task_id=task, agent_id=agent, bid=40.0),
            TaskAssigned(task_id=task, agent_id=agent, bid=40.0),
            end(task_id=task, agent_id=agent, cost=50.0),
        ]
        more = [TaskAssigned(task_id=task, agent_id=agent)] * 2 + [end(task_id=task, agent_id=agent)]
        self._tell(sender, [life[n] for n in mixed] + more * twice)

    @rule(sender=senders, agent=agent_ids, succeeded=st.booleans())
    def streak(self, sender: str, agent: str, succeeded: bool) -> None:
        """An agent fails, or does well, until there is something to say about it."""
        self._work(sender, agent, succeeded)

    def _work(self, sender: str, agent: str, succeeded: bool) -> None:
        end = TaskCompleted if succeeded else TaskFailed
        for n in range(8):
            task = f"streak-{len(self.told[sender])}-{sender}-{n}"
            post = TaskPosted(task_id=task, description="", candidates=AGENTS, category="docs")
            award, result = TaskAssigned(task_id=task, agent_id=agent), end(task_id=task, agent_id=agent)
            self._tell(sender, [post, award, result])

    @rule(sender=senders, which=st.lists(picks, min_size=1, max_size=5))
    def again(self, sender: str, which: list[int]) -> None:
        """A sender repeats what it told before."""
        told = list(self.told[sender])
        for n in which if told else ():
            self._must_be_journaled(sender, told[n % len(told)])

    @rule(seconds=st.sampled_from([1.0, 600.0, 6 * 3600.0, 13 * 3600.0, 25 * 3600.0, 15 * 86400.0, -3600.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    # what people and coordinators do with advice

    @rule(sender=senders)
    def ask(self, sender: str) -> None:
        """A coordinator is handed advice: that is an event."""
        if sender in self.sparks:
            self._flush()
            self.sparks[sender].hooks.advisories()

    @rule(sender=senders, kind=st.sampled_from(ANSWERS_TO_ADVICE), which=picks)
    def answer(self, sender: str, kind: type[Event], which: int) -> None:
        ids = self._advised()
        if not ids:
            self._work(sender, "ada", True)
            self._work(sender, "cy", False)
            ids = self._advised()
        if ids:
            self._tell(sender, [kind(advisory_id=ids[which % len(ids)])])
            self._check()

    def _advised(self) -> list[str]:
        """The ids of live advice."""
        self._flush()
        with self._patiently(lambda: Spark.open(settings=self.settings)) as spark:
            return sorted(advisory.id for advisory in spark.advisories.live(100) if advisory.created_position)

    # what happens to Spark

    @rule()
    def flush(self) -> None:
        self._check()

    @rule(which=st.tuples(picks, picks))
    def echo(self, which: tuple[int, int]) -> None:
        """One sender repeats what the other told."""
        self._flush()
        for n, teller, sender in zip(which, SENDERS, SENDERS[::-1], strict=True):
            if told := self.told[teller]:
                self._must_be_journaled(sender, told[n % len(told)])

    @rule(sender=senders)
    def restart(self, sender: str) -> None:
        if sender in self.sparks:
            self.sparks.pop(sender).close()
        self._register(sender)

    @rule(sender=senders)
    def leave(self, sender: str) -> None:
        """A process is gone for a while: the next event registers it again."""
        if sender in self.sparks:
            self.sparks.pop(sender).close()

    @precondition(lambda self: any(self.told.values()))
    @rule()
    def rebuild(self) -> None:
        self._flush()
        with self._reading() as store:
            before = Run(store).contents()
            self._patiently(lambda: rebuild(self.settings))
            self._same("rebuild", Run(store).contents(), before)

    @rule(sender=senders, events=st.lists(EVENTS, min_size=1, max_size=4))
    def lock(self, sender: str, events: list[Event]) -> None:
        """A stranger holds the store's lock while events come."""
        with closing(sqlite3.connect(path_of(self.settings.store), isolation_level=None, timeout=5)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            self._tell(sender, events)
            time.sleep(0.02)
            stranger.execute("ROLLBACK")

    @rule(sender=senders, events=st.lists(EVENTS, min_size=1, max_size=8), times=st.integers(1, 3))
    def fail(self, sender: str, events: list[Event], times: int) -> None:
        """The store gives way in the midst of a transaction, with events in it already."""
        History.fail_next = times
        self._tell(sender, events)
        self._flush()
        History.fail_next = 0

    @rule(sender=senders)
    def damage(self, sender: str) -> None:
        """A page of the store is damaged; what can be read of it is everything that was acknowledged."""
        if self.stored <= 20:
            return
        for name in list(self.sparks):
            self.sparks.pop(name).close()
        path = path_of(self.settings.store)
        with closing(sqlite3.connect(path)) as db:
            (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'derived'").fetchone()
            (length,) = db.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * length)
            file.write(b"\xff" * length)
        self._tell(sender, [TaskPosted(task_id="t0", description=""), TaskAssigned(task_id="t0", agent_id="ada")])
        self._flush()

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self._check()
        finally:
            for spark in self.sparks.values():
                spark.close()
            self.folder.cleanup()

    # how

    def _register(self, name: str) -> None:
        self.sparks[name] = register(self.swarms[name], settings=self.settings, source="/swarm")

    def _tell(self, sender: str, events: Sequence[Event]) -> None:
        for event in events:
            self.now += 1.0
            made = msgspec.structs.replace(
                event, id=f"{sender}-{len(self.told[sender])}", source="/swarm", writer=sender, time=self.now
            )
            self._must_be_journaled(sender, made)
            self.told[sender].append(made)

    def _must_be_journaled(self, sender: str, event: Event) -> None:
        if sender not in self.sparks:
            self._register(sender)
        receipt = tell(self.swarms[sender], event)
        self._same("receipt", receipt.state, "journaled")

    def _flush(self) -> None:
        end = time.monotonic() + PATIENCE_S
        for spark in self.sparks.values():
            while not spark.flush(PATIENCE_S):
                self._same("flush", time.monotonic() < end, True, spark.trouble)
                time.sleep(0.005)
        while waiting(journal_directory(self.settings.store)):  # left by one that found the store locked when it closed
            self._same("flush", time.monotonic() < end, True, self._patiently(lambda: recover(self.settings)))

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        with closing(self._patiently(lambda: open_store(self.settings.store))) as store:
            yield store

    def _patiently(self, action: Callable[[], T]) -> T:
        """A command waits for a lock for five seconds; here nobody does, and it is tried again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return action()
            except StoreUnavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.002)

    def _check(self) -> None:
        """Everything that must hold of a store."""
        type(self).checks += 1
        self._flush()
        with self._reading() as store, self._patiently(lambda: Spark.open(settings=self.settings)) as spark:
            events = [codec.restored(row.data) for row in store.events(Filter())]
            self.stored = len(events)
            self._same("dead letters", store.dead_letters(3), [])
            self._check_log(events)
            self._check_answers(spark, Model(WAITING_ROOM).take(events))
            if events:
                self._same("read models", Run(store).contents(), Run(batch=BATCH).take(events).contents())
            self._check_advice(spark, events)
            ids = {event.id for event in events}
            for advisory in spark.advisories.all(10_000):
                self._same("evidence", set(advisory.evidence) - ids, set())

    def _check_log(self, events: Sequence[Event]) -> None:
        """What was acknowledged is stored, once, as it was told, each sender's in its order."""
        for sender in SENDERS:
            own = [event for event in events if event.writer == sender]
            self._same(f"log of {sender}", own, self.told[sender])
        others = [event for event in events if event.writer not in SENDERS and type(event) is not AdvisoryDelivered]
        self._same("events of nobody", others, [])

    def _check_advice(self, spark: Spark, events: Sequence[Event]) -> None:
        """Each advisory has one life, and what was said of it is part of that."""
        everything = spark.advisories.all(10_000)
        live = [one for one in spark.advisories.live(10_000) if one.created_position]
        self._same("advice", len({one.id for one in everything}), len(everything), "an id twice")
        issued = [row["id"] for row in spark.events.timeline(limit=100_000) if row["type"] == "advisory_issued"]
        self._same("advice", len(set(issued)), len(issued), "an id given twice")
        self._same("advice", len(live) <= book.MOST_LIVE, True, "too much of it")
        answers = [event for event in events if isinstance(event, AdvisoryDelivered)]
        said = {kind: {one.advisory_id for one in answers if type(one) is kind} for kind in ANSWERS_TO_ADVICE}
        for advisory in live:
            expected = [kind.type for kind in ANSWERS_TO_ADVICE if advisory.id in said[kind]]
            state = expected[-1].removeprefix("advisory_") if expected else "issued"
            self._same("advice", advisory.state, state, advisory.id)
        stated = [stances(advisory.action) for advisory in live]
        for n, one in enumerate(stated):
            clash = any(opposed(one, other, sign) for other in stated[:n] for sign in (1, -1))
            self._same("advice", clash, False, "one contradicts another")

    def _check_answers(self, spark: Spark, model: Model) -> None:
        status, expected = spark.status(), model.counts()
        said = {name: status[name] for name in ("event_types", "tasks", "agents", "unmatched", "parked")}
        said |= {name: status["predictions"][name] for name in ("evaluated", "made")}
        self._same("counts", said, expected)
        rows = [row for row in spark.predictions.rows() if row["award"]]
        attempts = {
            (row["task_id"], row["attempt"]): (row["award"]["agent_id"], (row["actual"] or {}).get("succeeded"))
            for row in rows
        }
        self._same("attempts", attempts, model.attempts())
        cards = model.cards()
        said_of_agents = {
            name: {key: card[key] for key in cards.get(name, card)} for name, card in spark.agents().items()
        }
        self._same("agents", said_of_agents, cards)

    def _same(self, what: str, said: object, expected: object, *more: object) -> None:
        if said != expected:
            type(self).found.append(what)
        assert said == expected, (what, *more)


def seeded(seed: int) -> type[History]:
    machine = type("SeededHistory", (History,), {"checks": 0, "found": []})
    hypothesis.seed(seed)(machine)
    return machine


def run(machine: type[History], steps: int) -> None:
    """Random histories of about so many steps in all; raises what the first violated one raises."""
    once = settings(
        max_examples=max(1, steps // STEPS_AT_ONCE),
        stateful_step_count=STEPS_AT_ONCE,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(machine, settings=once)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is bounded is small, so that a short history meets its bounds; and nobody waits for long."""
    for module, name, value in (
        (journal, "SEGMENT_BYTES", 4096),
        (journal, "MAX_RECORD", 2048),
        (park, "MAX_PARKED", WAITING_ROOM),
        (tasks, "MAX_TASKS", 2 * BATCH + WAITING_ROOM + 2),
        (projection, "SNAPSHOT_EVERY", 30),
        (projection, "PATIENCE_S", 0.02),
        (sqlite, "BUSY_S", 0.005),
        (carrier, "POLL_S", 0.001),
        (carrier, "FIRST_RETRY_S", 0.002),
        (carrier, "LAST_RETRY_S", 0.02),
    ):
        monkeypatch.setattr(module, name, value)
    append = SqliteTransaction.append

    def failing(transaction: SqliteTransaction, rows: Sequence[EventRow]) -> None:
        append(transaction, rows)
        if rows and History.fail_next > 0:
            History.fail_next -= 1
            raise StoreUnavailable("here", "gave way")

    monkeypatch.setattr(SqliteTransaction, "append", failing)


@pytest.mark.fault("F6")
def test_random_histories_agree_with_the_model(seed, reached):
    machine = seeded(seed)
    run(machine, STEPS)
    assert machine.checks >= STEPS // STEPS_AT_ONCE
    reached(f"{STEPS} steps in {STEPS // STEPS_AT_ONCE} histories, checked {machine.checks} times: 0 violations")


def nothing_is_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqliteTransaction, "known", lambda transaction, keys: set())


def nothing_is_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Projector, "_release", lambda projector, task_id: None)


def too_much_is_wiped(patch: pytest.MonkeyPatch) -> None:
    release = Segment.release

    def wiping(segment: Segment, start: int, end: int, **more: Any) -> None:
        further = next((following for _, following in segment.records(end, segment.end)), end)
        release(segment, start, further, **more)

    patch.setattr(Segment, "release", wiping)


def applied_twice(patch: pytest.MonkeyPatch) -> None:
    """What an undone transaction changed stays, but for the position and the event that is there."""
    begin, before = projection.Projection.begin, {}

    def noting(own: projection.Projection, transaction: Any, events: Any) -> None:
        begin(own, transaction, events)
        before[own] = transaction.position(), own._newest

    def half_undone(own: projection.Projection) -> None:
        position, own._newest = before[own]
        own.ask(lambda state: setattr(state, "position", position))

    patch.setattr(projection.Projection, "begin", noting)
    patch.setattr(projection.Projection, "abort", half_undone)


def counted_twice(patch: pytest.MonkeyPatch) -> None:
    observe = AgentCard.observe_outcome

    def off_by_one(card: AgentCard, event_id: str, category: str | None, succeeded: bool) -> None:
        observe(card, event_id, category, succeeded)
        card.successes += card.outcomes == 7

    patch.setattr(AgentCard, "observe_outcome", off_by_one)


def stale_snapshots(patch: pytest.MonkeyPatch) -> None:
    """Each says that it is newer than it is."""
    dump, load, last = projection.dump, projection.load, []

    def late(state: State) -> bytes:
        last.append(dump(state))
        old = load(last[-2]) if len(last) > 1 else state
        return dump(dataclasses.replace(old, position=state.position)) if old.position < state.position else last[-1]

    patch.setattr(projection, "dump", late)


def oldest_closed(patch: pytest.MonkeyPatch) -> None:
    def oldest(card: TaskCard, agent: str | None) -> Any:
        return next((one for one in card.open if agent in (None, one.forecast.agent_id)), None)

    patch.setattr(TaskCard, "_closed_by", oldest)


def read_backwards(patch: pytest.MonkeyPatch) -> None:
    read = journal.Journal.read

    def backwards(own: journal.Journal, limit: int) -> tuple[list[bytes], int]:
        payloads, end = read(own, limit)
        return payloads[::-1], end

    patch.setattr(journal.Journal, "read", backwards)


def dismissal_is_not_heard(patch: pytest.MonkeyPatch) -> None:
    answer = AdvisoryBook.answer
    patch.setattr(
        AdvisoryBook, "answer", lambda own, id, what, now: None if what == "dismissed" else answer(own, id, what, now)
    )


def old_ids_are_given_again(patch: pytest.MonkeyPatch) -> None:
    made = AdvisoryBook._advisory

    def again(own: AdvisoryBook, place: Any, found: Any, view: Any, old: Any) -> Any:
        return msgspec.structs.replace(made(own, place, found, view, old), id=place.detector)

    patch.setattr(AdvisoryBook, "_advisory", again)


def every_answer_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Whatever is said moves advice back to where it began."""
    answer = AdvisoryBook.answer

    def back(own: AdvisoryBook, advisory_id: str, what: str, now: float) -> Any:
        change = answer(own, advisory_id, what, now)
        for mine in own.by_detector.values():
            for topic, one in mine.items():
                mine[topic] = msgspec.structs.replace(one, state="issued")
        return change

    patch.setattr(AdvisoryBook, "answer", back)


ANSWERS = {"counts", "attempts", "agents", "read models", "rebuild"}


@pytest.mark.mutant("F6", "one part of eleven does not do what it should")
@pytest.mark.parametrize(
    ("broken", "found_as"),
    [
        (nothing_is_known, {"dead letters"}),
        (nothing_is_released, ANSWERS),
        (too_much_is_wiped, {"flush", "log of one", "log of other", "dead letters"}),
        (applied_twice, ANSWERS),
        (counted_twice, ANSWERS),
        (stale_snapshots, ANSWERS),
        (oldest_closed, ANSWERS),
        (read_backwards, {"log of one", "log of other"}),
        (dismissal_is_not_heard, {"advice", *ANSWERS}),
        (old_ids_are_given_again, {"advice", *ANSWERS}),
        (every_answer_is_forgotten, {"advice", *ANSWERS}),
    ],
)
def test_a_planted_mutant_is_found(seed, monkeypatch, broken: Callable[[pytest.MonkeyPatch], None], found_as):
    if "flush" in found_as:
        monkeypatch.setattr(sys.modules[__name__], "PATIENCE_S", 0.5)
    broken(monkeypatch)
    machine = seeded(seed)
    with pytest.raises((AssertionError, Flaky, ExceptionGroup)):
        run(machine, MUTANT_STEPS)
    assert machine.found and machine.found[0] in found_as
