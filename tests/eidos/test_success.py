"""The model of success: rates shrunk from the swarm down to the agent in a category."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import success
from spark_eidos.success import SuccessModel

bounded = settings(max_examples=150, deadline=None)
AGENTS = ["ada", "bo", "cy"]
CATEGORIES = ["db", "docs", None]
histories = st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(CATEGORIES), st.booleans()), max_size=60)


def taught(history) -> SuccessModel:
    model = SuccessModel()
    for agent, category, succeeded in history:
        model.learn_one(agent, category, succeeded)
    return model


def every_forecast(model: SuccessModel, agents=AGENTS, categories=CATEGORIES) -> list[float]:
    return [model.predict_one(a, c) for a in [*agents, "stranger"] for c in [*categories, "unheard of"]]


@bounded
@given(histories)
def test_forecasts_are_probabilities(history):
    model = taught(history)
    for p in every_forecast(model):
        assert 0.001 <= p <= 0.999
    for agent in [*AGENTS, "stranger"]:
        for category in [*CATEGORIES, "unheard of"]:
            mean, strength = model.posterior(agent, category)
            assert 0 < mean < 1
            assert success.AGENT_STRENGTH <= strength < math.inf


@bounded
@given(histories)
def test_the_base_rate_is_laplaces(history):
    wins = sum(succeeded for _, _, succeeded in history)
    assert taught(history).base_rate() == (wins + 1) / (len(history) + 2)


@bounded
@given(histories, st.permutations(AGENTS))
def test_names_do_not_matter(history, names):
    new = dict(zip(AGENTS, names, strict=True))
    renamed = taught([(f"agent {new[agent]}", category, won) for agent, category, won in history])
    model = taught(history)
    for agent in AGENTS:
        for category in CATEGORIES:
            assert renamed.predict_one(f"agent {new[agent]}", category) == model.predict_one(agent, category)


@bounded
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(history, shuffler):
    shuffled = list(history)
    shuffler.shuffle(shuffled)
    assert every_forecast(taught(shuffled)) == every_forecast(taught(history))


@bounded
@given(histories, st.sampled_from(AGENTS), st.sampled_from(CATEGORIES))
def test_a_success_never_lowers_and_a_failure_never_raises_the_same_forecast(history, agent, category):
    before = taught(history).predict_one(agent, category)
    assert taught([*history, (agent, category, True)]).predict_one(agent, category) >= before - 1e-12
    assert taught([*history, (agent, category, False)]).predict_one(agent, category) <= before + 1e-12


@pytest.mark.parametrize("category", ["db", None])
@pytest.mark.parametrize("always", [True, False])
def test_it_learns_what_is_always_so(category, always):
    forecast = taught([("ada", category, always)] * 200).predict_one("ada", category)
    assert forecast > 0.99 if always else forecast < 0.01
    extreme = taught([("ada", category, always)] * 20_000).predict_one("ada", category)
    assert extreme == (0.999 if always else 0.001)


def test_it_learns_rates_of_agents_and_categories():
    rng = random.Random(1)
    rates = {("ada", "db"): 0.9, ("ada", "docs"): 0.3, ("bo", "db"): 0.4, ("bo", "docs"): 0.7}
    cells = [cell for cell in rates for _ in range(600)]
    rng.shuffle(cells)
    model = taught([(agent, category, rng.random() < rates[agent, category]) for agent, category in cells])
    for (agent, category), rate in rates.items():
        assert model.predict_one(agent, category) == pytest.approx(rate, abs=0.06)


def test_a_stranger_is_taken_for_one_of_the_swarm():
    model = taught([("ada", None, True)] * 90 + [("bo", None, False)] * 10)
    assert model.predict_one("stranger", None) == pytest.approx(model.base_rate())
    assert model.predict_one("stranger", "unheard of") == pytest.approx(model.base_rate())


def test_a_stranger_is_warned_of_a_hard_category():
    model = taught([("ada", "db", False)] * 50 + [("ada", "docs", True)] * 50)
    assert model.predict_one("stranger", "db") < model.base_rate() < model.predict_one("stranger", "docs")


def test_few_outcomes_move_a_forecast_less_than_many():
    swarm = [("bo", "docs", True), ("bo", "docs", False)] * 50
    few = taught([*swarm, ("ada", "docs", True)]).predict_one("ada", "docs")
    many = taught([*swarm, *[("ada", "docs", True)] * 30]).predict_one("ada", "docs")
    assert 0.5 < few < 0.6 < 0.8 < many


def test_strength_counts_what_is_known():
    model = taught([("ada", "db", True)] * 40)
    assert model.posterior("ada", "db")[1] > model.posterior("ada", "docs")[1] >= model.posterior("bo", "db")[1]
    assert model.posterior("ada", None)[1] == 40 + success.AGENT_STRENGTH


@bounded
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=200))
def test_memory_is_bounded(history):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(success, "MAX_TALLIES", 5)
        model = taught([(f"a{agent}", f"c{category}" if category else None, won) for agent, category, won in history])
        assert len(model.agents) <= 5
        assert len(model.categories) <= 5
        assert model.cell_count == sum(len(row) for row in model.cells.values()) <= 5
        assert model.swarm.outcomes == len(history)
        assert all(0.001 <= p <= 0.999 for p in every_forecast(model, [f"a{n}" for n in range(30)], ["c1", None]))
