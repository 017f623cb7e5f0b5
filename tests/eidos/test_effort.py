"""What attempts take: intervals on the logarithm, from the swarm down to the agent in the category."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import effort
from spark_eidos.effort import EffortModel

bounded = settings(max_examples=100, deadline=None)
amounts = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)
AGENTS, CATEGORIES = ["ada", "bo"], ["db", None]


def taught(history) -> EffortModel:
    model = EffortModel()
    for agent, category, amount in history:
        model.learn_one(agent, category, amount)
    return model


@bounded
@given(st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(CATEGORIES), amounts), max_size=60))
def test_intervals_are_positive_finite_and_in_order(history):
    model = taught(history)
    for agent in [*AGENTS, "stranger"]:
        for category in [*CATEGORIES, "unheard of"]:
            found = model.predict_one(agent, category)
            if found is not None:
                assert 0.0 < found.low <= found.median <= found.high < math.inf


def test_nothing_is_said_before_ten_amounts():
    assert taught([("ada", None, 5.0)] * effort.ENOUGH).predict_one("ada", None) is None
    assert taught([("ada", None, 5.0)] * (effort.ENOUGH + 1)).predict_one("ada", None) is not None


@pytest.mark.parametrize("amount", [None, 0.0, -1.0, 1e300, 5e-324])
def test_what_is_no_amount_teaches_nothing(amount):
    assert taught([("ada", "db", amount)] * 20) == EffortModel()


def test_slow_agents_and_long_categories_take_longer():
    """Planted: bo takes four times as long as ada, docs a third of db; the truth lies within a fifth."""
    rng, model = random.Random(1), EffortModel()
    for _ in range(2_000):
        agent, category = rng.choice(AGENTS), rng.choice(["db", "docs"])
        middle = 60.0 * (4.0 if agent == "bo" else 1.0) / (3.0 if category == "docs" else 1.0)
        model.learn_one(agent, category, middle * rng.lognormvariate(0.0, 0.2))
    for agent, category, truth in (("ada", "db", 60), ("ada", "docs", 20), ("bo", "db", 240), ("bo", "docs", 80)):
        assert model.predict_one(agent, category).median == pytest.approx(truth, rel=0.2)


def test_a_stranger_takes_what_the_category_does():
    model = taught([("ada", "db", 100.0), ("bo", "docs", 10.0)] * 30)
    assert model.predict_one("stranger", "db").median > 3 * model.predict_one("stranger", "docs").median


def test_four_in_five_lie_within_the_interval():
    rng, model, hits = random.Random(2), EffortModel(), []
    for _ in range(3_000):
        agent = rng.choice(AGENTS)
        amount = (100.0 if agent == "bo" else 10.0) * rng.lognormvariate(0.0, 0.7)
        found = model.predict_one(agent, None)
        if found is not None:
            hits.append(found.low <= amount <= found.high)
        model.learn_one(agent, None, amount)
    assert 0.77 <= sum(hits) / len(hits) <= 0.84


def test_it_follows_an_agent_that_gets_slower():
    model = taught([("ada", None, 10.0)] * 200 + [("ada", None, 100.0)] * 100)
    assert model.predict_one("ada", None).median > 60.0


@bounded
@given(st.lists(st.floats(0.1, 1e3), max_size=60))
def test_the_newest_errors_are_kept_and_ranked(values):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effort, "WINDOW", 10)
        model = taught([("ada", None, value) for value in values])
    assert model.ranked == sorted(model.newest)
    assert len(model.newest) == min(max(len(values) - 1, 0), 10)
