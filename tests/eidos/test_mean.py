"""Running means: what adding up all values again would give, and no value that drowns the others."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.mean import SANE, Mean

bounded = settings(max_examples=150, deadline=None)


def mean_of(values) -> Mean:
    mean = Mean()
    for value in values:
        mean.add(value)
    return mean


@bounded
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_mean_and_spread_are_those_of_all_values(values):
    mean = mean_of(values)
    assert mean.n == len(values)
    assert mean.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert mean.m2 / (mean.n - 1) == pytest.approx(statistics.variance(values), rel=1e-6, abs=1e-3)


@bounded
@given(st.lists(st.floats(), max_size=30))
def test_no_value_at_all_makes_it_infinite_or_not_a_number(values):
    mean = mean_of(values)
    assert mean.n == sum(abs(value) <= SANE for value in values)
    assert math.isfinite(mean.mean)
    assert math.isfinite(mean.m2)
    assert mean.m2 >= 0
    assert all(math.isfinite(mean.deviation(value)) for value in (0.0, 1.0, SANE))


def test_a_deviation_is_counted_in_standard_deviations_once_enough_is_known():
    values = [9.0, 11.0] * 5
    spread = statistics.stdev(values)
    assert mean_of(values[:9]).deviation(100.0) == 0.0
    assert mean_of(values).deviation(10.0 + 3 * spread) == pytest.approx(3.0)
    assert mean_of(values).deviation(10.0 - 2 * spread) == pytest.approx(-2.0)
    assert mean_of([5.0] * 20).deviation(6.0) == 0.0
