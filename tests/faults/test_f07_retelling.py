"""F7: events told up to five times, and tasks told in disorder, come to the same as told once and in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from spark_hooks.bridge import Bridge
from spark_hooks.events import Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin import Settings, register
from spark_plugin.projection import projector
from spark_plugin.store.sqlite import SqliteTransaction
from tests.faults.matrix import size
from tests.faults.telling import Swarm, tables, tell, tell_all
from tests.projection.swarmlog import CATEGORIES, SKILLS, assigned, bid, completed, failed, posted, random_log, stamped

TASKS = size(3000)
MOST_TELLINGS = 5
RESTARTS = 4


# told again


class Retold(NamedTuple):
    """What is in the store of a history told once, and in that of the same history told often."""

    events: int
    tellings: int
    duplicates: int
    once: dict[str, list[tuple[Any, ...]]]
    often: dict[str, list[tuple[Any, ...]]]


def retold(folder: Path, seed: int, tasks: int) -> Retold:
    """A history once; then with each event up to five times: at any later place, after a restart, by another process'
    Spark, as an object or by its fields."""
    rng = random.Random(seed)
    history = list({event.id: event for event in random_log(seed, tasks)}.values())
    once, often = (f"sqlite:///{folder / name}.db" for name in ("once", "often"))
    swarm = Swarm()
    with register(swarm, settings=Settings(store=once, batch=50)):
        tell_all(swarm, history)
    order = repeated(rng, history)
    cuts = sorted(rng.sample(range(len(order)), RESTARTS))
    duplicates, told = 0, set[str]()
    parts = list(pairwise([0, *cuts, len(order)]))
    for start, end in parts:
        duplicates += told_once_more(rng, often, order[start:end], told)
    tellings = sum(end - start + -(-(end - start) // 10) for start, end in parts)
    return Retold(len(history), tellings, duplicates, tables(once), tables(often))


def repeated(rng: random.Random, history: Sequence[Event]) -> list[Event]:
    """Each event one to five times; the first of each in the order of the history, the others at any later place."""
    again = [(rng.uniform(n, len(history)), event) for n, event in enumerate(history) for _ in range(rng.randrange(5))]
    first = [(float(n), event) for n, event in enumerate(history)]
    return [event for _, event in sorted([*first, *again], key=lambda placed: placed[0])]


def told_once_more(rng: random.Random, url: str, events: Sequence[Event], told: set[str]) -> int:
    """Two Sparks on the store, of which the second repeats one event in ten; returns how many were duplicates."""
    one, other, settings = Swarm(), Swarm(), Settings(store=url, batch=50)
    with register(one, settings=settings) as spark, register(other, settings=settings) as echo:
        for event in events:
            whole = event.id not in told or rng.random() < 0.5  # by its fields it has this process for its writer
            assert tell(one, event, whole=whole).state == "journaled"
            told.add(event.id)
        assert spark.flush(60)
        for event in events[::10]:
            assert tell(other, event).state == "journaled"
        assert echo.flush(60)
        return spark.ingested.duplicates + echo.ingested.duplicates


def judge_retold(outcome: Retold) -> None:
    for table, rows in outcome.once.items():
        assert outcome.often[table] == rows, table
    assert outcome.duplicates == outcome.tellings - outcome.events


@pytest.mark.fault("F7")
def test_told_often_is_told_once(tmp_path, seed, reached):
    outcome = retold(tmp_path, seed, TASKS)
    judge_retold(outcome)
    reached(f"{outcome.events} events told {outcome.tellings} times: every table identical to once")


@pytest.mark.mutant("F7", "the store knows no event again")
def test_without_looking_for_duplicates_it_is_not(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(SqliteTransaction, "known", lambda transaction, keys: set())
    with pytest.raises(AssertionError, match=r"events|dead_letters"):
        judge_retold(retold(tmp_path, seed, 20))


@pytest.mark.mutant("F7", "what is told again gets an id of its own")
def test_with_new_ids_it_is_not(tmp_path, seed, monkeypatch):
    given = Bridge._completed

    def renamed(bridge: Bridge, event: Event, *new: str) -> Event:
        return given(bridge, msgspec.structs.replace(event, id=""), *new)

    monkeypatch.setattr(Bridge, "_completed", renamed)
    with pytest.raises(AssertionError, match=r"events|derived"):
        judge_retold(retold(tmp_path, seed, 20))


# told in disorder


class Known(NamedTuple):
    """What is known of a swarm after its history."""

    counts: dict[str, Any]
    agents: dict[str, Any]
    outcomes: dict[tuple[str, str], Any]
    """By task and agent: what came of the attempt."""
    scores: dict[tuple[str, str], Any]
    """By task and agent."""


class Disordered(NamedTuple):
    """The same history in order and in disorder."""

    tasks: int
    straight: Known
    shuffled: Known


ALL = (
    "log_loss",
    "brier",
    "base_rate_log_loss",
    "agent_rate_log_loss",
    "winner_log_loss",
    "winner_top1",
    "bid_covered",
    "bid_winkler",
)
OF_RATES = ("base_rate_log_loss", "agent_rate_log_loss")


def disordered(folder: Path, seed: int, tasks: int, *, rivals: bool) -> Disordered:
    """Tasks one after the other, each told in its order, and each in any order (and some events twice).

    With `rivals`, half of the tasks have a second attempt by another agent. Which of the two was awarded, and ended,
    first is then told by the order alone, and the models learn from one after the other: two logs that say so
    differently are two histories. What is counted is the same, the plain rates included.
    """
    rng = random.Random(seed)
    lives = [life(rng, f"t{n}", rivals=rivals and rng.random() < 0.5) for n in range(tasks)]
    events = stamped(chain.from_iterable(lives))
    starts = iter(events)
    named = [[next(starts) for _ in one] for one in lives]
    mixed = [shuffled(rng, one) for one in named]
    scored = OF_RATES if rivals else ALL
    straight = known(f"sqlite:///{folder / 'straight.db'}", named, scored)
    return Disordered(tasks, straight, known(f"sqlite:///{folder / 'shuffled.db'}", mixed, scored))


def life(rng: random.Random, task: str, *, rivals: bool) -> list[Event]:
    """A task that is posted, bid for, and attempted once, or a second time by another agent."""
    agents = rng.sample(sorted(SKILLS), 3)
    bids = {agent: round(rng.uniform(10, 99), 2) for agent in agents}
    events: list[Event] = [posted(task, agents, category=rng.choice(CATEGORIES), reserve=100.0)]
    events += [bid(task, agent, bids[agent]) for agent in agents if rng.random() < 0.8]
    for agent in agents[: 1 + rivals]:
        end = completed if rng.random() < SKILLS[agent] else failed
        nobody = end is failed and not rivals and rng.random() < 0.3
        events += [assigned(task, agent, bids[agent]), end(task, None if nobody else agent, cost=bids[agent] + 1.0)]
    return events


def shuffled(rng: random.Random, events: Iterable[Event]) -> list[Event]:
    """In any order; one in four is told twice. Each has the time at which it is told."""
    mixed = [event for event in events for _ in range(1 + (rng.random() < 0.25))]
    rng.shuffle(mixed)
    return mixed


def known(url: str, lives: Sequence[Sequence[Event]], scored: Sequence[str]) -> Known:
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url, batch=20)) as spark:
        for one in lives:
            tell_all(swarm, one)
        assert spark.flush(120)
        status = spark.status()
        rows = [row for row in spark.predictions.rows() if row["award"]]
        cards = spark.agents()
    single = {one[0].task for one in lives if len(awarded(one)) == 1}
    counts = {name: status[name] for name in ("tasks", "event_types", "agents", "parked", "unmatched")}
    counts |= {name: status["predictions"][name] for name in ("made", "evaluated")}
    outcomes = {(row["task_id"], row["award"]["agent_id"]): row["actual"] for row in rows}
    scores = {
        (row["task_id"], row["award"]["agent_id"]): {name: row["scores"].get(name) for name in scored}
        for row in rows
        if row["task_id"] in single and row["scores"]
    }
    return Known(counts, {agent: counted(card) for agent, card in cards.items()}, outcomes, scores)


def awarded(events: Iterable[Event]) -> set[str]:
    return {event.agent_id for event in events if isinstance(event, TaskAssigned)}


def counted(card: dict[str, Any]) -> dict[str, Any]:
    """The numbers of an agent's card. A mean is compared by how many values it has seen: their order rounds it."""
    exact = {name: value for name, value in card.items() if type(value) in (int, bool)}
    means = {name: value["n"] for name, value in card.items() if isinstance(value, dict) and "n" in value}
    cells = {name: (cell["outcomes"], cell["successes"]) for name, cell in card["by_category"].items()}
    return exact | means | cells


def judge_disordered(outcome: Disordered) -> None:
    straight, shuffled = outcome.straight, outcome.shuffled
    assert (straight.counts["parked"], straight.counts["unmatched"]) == (0, 0)
    assert shuffled.counts == straight.counts
    assert shuffled.agents == straight.agents
    assert shuffled.outcomes == straight.outcomes
    assert shuffled.scores == straight.scores
    assert len(straight.scores) > outcome.tasks // 4


@pytest.mark.fault("F7")
@pytest.mark.parametrize("rivals", [False, True])
def test_told_in_disorder_comes_to_the_same(tmp_path, seed, reached, rivals):
    outcome = disordered(tmp_path, seed, TASKS, rivals=rivals)
    judge_disordered(outcome)
    what = "with second attempts: counters, states, outcomes" if rivals else "with one attempt: scores identical too"
    reached(f"{outcome.tasks} shuffled tasks {what}")


def nothing_is_early(event: Event, card: object) -> bool:
    return False


def only_posts_are_waited_for(event: Event, card: Any) -> bool:
    return not isinstance(event, TaskPosted) and (card is None or not card.posted)


def outcomes_wait_for_nothing(event: Event, card: Any) -> bool:
    return not isinstance(event, TaskPosted | TaskCompleted | TaskFailed) and (card is None or not card.posted)


@pytest.mark.mutant("F7", "not all that comes early is waited for")
@pytest.mark.parametrize("is_early", [nothing_is_early, only_posts_are_waited_for, outcomes_wait_for_nothing])
def test_without_waiting_it_does_not(tmp_path, seed, monkeypatch, is_early: Callable[..., bool]):
    monkeypatch.setattr(projector, "is_early", is_early)
    with pytest.raises(AssertionError):
        judge_disordered(disordered(tmp_path, seed, 20, rivals=False))
