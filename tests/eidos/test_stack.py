"""The learned blend: it finds weights that were planted, and its belief stays one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.arithmetic import logistic
from spark_eidos.stack import Stack

START = (0.5, 0.5, 0.5)
vectors = st.tuples(*[st.floats(-7, 7)] * 3)


def test_it_finds_planted_weights():
    rng, stack, truth = random.Random(1), Stack.starting(START), (1.2, 0.0, -0.5)
    for _ in range(5_000):
        said = [rng.gauss(0, 1.5) for _ in truth]
        stack.learn_one(said, rng.random() < logistic(sum(w * x for w, x in zip(truth, said, strict=True))))
    assert stack.weights.tolist() == pytest.approx([*truth, 0.0], abs=0.15)


def test_before_anything_was_learned_it_is_the_blend_it_began_as():
    said = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, -1.0]])
    assert Stack.starting(START).predict(said).tolist() == [3.0, -0.5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(vectors, st.booleans()), max_size=60))
def test_its_covariance_stays_one_and_only_shrinks(history):
    stack = Stack.starting(START)
    for said, succeeded in history:
        before = stack.covariance
        stack.learn_one(said, succeeded)
        assert np.all(np.diag(stack.covariance) <= np.diag(before) + 1e-12)
        assert np.linalg.eigvalsh(stack.covariance).min() > -1e-9
    assert np.all(np.isfinite(stack.weights))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(vectors, st.booleans()), max_size=20), vectors, st.booleans())
def test_what_happened_gets_likelier(history, said, succeeded):
    stack = Stack.starting(START)
    for step in history:
        stack.learn_one(*step)
    before = float(stack.predict(np.array([said]))[0])
    stack.learn_one(said, succeeded)
    after = float(stack.predict(np.array([said]))[0])
    assert after >= before - 1e-9 if succeeded else after <= before + 1e-9
