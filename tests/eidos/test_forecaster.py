"""EIDOS as a whole: predict, wait, score, then learn, in this order; and its state is plain data."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import VERSION, AwardForecast, Eidos, Forecast, TaskFacts, rules

bounded = settings(max_examples=100, deadline=None)
AGENTS = ["ada", "bo", "cy"]
TASK = TaskFacts(AGENTS, "db", 100.0)

facts = st.builds(
    TaskFacts,
    st.lists(st.sampled_from(AGENTS), unique=True),
    st.sampled_from(["db", "docs", None]),
    st.none() | st.floats(1, 1e6),
)
amounts = st.none() | st.floats(0, 1e6)
tasks = st.tuples(facts, st.sampled_from([*AGENTS, "stranger"]), amounts, st.booleans())
histories = st.lists(tasks, max_size=30)


def live_through(eidos: Eidos, history) -> None:
    """Each task posted, given away, and brought to its end."""
    for task, agent, bid, succeeded in history:
        forecast = eidos.forecast(task)
        award = eidos.forecast_award(task, agent)
        eidos.observe_award(task, forecast, agent, bid, first=True)
        eidos.observe_outcome(task, award, succeeded)


def lived(history) -> Eidos:
    eidos = Eidos()
    live_through(eidos, history)
    return eidos


def numbers_in(value: object) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, float) else []


@bounded
@given(histories, facts)
def test_forecasts_are_sound(history, task):
    forecast = lived(history).forecast(task)
    assert list(forecast.winner) == list(forecast.success) == list(task.candidates)
    assert not task.candidates or sum(forecast.winner.values()) == pytest.approx(1.0)
    assert all(0.001 <= p <= 0.999 for p in forecast.success.values())
    assert forecast.bid is not None or not task.reserve


@bounded
@given(histories)
def test_no_number_is_ever_infinite_or_not_a_number(history):
    eidos = lived(history)
    assert all(math.isfinite(number) for number in numbers_in(msgspec.to_builtins(eidos)))
    assert all(value is None or math.isfinite(value) for value in eidos.scoreboard.summary().values())


@bounded
@given(histories, histories, facts)
def test_a_snapshot_goes_on_as_the_original_would(before, after, task):
    original = lived(before)
    data = msgspec.msgpack.encode(original)
    restored = msgspec.msgpack.decode(data, type=Eidos)
    assert restored == original
    assert msgspec.msgpack.encode(restored) == data
    live_through(original, after)
    live_through(restored, after)
    assert restored.forecast(task) == original.forecast(task)
    assert msgspec.msgpack.encode(restored) == msgspec.msgpack.encode(original)


def test_a_json_snapshot_goes_on_too():
    eidos = lived([(TASK, "ada", 80.0, True), (TASK, "bo", 70.0, False)] * 10)
    assert msgspec.json.decode(msgspec.json.encode(eidos), type=Eidos).forecast(TASK) == eidos.forecast(TASK)


@bounded
@given(histories, tasks)
def test_scores_are_those_of_what_was_said_before(history, last):
    task, agent, bid, succeeded = last
    eidos = lived(history)
    forecast, award = eidos.forecast(task), eidos.forecast_award(task, agent)
    said = msgspec.to_builtins([forecast, award])
    awarded = eidos.observe_award(task, forecast, agent, bid, first=True)
    ended = eidos.observe_outcome(task, award, succeeded)
    assert msgspec.to_builtins([forecast, award]) == said, "a forecast changed after it was made"
    assert ended["log_loss"] == rules.log_loss(award.success, succeeded)
    assert ended["base_rate_log_loss"] == rules.log_loss(award.base_rate, succeeded)
    assert ("winner_log_loss" in awarded) == (agent in task.candidates and len(task.candidates) > 1)
    assert ("bid_covered" in awarded) == (bid is not None and forecast.bid is not None)


def test_an_outcome_teaches_of_its_agent_in_its_category():
    eidos = lived([(TASK, "ada", None, False)] * 10)
    assert (eidos.success.agents["ada"].outcomes, eidos.success.categories["db"].outcomes) == (10, 10)
    assert eidos.forecast_award(TASK, "ada").success < eidos.forecast_award(TASK._replace(category=None), "ada").success


def test_an_award_is_forecast_with_the_base_rate_of_its_moment():
    eidos = lived([(TASK, "ada", None, True)] * 3)
    award = eidos.forecast_award(TASK, "bo")
    assert award == AwardForecast("bo", eidos.success.predict_one("bo", "db"), 4 / 5)


def test_asking_teaches_nothing():
    eidos = lived([(TASK, "ada", 80.0, True)])
    before = msgspec.msgpack.encode(eidos)
    for _ in range(3):
        eidos.forecast(TASK)
        eidos.forecast(TaskFacts(["new"], "new", None))
        eidos.forecast_award(TASK, "new")
    assert msgspec.msgpack.encode(eidos) == before


def test_a_second_attempt_is_no_new_choice():
    eidos = Eidos()
    forecast = eidos.forecast(TASK)
    eidos.observe_award(TASK, forecast, "ada", None, first=True)
    after_first = msgspec.to_builtins(eidos.winner)
    assert eidos.observe_award(TASK, forecast, "bo", 90.0, first=False).keys() == {"bid_covered", "bid_winkler"}
    assert msgspec.to_builtins(eidos.winner) == after_first
    assert eidos.scoreboard.awards == 1
    assert eidos.scoreboard.bids == 1


def test_without_a_forecast_nothing_is_scored_but_all_is_learnt():
    eidos = Eidos()
    assert eidos.observe_award(TASK, None, "ada", 90.0, first=True) == {}
    assert (eidos.scoreboard.awards, eidos.scoreboard.bids) == (0, 0)
    assert eidos.winner.agents["ada"].won == 1
    assert eidos.bids.ratios.newest == [0.9]


def test_where_no_interval_was_given_none_is_scored():
    eidos = Eidos()
    task = TaskFacts([], None, None)
    forecast = eidos.forecast(task)
    assert forecast == Forecast({}, {}, None)
    assert eidos.observe_award(task, forecast, "ada", 5.0, first=True) == {}


def test_extreme_but_finite_amounts_do_not_poison_the_scores():
    eidos = lived([(TaskFacts(AGENTS, "db", 1e-300), "ada", 1e300, True)] * 8)
    live_through(eidos, [(TASK, "ada", 50.0, True)] * 3)
    assert all(math.isfinite(number) for number in numbers_in(msgspec.to_builtins(eidos)))


def test_in_a_swarm_with_good_and_bad_agents_the_forecasts_beat_the_base_rate():
    rng = random.Random(4)
    rates = {"ada": 0.95, "bo": 0.6, "cy": 0.2}
    history = []
    for _ in range(600):
        agent = rng.choices(AGENTS, [6, 3, 1])[0]
        history.append((TASK, agent, 100 * rng.uniform(0.6, 1.0), rng.random() < rates[agent]))
    summary = lived(history).scoreboard.summary()
    assert summary["evaluated"] == 600
    assert summary["skill"] > 0.1
    assert summary["ece"] < 0.06
    assert summary["winner_top1"] > 0.5
    assert summary["winner_log_loss"] < math.log(3)
    assert 0.75 < summary["bid_coverage"] < 0.88


def test_the_models_have_a_version():
    assert VERSION
    assert isinstance(VERSION, str)
