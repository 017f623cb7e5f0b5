"""Which outcome closes which attempt, and what becomes of the task."""

from __future__ import annotations

from typing import Any

import pytest

from spark_hooks.events import AgentJoined, AgentLeft, Event
from spark_plugin.projection import ledger, published
from spark_plugin.projection.cards import MAX_BIDS, MAX_OPEN_ATTEMPTS
from tests.projection.swarmlog import Run, a_day_later, assigned, bid, completed, failed, posted, record, stamped


def run_of(*events: Event) -> Run:
    return Run().take(stamped(events))


def outcomes(run: Run, task: str = "t1") -> dict[int, bool | None]:
    """Attempt -> whether it succeeded, None while it is open."""
    return {
        row["attempt"]: row["actual"]["succeeded"] if row["actual"] else None
        for row in run.rows()
        if row["task_id"] == task and row["award"]
    }


def tasks_of(run: Run) -> dict[str, int]:
    return run.summary()["tasks"]


def test_one_attempt_from_posting_to_outcome() -> None:
    run = run_of(posted(reserve=100.0), bid("t1", "ada", 40.0), assigned("t1", "ada", 40.0), completed("t1", "ada"))
    [row] = run.rows()
    assert row["attempt"] == 1
    assert row["award"]["agent_id"] == "ada"
    assert row["award"]["bid"] == 40.0
    assert row["actual"] == {"succeeded": True, "winner": "ada", "winning_bid": 40.0}
    assert row["positions"] == {"posted": 1, "assigned": 3, "outcome": 4}
    assert tasks_of(run) == {"open": 0, "completed": 1, "failed": 0}


def test_an_outcome_closes_the_newest_open_attempt_of_its_agent() -> None:
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "ada"), failed("t1", "ada"))
    assert outcomes(run) == {1: None, 2: False}
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "ada"), failed("t1", "ada"), completed("t1", "ada"))
    assert outcomes(run) == {1: True, 2: False}


def test_each_agent_closes_its_own() -> None:
    three = [posted(), assigned("t1", "ada"), assigned("t1", "bo"), assigned("t1", "ada")]
    assert outcomes(run_of(*three, failed("t1", "bo"))) == {1: None, 2: False, 3: None}
    assert outcomes(run_of(*three, failed("t1", "bo"), completed("t1", "ada"))) == {1: None, 2: False, 3: True}


def test_an_outcome_without_agent_closes_the_only_open_attempt() -> None:
    run = run_of(posted(), assigned("t1", "ada"), failed("t1"))
    assert outcomes(run) == {1: False}
    assert run.model(published.AGENT, "ada")["outcomes"] == 1
    assert run.summary()["unmatched"] == 0


def test_an_outcome_without_agent_closes_none_of_several() -> None:
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "bo"), failed("t1"))
    assert outcomes(run) == {1: None, 2: None}
    assert run.summary()["unmatched"] == 1
    assert tasks_of(run) == {"open": 1, "completed": 0, "failed": 0}
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "bo"), completed("t1", "bo"), failed("t1"))
    assert outcomes(run) == {1: False, 2: True}, "only one was left open"


def test_a_new_assignment_closes_nothing() -> None:
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "bo"))
    assert outcomes(run) == {1: None, 2: None}
    assert [run.model(published.AGENT, agent)["open_attempts"] for agent in ("ada", "bo")] == [1, 1]


def test_given_to_another_after_a_failure_it_is_the_second_attempt() -> None:
    run = run_of(posted(reserve=100.0), assigned("t1", "ada", 50.0), failed("t1", "ada"))
    assert tasks_of(run) == {"open": 0, "completed": 0, "failed": 1}
    run.take(stamped([assigned("t1", "bo", 60.0)], writer="x"))
    assert tasks_of(run) == {"open": 1, "completed": 0, "failed": 0}
    run.take(stamped([completed("t1", "bo")], writer="y"))
    assert tasks_of(run) == {"open": 0, "completed": 1, "failed": 0}
    first, second = run.rows()
    assert [first["attempt"], second["attempt"]] == [1, 2]
    assert [first["actual"]["succeeded"], second["actual"]["succeeded"]] == [False, True]
    for repeated in ("candidates", "winner", "success", "bid"):
        assert second[repeated] == first[repeated]
    assert first["award"]["agent_id"] == "ada"
    assert second["award"]["agent_id"] == "bo"
    assert second["positions"] == {"posted": 1, "assigned": 4, "outcome": 5}


def test_the_winner_is_scored_at_the_first_award_only() -> None:
    run = run_of(
        posted(), assigned("t1", "ada"), failed("t1", "ada"), assigned("t1", "bo"), completed("t1", "bo"), posted("t2")
    )
    first, second, _ = run.rows()
    assert "winner_log_loss" in first["scores"]
    assert "winner_log_loss" not in second["scores"]
    assert run.summary()["predictions"]["winner_top1"] is not None
    assert run.state.eidos.scoreboard.awards == 1


@pytest.mark.parametrize(
    "impossible",
    [
        completed("t1", "bo"),
        completed("t9", "ada"),
        failed("t9"),
        failed("t1", "nobody"),
    ],
    ids=["another agent", "unknown task", "unknown task and agent", "unknown agent"],
)
def test_an_impossible_outcome_is_kept_and_counted_and_teaches_nothing(impossible: Event) -> None:
    run = run_of(posted(), assigned("t1", "ada"), impossible)
    assert run.store.position() == 3
    assert run.summary()["parked"] == 1, "what it builds on may still come"
    run.take(a_day_later())
    assert run.summary()["unmatched"] == 1
    assert outcomes(run) == {1: None}
    assert run.state.outcomes == 0
    assert run.derived(ledger.SCORE) == []
    assert set(run.state.agents) == {"ada"}


def test_an_outcome_told_again_under_a_new_id_teaches_once() -> None:
    run = run_of(posted(), assigned("t1", "ada"), *[failed("t1", "ada")] * 10)
    assert run.state.agents["ada"].outcomes == 1
    assert run.summary()["unmatched"] == 9
    assert run.summary()["predictions"]["evaluated"] == 1
    assert tasks_of(run) == {"open": 0, "completed": 0, "failed": 1}


def test_a_task_stays_completed_when_another_attempt_at_it_fails() -> None:
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "bo"), completed("t1", "ada"), failed("t1", "bo"))
    assert tasks_of(run) == {"open": 0, "completed": 1, "failed": 0}
    assert outcomes(run) == {1: True, 2: False}


def test_a_task_has_failed_when_its_last_open_attempt_has() -> None:
    run = run_of(posted(), assigned("t1", "ada"), assigned("t1", "bo"), failed("t1", "ada"))
    assert tasks_of(run) == {"open": 1, "completed": 0, "failed": 0}
    run.take(stamped([failed("t1", "bo")], writer="x"))
    assert tasks_of(run) == {"open": 0, "completed": 0, "failed": 1}


def test_the_posting_counts_once_and_its_forecast_stands() -> None:
    run = run_of(posted(), *record("ada", [True] * 5), posted(candidates=["cy"]), assigned("t1", "bo"))
    row = run.rows()[0]
    assert row["candidates"] == ["ada", "bo"]
    assert row["success"] == {"ada": 0.5, "bo": 0.5}, "as it was known at the posting, not later"
    assert row["award"]["success"] > 0.5, "as it was known at the assignment"
    assert run.summary()["reposted"] == 1
    assert run.summary()["event_types"]["task_posted"] == 7


def test_a_task_assigned_long_before_it_was_posted_has_no_forecast_of_its_winner() -> None:
    run = run_of(assigned("t1", "ada", 5.0)).take(a_day_later())
    run.take(stamped([posted(reserve=100.0), completed("t1", "ada")], writer="late"))
    [row] = run.rows()
    assert row["positions"] == {"posted": None, "assigned": 1, "outcome": 5}
    assert (row["candidates"], row["winner"], row["success"], row["bid"]) == ([], {}, {}, None)
    assert row["actual"]["succeeded"] is True
    assert tasks_of(run) == {"open": 0, "completed": 1, "failed": 0}


def test_a_task_known_by_its_bids_is_forecast_when_it_is_posted() -> None:
    run = run_of(bid("t1", "ada", 40.0), posted(reserve=100.0), assigned("t1", "ada", 40.0))
    [row] = run.rows()
    assert row["positions"] == {"posted": 2, "assigned": 3, "outcome": None}
    assert row["candidates"] == ["ada", "bo"]
    assert tasks_of(run) == {"open": 1, "completed": 0, "failed": 0}


def test_an_award_to_somebody_who_was_no_candidate_is_forecast_too() -> None:
    run = run_of(posted(), assigned("t1", "cy"), failed("t1", "cy"))
    [row] = run.rows()
    assert set(row["success"]) == {"ada", "bo"}
    assert (row["award"]["agent_id"], row["award"]["success"], row["award"]["bid"]) == ("cy", 0.5, None)
    assert "winner_log_loss" not in row["scores"]


def test_open_attempts_are_bounded_and_the_oldest_is_given_up() -> None:
    run = run_of(posted(), *[assigned("t1", "ada")] * (MAX_OPEN_ATTEMPTS + 5))
    assert len(run.state.tasks["t1"].open) == MAX_OPEN_ATTEMPTS
    run.take(stamped([completed("t1", "ada")] * (MAX_OPEN_ATTEMPTS + 1), writer="x"))
    assert run.summary()["unmatched"] == 1
    assert [number for number, done in outcomes(run).items() if done is None] == [1, 2, 3, 4, 5]


def test_an_attempt_that_was_given_up_is_open_for_its_agent_no_more() -> None:
    run = run_of(posted(), *[assigned("t1", "ada")] * (MAX_OPEN_ATTEMPTS + 5))
    assert run.state.agents["ada"].open_attempts == MAX_OPEN_ATTEMPTS


def test_the_bids_of_a_task_are_bounded_and_the_last_of_an_agent_counts() -> None:
    run = run_of(posted(), *[bid("t1", f"a{n}", n) for n in range(MAX_BIDS + 5)], bid("t1", "a7", 1.0))
    bids = run.state.tasks["t1"].bids
    assert len(bids) == MAX_BIDS
    assert "a4" not in bids
    assert bids["a7"] == 1.0


def test_scores_of_one_attempt() -> None:
    """By hand: a first forecast of one in two, the base rate of nothing, and a bid within the reserve."""
    run = run_of(posted(reserve=100.0), assigned("t1", "ada", 70.0), failed("t1", "ada"))
    [row] = run.rows()
    expected: dict[str, Any] = {
        "log_loss": 0.693147,
        "brier": 0.25,
        "base_rate_log_loss": 0.693147,
        "agent_rate_log_loss": 0.693147,
        "winner_log_loss": 0.693147,
        "winner_top1": 1.0,
        "bid_covered": 1.0,
        "bid_winkler": 30.0,
    }
    assert row["scores"] == pytest.approx(expected, abs=1e-6)
    assert row["bid"] == {"level": 0.8, "low": 70.0, "median": 90.0, "high": 100.0}


def test_an_agent_that_left_keeps_its_record() -> None:
    run = run_of(
        AgentJoined(agent_id="ada", name="Ada", capabilities=("py",)), *record("ada", [True]), AgentLeft(agent_id="ada")
    )
    card = run.model(published.AGENT, "ada")
    assert (card["present"], card["name"], card["capabilities"], card["outcomes"]) == (False, "Ada", ["py"], 1)
    run.take(stamped([AgentJoined(agent_id="ada", name="Ada L.")], writer="x"))
    card = run.model(published.AGENT, "ada")
    assert (card["present"], card["name"], card["capabilities"]) == (True, "Ada L.", ["py"])
