"""The park: what came early waits for what it builds on, and no longer than it should."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from spark_hooks.events import CustomEvent, Event
from spark_plugin.projection import park, projector, published, tasks
from tests.projection.swarmlog import (
    NOON,
    Run,
    a_day_later,
    assigned,
    bid,
    completed,
    failed,
    fall_and_rise,
    posted,
    random_log,
    record,
    stamped,
)

HOUR = 3600.0


def at(hour: float, *events: Event) -> list[Event]:
    """Events of one writer at an hour of the log."""
    return [
        msgspec.structs.replace(event, id=f"h{hour}-{n}", source="/swarm", writer="w", time=NOON + hour * HOUR)
        for n, event in enumerate(events)
    ]


def tick(hour: float) -> list[Event]:
    return at(hour, CustomEvent(type="tick"))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_life_told_in_any_order_is_the_same_life(order: tuple[int, ...]) -> None:
    life = [posted(reserve=100.0), bid("t1", "ada", 40.0), assigned("t1", "ada", 40.0), completed("t1", "ada")]
    run = Run(batch=1).take(stamped(life[n] for n in order))
    [row] = run.rows()
    [straight] = Run().take(stamped(life)).rows()
    places = {what: order.index(n) + 1 for what, n in (("posted", 0), ("assigned", 2), ("outcome", 3))}
    assert row == straight | {"positions": places}
    assert run.summary()["tasks"] == {"open": 0, "completed": 1, "failed": 0}
    assert (run.summary()["parked"], run.summary()["unmatched"]) == (0, 0)
    assert run.model(published.AGENT, "ada")["bids"]["n"] == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_failure_that_names_nobody_waits_for_an_award_too(order: tuple[int, ...]) -> None:
    life = [posted(), assigned("t1", "ada"), failed("t1")]
    run = Run(batch=1).take(stamped(life[n] for n in order))
    [row] = run.rows()
    assert row["actual"] == {"succeeded": False, "winner": "ada", "winning_bid": None}
    assert (run.summary()["parked"], run.summary()["unmatched"]) == (0, 0)


def test_what_waits_is_stored_and_counted_and_teaches_nothing_yet() -> None:
    run = Run().take(stamped([completed("t1", "ada"), assigned("t1", "ada"), bid("t1", "ada", 1.0)]))
    known = run.summary()
    assert run.store.position() == 3
    assert known["parked"] == 3
    assert known["event_types"] == {"task_completed": 1, "task_assigned": 1, "bid_submitted": 1}
    assert (known["tasks"], known["agents"]) == ({"open": 0, "completed": 0, "failed": 0}, 0)
    assert (run.rows(), run.state.outcomes) == ([], 0)


def test_a_forecast_knows_nothing_of_what_came_early() -> None:
    """It is frozen at the posting; an award or an outcome that was heard before is not taken into account."""
    before = record("ada", [True] * 6)
    straight = Run().take(stamped([*before, posted("t"), assigned("t", "bo"), failed("t", "bo")]))
    early = Run().take(stamped([*before, failed("t", "bo"), assigned("t", "bo"), posted("t")]))
    for what in ("winner", "success", "bid"):
        assert early.rows()[-1][what] == straight.rows()[-1][what]
    assert early.rows()[-1]["scores"] == straight.rows()[-1]["scores"]


def test_waiting_ends_after_a_day_of_the_log() -> None:
    run = Run().take([*at(0, assigned("t1", "ada")), *tick(23.9)])
    assert run.summary()["parked"] == 1
    run.take(tick(24.0))
    assert run.summary()["parked"] == 0
    assert [row["award"]["agent_id"] for row in run.rows()] == ["ada"]


def test_nobody_waits_longer_because_another_task_waits_anew() -> None:
    """A's first word is answered, its second has hours to go; B, which has waited in vain for a day, need not."""
    run = Run().take(
        [
            *at(0, posted("A"), completed("A", "cy")),
            *at(1, assigned("B", "bo")),
            *at(20, completed("A", "di"), assigned("A", "cy")),
        ]
    )
    assert run.summary()["parked"] == 2
    run.take(tick(26))
    assert run.summary()["parked"] == 1
    assert "B" in {row["task_id"] for row in run.rows()}


def test_what_comes_after_the_waiting_ended_is_taken_as_it_comes() -> None:
    run = Run().take(at(0, completed("t1", "ada"), assigned("t1", "ada"))).take(tick(24.5))
    assert run.summary()["unmatched"] == 1, "the outcome stood before the award"
    run.take(at(25, posted("t1"), completed("t1", "ada"), failed("t1", "bo")))
    assert run.summary()["tasks"] == {"open": 0, "completed": 1, "failed": 0}
    assert (run.summary()["unmatched"], run.summary()["parked"]) == (2, 0)


def test_outcomes_of_a_task_nobody_ever_heard_of_make_no_task() -> None:
    run = Run().take([*stamped([failed("t1"), completed("t2", "ada")]), *a_day_later()])
    assert run.summary()["tasks"] == {"open": 0, "completed": 0, "failed": 0}
    assert (run.summary()["unmatched"], run.summary()["parked"], run.rows()) == (2, 0, [])


def test_the_park_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park, "MAX_PARKED", 10)
    run = Run(batch=3).take(stamped([bid(f"t{n}", "ada", 1.0) for n in range(50)]))
    assert run.summary()["parked"] == 10
    assert run.summary()["tasks"]["open"] == 40
    assert run.state.agents["ada"].bids.n == 40
    assert len(run.state.park.waiting) == 10


def test_one_task_alone_cannot_fill_the_park(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park, "MAX_PARKED", 10)
    run = Run(batch=3).take(stamped([*[bid("flood", "ada", 1.0)] * 11, assigned("t1", "bo")]))
    assert run.summary()["parked"] == 1
    run.take(stamped([posted("t1"), completed("t1", "bo")], writer="x"))
    assert run.summary()["tasks"]["completed"] == 1


def test_a_word_given_up_before_the_task_was_heard_of_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the task leaves memory and is read back from its events."""
    log = [
        *at(0, completed("t", "ada")),
        *tick(24.5),
        *at(25, posted("t", category="bug", reserve=100.0), assigned("t", "ada", 60.0)),
        *at(26, *record("bo", [True] * 3)),
        *at(27, completed("t", "ada")),
    ]
    roomy = Run(batch=2).take(log)
    [row] = [row for row in roomy.rows() if row["task_id"] == "t"]
    assert row["actual"] == {"succeeded": True, "winner": "ada", "winning_bid": 60.0}
    monkeypatch.setattr(tasks, "MAX_TASKS", 2)
    assert Run(batch=2).take(log).contents() == roomy.contents()


@pytest.mark.parametrize("snapshot", [True, False])
def test_what_waits_outlives_the_process(snapshot: bool) -> None:
    first = Run().take(stamped([completed("t1", "ada"), assigned("t1", "ada", 5.0)]))
    second = first.restarted(snapshot=snapshot).take(stamped([posted("t1")], writer="x"))
    [row] = second.rows()
    assert row["actual"] == {"succeeded": True, "winner": "ada", "winning_bid": 5.0}


@pytest.mark.parametrize("seed", range(3))
def test_an_advisory_is_issued_where_its_row_says(seed: int) -> None:
    """Also when what gave rise to it had waited."""
    backwards = [event for life in zip(*[iter(fall_and_rise())] * 3, strict=True) for event in reversed(life)]
    run = Run().take([*random_log(seed), *stamped(backwards, writer="x")])
    issued = run.derived("advisory_issued")
    assert issued
    for row in issued:
        assert msgspec.json.decode(row.data)["created_position"] == row.position


def test_a_memory_was_last_updated_when_it_was_and_not_when_what_waited_came() -> None:
    early = [completed("late", "ada"), assigned("late", "ada")]
    run = Run().take(stamped([*record("ada", [True] * 3), *early, *record("ada", [True] * 3, name="more")]))
    before = run.model(published.MEMORY, "ada")["updated_position"]
    run.take(stamped([posted("late")], writer="x"))
    memory = run.model(published.MEMORY, "ada")
    assert memory["outcomes"] == 7
    assert memory["updated_position"] == run.store.position() > before


def test_a_word_of_nobody_that_was_given_up_is_known_when_the_task_is_read_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the laws: what comes after waits no more, whether the task stayed in memory or not."""
    log = [
        *at(0, posted("t"), failed("t")),
        *tick(24.5),
        *at(25, posted("a"), posted("b"), posted("c")),
        *at(26, completed("t", "ada")),
    ]
    roomy = Run(batch=2).take(log)
    monkeypatch.setattr(tasks, "MAX_TASKS", 2)
    assert Run(batch=2).take(log).contents() == roomy.contents()


def test_what_waited_is_taken_in_the_order_of_the_log() -> None:
    """Found by random histories: a worker's two words keep their order, also when the award stands between them."""
    run = Run().take(stamped([completed("t1", "ada"), assigned("t1", "ada"), failed("t1", "ada"), posted()]))
    [row] = run.rows()
    assert row["actual"]["succeeded"]
    assert row["positions"]["outcome"] == 1


def test_a_word_of_nobody_is_about_the_first_award_that_waited() -> None:
    run = Run().take(
        stamped([failed("t1"), completed("t1", "bo"), assigned("t1", "ada"), assigned("t1", "bo"), posted()])
    )
    assert [(row["award"]["agent_id"], row["actual"]["succeeded"]) for row in run.rows()] == [
        ("ada", False),
        ("bo", True),
    ]


def test_a_full_park_of_one_task_is_released_at_once() -> None:
    """Each outcome waits for an award behind all of them."""
    agents = [f"a{n}" for n in range(park.MAX_PARKED // 2)]
    early = [*(completed("t1", agent) for agent in agents), *(assigned("t1", agent) for agent in agents)]
    run = Run().take(stamped([*early, posted()], step=1.0))
    assert run.summary()["predictions"]["evaluated"] == len(agents)


@pytest.mark.parametrize("early", [assigned("t", "ada"), bid("t", "ada", 5.0)], ids=["award", "bid"])
def test_what_waited_in_vain_is_known_when_the_task_is_read_back_though_the_post_came_after_all(
    monkeypatch: pytest.MonkeyPatch, early: Event
) -> None:
    """Found by random histories (seed 100): an outcome of nobody's waited anew once the task had left memory."""
    log = [
        *at(0, early),
        *tick(24.5),
        *at(25, posted("t"), posted("a"), posted("b"), posted("c")),
        *at(26, completed("t", "bo")),
    ]
    roomy = Run(batch=2).take(log)
    assert (roomy.summary()["unmatched"], roomy.summary()["parked"]) == (1, 0)
    monkeypatch.setattr(tasks, "MAX_TASKS", 2)
    narrow = Run(batch=2).take(log)
    assert narrow.contents() == roomy.contents()
    assert narrow.restarted(snapshot=True).take([]).dump() == narrow.dump()


def test_the_tasks_that_waited_in_vain_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park, "MAX_PARKED", 2)
    monkeypatch.setattr(projector, "MAX_WAITED", 3)
    run = Run(batch=3).take(stamped([bid(f"t{n}", "ada", 1.0) for n in range(20)]))
    assert list(run.state.waited) == ["t15", "t16", "t17"]
