"""The pool of recipes: its weights stay a distribution, and go where the evidence is."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import pool, rules
from spark_eidos.arithmetic import logistic
from spark_eidos.pool import EXPERTS, LEARNING_RATE, LEAST, PRIOR, RECIPES, Pool

said = st.lists(st.floats(-7, 7), min_size=len(EXPERTS), max_size=len(EXPERTS))
histories = st.lists(st.tuples(said, st.booleans()), max_size=60)


def taught(history) -> Pool:
    found = Pool()
    for experts, succeeded in history:
        found.learn_one(experts, succeeded)
    return found


@settings(max_examples=100, deadline=None)
@given(histories)
def test_weights_stay_a_distribution(history):
    weights = taught(history).weights
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights.min() >= LEAST * 0.99


@settings(max_examples=100, deadline=None)
@given(histories, said)
def test_a_blend_is_a_probability_between_what_the_recipes_say(history, experts):
    given_by = Pool._recipes(np.array([experts]))[0]
    p = float(taught(history).blend(np.array([experts]))[0])
    assert rules.FLOOR - 1e-12 <= p <= 1 - rules.FLOOR + 1e-12
    assert given_by.min() - 1e-12 <= p <= given_by.max() + 1e-12


@settings(max_examples=50, deadline=None)
@given(histories, st.lists(said, min_size=1, max_size=12))
def test_each_candidates_number_is_its_own(history, rows):
    """Blended alone or with others: the same bits."""
    blended = taught(history).blend(np.array(rows)).tolist()
    assert [float(taught(history).blend(np.array([row]))[0]) for row in rows] == blended


def test_the_recipes_are_of_known_experts_and_begin_as_a_distribution():
    assert RECIPES.shape == (len(PRIOR), len(EXPERTS))
    assert PRIOR.sum() == pytest.approx(1.0)
    assert PRIOR.min() > 0.0
    named = {name for _, blend in pool._WEIGHED for name in blend}
    assert named <= set(EXPERTS)


@pytest.mark.parametrize("recipe", range(len(PRIOR)))
def test_the_recipe_that_tells_the_truth_ends_as_the_one_believed(recipe):
    """Every one of them can win: outcomes are drawn by what it says, and its losses are nearly reached."""
    rng, found, paid, best = random.Random(recipe), Pool(), 0.0, 0.0
    for _ in range(3_000):
        experts = [rng.gauss(0.0, 2.0) for _ in EXPERTS]
        told = logistic(float(RECIPES[recipe] @ np.array(experts)))
        succeeded = rng.random() < told
        paid += rules.log_loss(float(found.blend(np.array([experts]))[0]), succeeded)
        best += rules.log_loss(told, succeeded)
        found.learn_one(experts, succeeded)
    assert int(np.argmax(found.weights)) == recipe
    assert found.weights[recipe] > 0.9
    assert paid - best < -math.log(PRIOR[recipe]) / LEARNING_RATE + 5.0, "more than the mixture's bound"


def test_the_world_may_change_to_a_recipes_liking():
    """One that was wrong for a thousand outcomes is believed within a hundred of being right."""
    found, right, wrong = Pool(), [0.0] * len(EXPERTS), [0.0] * len(EXPERTS)
    base, text = EXPERTS.index("base"), EXPERTS.index("text")
    right[base], right[text] = 2.0, -2.0
    wrong[base], wrong[text] = -2.0, 2.0
    for _ in range(1_000):
        found.learn_one(right, True)
    assert float(found.blend(np.array([right]))[0]) > 0.8
    for _ in range(100):
        found.learn_one(wrong, True)
    assert float(found.blend(np.array([wrong]))[0]) > 0.6


def test_shares_are_how_far_the_blend_moves_with_an_expert():
    """In log odds, where all recipes say one half: the derivative."""
    found = Pool()
    for n, share in enumerate(found.shares().tolist()[:-1]):
        nudged = np.zeros((1, len(EXPERTS)))
        nudged[0, n] = 1e-4
        nudged[0, -1] = float(found.stack.predict(nudged[:, :-1])[0])
        p = float(found.blend(nudged)[0])
        assert math.log(p / (1 - p)) / 1e-4 == pytest.approx(share, rel=1e-3, abs=1e-6)
