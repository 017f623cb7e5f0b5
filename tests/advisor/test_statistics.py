"""The little statistics: intervals that hold as often as they say."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spark_advisor
from spark_advisor.statistics import Z95, Z99, mean_interval, others, percent, wilson

bounded = settings(max_examples=150, deadline=None)
MODULES = sorted(module.name for module in pkgutil.walk_packages(spark_advisor.__path__, "spark_advisor."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0 or name != "spark_advisor.statistics"


@bounded
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_rate_and_a_surer_one_is_wider(counts):
    successes, n = counts
    low, high = wilson(successes, n)
    surer_low, surer_high = wilson(successes, n, Z99)
    assert 0 <= surer_low <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= surer_high <= 1


def test_of_nothing_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", [10, 50, 200])
def test_it_holds_the_truth_about_as_often_as_it_says(n, rate):
    """Exactly: summed over the binomial distribution."""
    chances = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
    for z, level in ((Z95, 0.95), (Z99, 0.99)):
        held = sum(p for k, p in enumerate(chances) if wilson(k, n, z)[0] <= rate <= wilson(k, n, z)[1])
        assert held >= level - 0.04


def test_the_interval_of_a_mean_holds_it_about_as_often_as_it_says(mean_of):
    rng = random.Random(5)
    held = 0
    for _ in range(2000):
        low, high = mean_interval(mean_of(rng.gauss(3.0, 2.0) for _ in range(30)))
        held += low <= 3.0 <= high
    assert 0.93 <= held / 2000 <= 0.965


def test_the_interval_of_equal_values_is_a_point(mean_of):
    assert mean_interval(mean_of([2.0, 2.0])) == (2.0, 2.0)


def test_the_rate_of_the_others_leaves_oneself_out(new_swarm):
    swarm = new_swarm()
    swarm.outcomes_of("ada", None, 0, 10)
    swarm.outcomes_of("bo", None, 90, 0)
    assert others(swarm, swarm.agents["ada"]) == (1.0, 91 / 92, 1.0)
    assert others(swarm, swarm.agents["bo"]) == (0.0, 0.0, 1 / 12)


def test_of_few_others_nothing_is_said(new_swarm):
    swarm = new_swarm()
    swarm.outcomes_of("ada", None, 10, 10)
    for n in range(5):
        assert others(swarm, swarm.agents["ada"]) is None, n
        swarm.outcome("bo", None, True)
    assert others(swarm, swarm.agents["ada"]) == (1.0, 6 / 7, 1.0)


@pytest.mark.parametrize(("rate", "text"), [(0.0, "0%"), (0.374, "37%"), (1.0, "100%"), (1.25, "125%")])
def test_rates_in_words(rate, text):
    assert percent(rate) == text
