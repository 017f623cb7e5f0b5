"""EIDOS as a whole: predict, wait, score, then learn, in this order; and its state is plain data."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import VERSION, Award, Eidos, Forecast, Outcome, TaskFacts, facts, rules
from spark_eidos.forecaster import DIGITS
from tests.eidos.plain import copy, dump

bounded = settings(max_examples=60, deadline=None)
AGENTS = ("ada", "bo", "cy")
TASK = TaskFacts(AGENTS, "db", 100.0)

tasks = st.builds(
    facts,
    st.sampled_from(["gt-1.1", "gt-1.2", "t"]),
    st.sampled_from(["", "fix the login", "write docs"]),
    st.lists(st.sampled_from(AGENTS), unique=True),
    st.sampled_from(["db", "docs", None]),
    st.none() | st.floats(1, 1e6),
)
amounts = st.none() | st.floats(0, 1e6)
lives = st.tuples(tasks, st.sampled_from([*AGENTS, "stranger"]), amounts, st.booleans(), st.floats(-1e6, 1e6))
histories = st.lists(lives, max_size=25)


def live(eidos: Eidos, life, *, drafted: bool = True) -> None:
    """One task posted, given away, and brought to its end."""
    task, agent, bid, succeeded, at = life
    forecast, draft = eidos.forecast(task, at)
    draft = draft if drafted else None
    made = eidos.forecast_award(task, agent, at + 1.0, draft)
    bids = {} if bid is None else {agent: bid, "cy": bid + 1.0}
    eidos.observe_award(task, forecast, Award(agent, at, at + 1.0, True, bid, bids), draft)
    eidos.observe_outcome(task, made, Outcome(succeeded, bid, bid), at + 2.0)


def lived(history, *, drafted: bool = True) -> Eidos:
    eidos = Eidos()
    for life in history:
        live(eidos, life, drafted=drafted)
    return eidos


def plainly(*steps) -> list:
    """(agent, succeeded) as lives of the same task, one a second."""
    return [(TASK, agent, None, succeeded, float(n)) for n, (agent, succeeded) in enumerate(steps)]


@bounded
@given(histories, tasks, st.floats(-1e6, 1e6))
def test_forecasts_are_sound(history, task, now):
    forecast, _ = lived(history).forecast(task, now)
    assert list(forecast.winner) == list(forecast.success) == list(task.candidates)
    assert not task.candidates or sum(forecast.winner.values()) == pytest.approx(1.0)
    assert all(0.001 - 1e-12 <= p <= 0.999 + 1e-12 for p in forecast.success.values())
    assert forecast.bid is not None or not task.reserve


@bounded
@given(histories, histories, tasks)
def test_a_snapshot_goes_on_as_the_original_would(before, after, task):
    original = lived(before)
    restored = copy(original)
    for life in after:
        live(original, life)
        live(restored, life)
    assert restored.forecast(task, 7.0)[0] == original.forecast(task, 7.0)[0]
    assert dump(restored) == dump(original)


@bounded
@given(histories)
def test_a_draft_changes_nothing(history):
    """Not a bit of what is learned, nor, below, of what is said."""
    assert dump(lived(history)) == dump(lived(history, drafted=False))


@bounded
@given(histories, tasks, st.sampled_from([*AGENTS, "stranger"]), histories, st.floats(0, 1e6))
def test_a_draft_changes_no_forecast_whatever_came_in_between(history, task, agent, between, wait):
    """Other tasks' bids, awards and outcomes make it stale; then it is not used."""
    eidos = lived(history)
    forecast, draft = eidos.forecast(task, 0.0)
    for life in between:
        live(eidos, life)
    assert eidos.forecast_award(task, agent, wait, draft) == eidos.forecast_award(task, agent, wait)
    other = copy(eidos)
    award = Award(agent, 0.0, wait)
    assert eidos.observe_award(task, forecast, award, draft) == other.observe_award(task, forecast, award)
    assert dump(eidos) == dump(other)


def test_bids_for_a_task_that_a_stranger_gets_make_a_draft_stale():
    """They are no choice to learn from, and still they move the candidates' prices."""
    eidos = lived(plainly(("ada", True)))
    forecast, draft = eidos.forecast(TASK, 5.0)
    eidos.observe_award(TASK, None, Award("stranger", 4.0, 5.0, True, None, {"ada": 10.0, "bo": 95.0}))
    other = copy(eidos)
    eidos.observe_award(TASK, forecast, Award("bo", 5.0, 6.0), draft)
    other.observe_award(TASK, forecast, Award("bo", 5.0, 6.0))
    assert dump(eidos) == dump(other)


def test_a_draft_is_used_while_it_holds_and_not_after():
    """Seen by a mark in it: what a forged draft says is said for as long as it is fresh, and no longer."""
    eidos = lived(plainly(*[("ada", True), ("bo", False)] * 10))
    _, draft = eidos.forecast(TASK, 30.0)
    look = draft.look._replace(features=draft.look.features + np.array([[5.0], [0.0], [0.0]]))
    forged = draft._replace(experts=draft.experts + 1.0, chances=dict.fromkeys(AGENTS, 0.123), look=look)
    honest = eidos.forecast_award(TASK, "bo", 30.0)
    assert eidos.forecast_award(TASK, "bo", 30.0, forged).success == 0.123
    later = eidos.forecast_award(TASK, "bo", 30.5, forged).success
    assert later not in (0.123, eidos.forecast_award(TASK, "bo", 30.5).success), "its experts, at another moment"
    assert eidos.forecast_award(replaced(TASK), "bo", 30.0, forged) == honest, "made for another task"
    assert eidos.forecast_award(TASK, "stranger", 30.0, forged) == eidos.forecast_award(TASK, "stranger", 30.0)
    moved, stale = (copy(eidos) for _ in range(2))
    moved.observe_award(TASK, None, Award("bo", 30.0, 31.0), forged)
    eidos.observe_award(TASK, None, Award("bo", 30.0, 31.0))
    assert dump(moved.winner) != dump(eidos.winner)
    stale.observe_award(TASK, None, Award("bo", 29.0, 31.0), forged)
    assert dump(stale.winner) != dump(moved.winner), "posted at another moment"
    live(eidos, (TASK, "ada", None, False, 32.0))
    assert eidos.forecast_award(TASK, "bo", 40.0, forged) == eidos.forecast_award(TASK, "bo", 40.0), "an outcome came"


def replaced(task: TaskFacts) -> TaskFacts:
    """An equal task that is not the same one."""
    return task._replace(candidates=tuple(task.candidates))


@bounded
@given(histories, lives)
def test_scores_are_those_of_what_was_said_before(history, last):
    task, agent, bid, succeeded, at = last
    eidos = lived(history)
    forecast, _ = eidos.forecast(task, at)
    made = eidos.forecast_award(task, agent, at)
    said = dump([forecast, made])
    awarded = eidos.observe_award(task, forecast, Award(agent, at, at, True, bid))
    ended = eidos.observe_outcome(task, made, Outcome(succeeded, bid, bid), at)
    assert dump([forecast, made]) == said, "a forecast changed after it was made"
    assert ended["log_loss"] == rules.log_loss(made.success, succeeded)
    assert ended["base_rate_log_loss"] == rules.log_loss(made.base_rate, succeeded)
    assert ended["agent_rate_log_loss"] == rules.log_loss(made.agent_rate, succeeded)
    assert ("winner_log_loss" in awarded) == (agent in task.candidates and len(task.candidates) > 1)
    assert ("bid_covered" in awarded) == (bid is not None and forecast.bid is not None)
    assert ("duration_covered" in ended) == (bid is not None and made.duration is not None)


def test_an_award_is_forecast_with_the_baselines_of_its_moment():
    made = lived(plainly(("ada", True), ("ada", True), ("ada", True))).forecast_award(TASK, "ada", 3.0)
    assert made.base_rate == 4 / 5
    assert made.agent_rate == (3 + 4 * 4 / 5) / 7


def test_an_award_says_what_its_experts_said_to_the_digits_that_are_kept():
    eidos = lived(plainly(*[("ada", True), ("bo", False)] * 5))
    made = eidos.forecast_award(TASK, "ada", 20.0)
    exact = eidos.success.experts(TASK, ("ada",), 20.0)[0].tolist()
    assert list(made.experts) == [round(one, DIGITS) for one in exact] != exact
    assert Eidos().forecast_award(TASK, "ada", 0.0).experts == ()


def test_asking_teaches_nothing():
    eidos = lived(plainly(("ada", True), ("bo", False)))
    before = dump(eidos)
    for _ in range(3):
        eidos.forecast(TASK, 5.0)
        eidos.forecast(TaskFacts(("new",), "new", None), 6.0)
        eidos.forecast_award(TASK, "new", 7.0)
        eidos.chances(TASK, ["new", "ada"], 8.0)
    assert dump(eidos) == before


def test_chances_are_those_of_the_forecast():
    eidos = lived(plainly(*[("ada", True), ("bo", False)] * 5))
    assert eidos.chances(TASK, AGENTS, 20.0) == eidos.forecast(TASK, 20.0)[0].success


def test_a_second_attempt_is_no_new_choice():
    eidos = Eidos()
    forecast, _ = eidos.forecast(TASK, 0.0)
    eidos.observe_award(TASK, forecast, Award("ada", 0.0, 1.0, True, None, {"ada": 80.0}))
    before = dump([eidos.winner, eidos.bidding])
    again = Award("bo", 0.0, 2.0, False, 90.0, {"ada": 80.0, "bo": 90.0})
    assert eidos.observe_award(TASK, forecast, again).keys() == {"bid_covered", "bid_winkler"}
    assert dump([eidos.winner, eidos.bidding]) == before
    assert (eidos.scoreboard.awards, eidos.scoreboard.bids.n) == (1, 1)


def test_without_a_forecast_nothing_is_scored_but_all_is_learnt():
    eidos = Eidos()
    assert eidos.observe_award(TASK, None, Award("ada", 0.0, 1.0, True, 90.0, {"ada": 90.0, "bo": 95.0})) == {}
    assert (eidos.scoreboard.awards, eidos.scoreboard.bids.n) == (0, 0)
    assert eidos.winner.candidates["ada"].won_last
    assert eidos.bids.of_reserve.columns[0].tolist() == [0.9]
    assert eidos.bidding.agents.keys() == {"ada", "bo"}


def test_the_winner_and_the_bid_are_forecast_before_any_bid():
    """The bids of a task do not reach its own forecasts, only those after its award."""
    eidos = lived(plainly(*[("ada", True), ("bo", False)] * 10))
    before = eidos.forecast(TASK, 30.0)[0]
    dearer, cheaper = copy(eidos), copy(eidos)
    for model, price in ((dearer, 99.0), (cheaper, 10.0)):
        forecast, draft = model.forecast(TASK, 30.0)
        assert forecast == before
        model.observe_award(TASK, forecast, Award("cy", 30.0, 31.0, True, price, {"cy": price}), draft)
    assert dearer.bidding.usual("cy") > cheaper.bidding.usual("cy")


def test_where_no_interval_was_given_none_is_scored():
    eidos, task = Eidos(), TaskFacts()
    forecast, _ = eidos.forecast(task, 0.0)
    assert forecast == Forecast({}, {}, None)
    assert eidos.observe_award(task, forecast, Award("ada", bid=5.0)) == {}


def test_a_drift_loosens_the_models(monkeypatch):
    """The scoreboard finds that forecasts go wrong; what is believed of the swarm opens up."""
    loosened = []
    monkeypatch.setattr("spark_eidos.success.SuccessModel.loosen", lambda model: loosened.append(True))
    eidos = lived([(TASK, "ada", None, True, float(n)) for n in range(100)])
    assert not loosened
    made = replace(eidos.forecast_award(TASK, "ada", 100.0), success=0.95)
    for n in range(30):
        eidos.observe_outcome(TASK, made, Outcome(False), 100.0 + n)
    assert len(loosened) == eidos.scoreboard.drifts >= 1


def test_in_a_swarm_with_good_and_bad_agents_the_forecasts_beat_the_base_rate():
    rng = random.Random(4)
    rates = {"ada": 0.95, "bo": 0.6, "cy": 0.2}
    history = []
    for n in range(600):
        agent = rng.choices(AGENTS, [6, 3, 1])[0]
        history.append((TASK, agent, 100 * rng.uniform(0.6, 1.0), rng.random() < rates[agent], float(n)))
    summary = lived(history).scoreboard.summary()
    assert summary["evaluated"] == 600
    assert summary["skill"] > 0.1
    assert summary["skill_interval"][0] > 0.05
    assert summary["ece"] < 0.06
    assert summary["winner_top1"] > 0.5
    assert summary["winner_log_loss"] < math.log(3)
    assert 0.75 < summary["bid_coverage"] < 0.85
    assert 0.75 < summary["duration_coverage"] < 0.88


def test_the_models_have_a_version():
    assert VERSION
    assert isinstance(VERSION, str)
