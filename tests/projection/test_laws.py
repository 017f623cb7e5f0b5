"""Laws of the state machine: for any events, in any order, told any number of times."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
from spark_plugin.projection import ledger, park, tasks
from tests.projection.swarmlog import (
    Run,
    a_day_later,
    assigned,
    attempt,
    bid,
    completed,
    failed,
    posted,
    random_log,
    stamped,
)

bounded = settings(max_examples=75, deadline=None)

task_ids = st.sampled_from(["t1", "t2", "t3"])
agent_ids = st.sampled_from(["ada", "bo", "cy"])
usual_amounts = st.sampled_from([0.0, 0.5, 100.0]) | st.floats(0.01, 1e6)
any_amounts = st.floats(0, allow_nan=False, allow_infinity=False)
clocks = st.floats(-1e9, 4e9) | st.sampled_from([0.0, 1.7e9, 1.7e9 + 0.000001])


def events(amounts: st.SearchStrategy[float]) -> st.SearchStrategy[Event]:
    """Any event about a few tasks and agents, with amounts of some kind."""
    envelope = {"time": clocks, "writer": st.sampled_from(["w1", "w2"])}
    maybe = st.none() | amounts
    effort = {"cost": maybe, "duration_s": maybe}
    candidates = st.lists(agent_ids, unique=True).map(tuple)
    categories = st.none() | st.sampled_from(["bug", "docs"])
    text = st.just("")
    return st.one_of(
        st.builds(
            TaskPosted,
            task_id=task_ids,
            description=text,
            candidates=candidates,
            category=categories,
            reserve=maybe,
            **envelope,
        ),
        st.builds(BidSubmitted, task_id=task_ids, agent_id=agent_ids, bid=amounts, **envelope),
        st.builds(TaskAssigned, task_id=task_ids, agent_id=agent_ids, bid=maybe, **envelope),
        st.builds(TaskCompleted, task_id=task_ids, agent_id=agent_ids, **effort, **envelope),
        st.builds(TaskFailed, task_id=task_ids, agent_id=st.none() | agent_ids, **effort, **envelope),
        st.builds(AgentJoined, agent_id=agent_ids, **envelope),
        st.builds(AgentLeft, agent_id=agent_ids, **envelope),
        st.builds(ToolExecuted, agent_id=agent_ids, tool=st.just("grep"), success=st.booleans(), task_id=task_ids),
        st.builds(CustomEvent, type=st.sampled_from(["moved", "a.b"]), extra=st.just({"task_id": "t1"}), **envelope),
    )


histories = st.lists(events(usual_amounts), max_size=50)


def heard_of(history: list[Event]) -> set[str]:
    """The tasks that a history opens."""
    opening = (TaskPosted, BidSubmitted, TaskAssigned)
    return {event.task_id for event in history if isinstance(event, opening)}


@bounded
@given(histories)
def test_counts_stay_consistent(history: list[Event]) -> None:
    run = Run(batch=9).take([*stamped(history), *a_day_later()])
    known = run.summary()
    outcomes = sum(isinstance(event, TaskCompleted | TaskFailed) for event in history)
    assert sum(known["tasks"].values()) == len(heard_of(history))
    assert all(count >= 0 for count in known["tasks"].values())
    assert sum(known["event_types"].values()) == len(history) + 2
    assert known["parked"] == 0
    assert len(run.derived(ledger.SCORE)) + known["unmatched"] == outcomes


@bounded
@given(histories)
def test_an_attempt_is_taught_and_scored_at_most_once(history: list[Event]) -> None:
    run = Run().take([*stamped(history), *a_day_later()])
    attempts = [row for row in run.rows() if row["award"]]
    scored = [row for row in attempts if row["scores"]]
    places = [(row["task_id"], row["attempt"]) for row in attempts]
    outcomes = {row["positions"]["outcome"] for row in scored}
    assert len(attempts) == len(set(places)) == sum(isinstance(event, TaskAssigned) for event in history)
    assert len(scored) == len(outcomes) == len(run.derived(ledger.SCORE))
    assert run.state.eidos.scoreboard.evaluated == run.state.outcomes == len(scored)
    assert run.state.eidos.scoreboard.made == len(run.rows())
    for task in heard_of(history):
        numbers = [number for of, number in places if of == task]
        assert numbers == list(range(1, len(numbers) + 1))


@bounded
@given(histories)
def test_an_agents_card_counts_what_the_ledger_says(history: list[Event]) -> None:
    run = Run().take(stamped(history))
    rows = run.rows()
    for agent, card in run.state.agents.items():
        given_to = [row for row in rows if row["award"] and row["award"]["agent_id"] == agent]
        done = [row for row in given_to if row["actual"]]
        assert card.assigned == len(given_to)
        assert card.open_attempts == len(given_to) - len(done)
        assert card.outcomes == len(done)
        assert card.successes == sum(row["actual"]["succeeded"] for row in done)
        assert sum(tally.outcomes for tally in card.by_category.values()) <= card.outcomes


@bounded
@given(histories)
def test_every_forecast_is_a_probability(history: list[Event]) -> None:
    for row in Run().take(stamped(history)).rows():
        assert list(row["winner"]) == list(row["success"]) == row["candidates"]
        if row["winner"]:
            assert sum(row["winner"].values()) == pytest.approx(1.0)
        for probability in [*row["success"].values(), row["award"]["success"] if row["award"] else 0.5]:
            assert 0.001 <= probability <= 0.999
        if row["bid"]:
            assert row["bid"]["low"] <= row["bid"]["median"] <= row["bid"]["high"]


@bounded
@given(histories)
def test_importance_lies_between_0_and_1_with_two_decimals(history: list[Event]) -> None:
    for score in Run().take(stamped(history)).importance():
        assert 0.0 <= score <= 1.0
        assert score == round(score, 2)


@bounded
@given(histories, st.sampled_from([1, 3, 1000]))
def test_equal_logs_give_equal_state(history: list[Event], batch: int) -> None:
    log = stamped(history)
    one, other = Run(batch=batch).take(log), Run(batch=4).take(log)
    assert one.dump() == other.dump()
    assert one.contents() == other.contents()


@bounded
@given(histories, st.randoms(use_true_random=False))
def test_told_again_is_told_once(history: list[Event], rng: random.Random) -> None:
    log = stamped(history)
    retold = list(log)
    for event in log:
        for _ in range(rng.randrange(3)):
            retold.insert(rng.randrange(retold.index(event), len(retold)) + 1, event)
    once, often = Run(batch=6).take(log), Run(batch=6).take(retold)
    assert often.dump() == once.dump()
    assert often.contents() == once.contents()
    assert often.ingested.stored == once.ingested.stored == len(log)
    assert often.ingested.duplicates == len(retold) - len(log)


@bounded
@given(histories, st.integers(0, 50), st.booleans())
def test_a_restart_anywhere_changes_nothing(history: list[Event], place: int, snapshot: bool) -> None:
    log = stamped(history)
    straight = Run(batch=5).take(log)
    interrupted = Run(batch=5).take(log[:place]).restarted(snapshot=snapshot).take(log[place:])
    assert interrupted.dump() == straight.dump()
    assert interrupted.contents() == straight.contents()


@bounded
@given(histories)
def test_a_rebuild_gives_the_same_bytes(history: list[Event]) -> None:
    run = Run(batch=5).take(stamped(history))
    before, state = run.contents(), run.dump()
    assert run.rebuild() == len(history)
    assert run.contents() == before
    assert run.dump() == state


@settings(max_examples=50, deadline=None)
@given(history=histories)
def test_tasks_pushed_out_of_memory_behave_as_if_they_had_stayed(history: list[Event]) -> None:
    log = stamped(history)
    roomy = Run(batch=2).take(log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "MAX_TASKS", 2)
        narrow = Run(batch=2).take(log)
        assert narrow.contents() == roomy.contents()
        assert len(narrow.state.tasks) <= 2
        narrow.rebuild()
        assert narrow.contents() == roomy.contents()


@bounded
@given(st.lists(events(any_amounts), max_size=25))
@example([posted(reserve=100.0), assigned("t1", "ada", 1e308)])
@example([posted(), assigned("t1", "ada", 1e300), completed("t1", "ada", cost=1e-300)])
@example([posted(reserve=1e-300), *[event for _ in range(6) for event in [assigned("t1", "ada", 1e10)]], posted("t2")])
@example([posted(f"t{n}", category="bug", reserve=1e-300) for n in range(3)] + [bid("t1", "ada", 1e300)])
def test_amounts_of_any_size_do_no_harm(history: list[Event]) -> None:
    """Amounts are finite and not negative: that is all the contract asks of a coordinator."""
    log = stamped(history)
    run = Run(batch=5).take(log)
    for row in run.rows():
        assert msgspec.json.decode(msgspec.json.encode(row)) == row, "a number that JSON cannot hold"
    assert run.restarted(snapshot=False).take([]).dump() == run.dump()


@pytest.mark.parametrize("seed", range(4))
def test_a_long_mixed_log_keeps_the_laws(seed: int) -> None:
    log = random_log(seed)
    run = Run(batch=7).take(log)
    known = run.summary()
    assert run.ingested.duplicates == len(log) - known["position"] > 0
    assert sum(known["tasks"].values()) == len(heard_of(log))
    assert known["predictions"]["evaluated"] == len(run.derived(ledger.SCORE)) <= len(run.derived(ledger.AWARD))
    assert known["unmatched"] > 0, "the log has outcomes that close nothing, or this test means little"


def a_busy_task(rng: random.Random, name: str) -> list[Event]:
    """A task with rival bids and two attempts by different agents."""
    first, second = rng.sample(["ada", "bo", "cy"], 2)
    end = completed if rng.random() < 0.5 else failed
    return [
        posted(name, ["ada", "bo", "cy"], category="bug", reserve=100.0),
        bid(name, first, 40.0),
        bid(name, second, 50.0),
        assigned(name, first, 40.0),
        failed(name, first),
        assigned(name, second, 50.0),
        end(name, second),
    ]


@pytest.mark.parametrize("seed", range(25))
def test_events_of_a_task_in_any_order_come_to_the_same(seed: int) -> None:
    """Early ones wait for what they build on: counts, task states and the scores of every attempt are the same."""
    rng = random.Random(seed)
    lives = [a_busy_task(rng, f"t{n}") for n in range(8)]
    straight = Run(batch=3).take(stamped([event for life in lives for event in life]))
    shuffled = [rng.sample(life, len(life)) for life in lives]
    mixed = Run(batch=3).take(stamped([event for life in shuffled for event in life]))

    def scores(run: Run) -> dict[tuple[str, str], dict[str, float]]:
        kept = ("log_loss", "brier", "base_rate_log_loss")
        rows = [row for row in run.rows() if row["scores"]]
        return {(r["task_id"], r["award"]["agent_id"]): {name: r["scores"][name] for name in kept} for r in rows}

    assert mixed.summary()["parked"] == mixed.summary()["unmatched"] == 0
    for part in ("tasks", "event_types", "agents"):
        assert mixed.summary()[part] == straight.summary()[part]
    assert scores(mixed).keys() == scores(straight).keys()
    assert mixed.state.eidos.success.rates.swarm == straight.state.eidos.success.rates.swarm
    for agent, card in straight.state.agents.items():
        other = mixed.state.agents[agent]
        assert (other.outcomes, other.successes, other.assigned) == (card.outcomes, card.successes, card.assigned)
    once = [[*life[:2], life[3], life[4]] for life in lives]
    one = Run(batch=3).take(stamped([event for life in once for event in life]))
    other = Run(batch=3).take(stamped([event for life in once for event in rng.sample(life, len(life))]))
    assert scores(other) == scores(one)


def test_what_is_missing_is_waited_for_a_day_and_no_longer() -> None:
    early = [assigned("t1", "ada", 5.0), completed("t1", "ada")]
    run = Run().take(stamped(early))
    assert (run.summary()["parked"], run.rows()) == (2, [])
    run.take(a_day_later())
    assert run.summary()["parked"] == 0
    [row] = run.rows()
    assert (row["positions"], row["actual"]["succeeded"]) == ({"posted": None, "assigned": 1, "outcome": 2}, True)


def test_a_full_park_lets_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park, "MAX_PARKED", 3)
    run = Run().take(stamped([assigned(f"t{n}", "ada") for n in range(5)]))
    assert run.summary()["parked"] == 3
    assert [row["task_id"] for row in run.rows()] == ["t0", "t1"]


def test_a_second_word_about_an_ended_attempt_waits_for_nothing() -> None:
    run = Run().take(stamped([*attempt("t1", "ada", False), failed("t1", "ada"), assigned("t1", "ada")]))
    assert (run.summary()["unmatched"], run.summary()["parked"]) == (1, 0)
    assert [bool(row["actual"]) for row in run.rows()] == [True, False]
