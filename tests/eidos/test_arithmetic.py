"""Log odds and back, on numbers and on arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_eidos.arithmetic import PROBIT, logistic, logistics, logit, logits, products


@given(st.floats(1e-6, 1 - 1e-6))
def test_log_odds_and_back_is_where_one_began(p):
    assert logistic(logit(p)) == pytest.approx(p, abs=1e-12)


@given(st.floats(0.001, 0.999))
def test_arrays_hold_what_numbers_hold(p):
    assert float(logits(np.array([p]))[0]) == pytest.approx(logit(p), abs=1e-9)
    assert float(logistics(np.array([logit(p)]))[0]) == pytest.approx(p, abs=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_nothing_overflows(z):
    assert 0.0 <= logistic(z) <= 1.0
    assert 0.0 <= float(logistics(np.array([z]))[0]) <= 1.0


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 10**6), st.data())
def test_a_row_comes_to_the_same_alone_and_among_others(rows, columns, seed, data):
    """To the bit; a product by BLAS does not."""
    rng = np.random.default_rng(seed)
    table, weights = rng.normal(size=(rows, columns)), rng.normal(size=columns)
    one = data.draw(st.integers(0, rows - 1))
    assert (
        products(table[one : one + 1], weights)[0]
        == products(table, weights)[one]
        == products(table[: one + 1], weights)[one]
    )
    assert np.allclose(products(table, weights), table @ weights)


def test_what_is_beyond_all_odds_is_held():
    assert logits(np.array([0.0, 1.0])).tolist() == pytest.approx([logit(0.001), logit(0.999)])


@pytest.mark.parametrize(("mean", "variance"), [(1.0, 1.0), (2.0, 4.0), (-3.0, 2.0)])
def test_the_mean_of_a_logistic_normal_is_as_the_approximation_has_it(mean, variance):
    """By sampling: drawing in by the uncertainty is right to two per cent, ignoring it is not."""
    drawn = np.random.default_rng(1).normal(mean, math.sqrt(variance), 200_000)
    truth = float(logistics(drawn).mean())
    assert logistic(mean / math.sqrt(1.0 + PROBIT * variance)) == pytest.approx(truth, abs=0.02)
    assert abs(logistic(mean) - truth) > 0.02
