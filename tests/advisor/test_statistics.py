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
from spark_advisor.statistics import Z95, Z99, beyond, difference, mean_interval, others, percent, surely, wilson
from spark_eidos import Mean, Tally

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


def mean_of(values):
    mean = Mean()
    for value in values:
        mean.add(value)
    return mean


def test_the_interval_of_a_mean_holds_it_about_as_often_as_it_says():
    rng = random.Random(5)
    held = 0
    for _ in range(2000):
        low, high = mean_interval(mean_of(rng.gauss(3.0, 2.0) for _ in range(30)))
        held += low <= 3.0 <= high
    assert 0.93 <= held / 2000 <= 0.965


def test_the_interval_of_equal_values_is_a_point():
    assert mean_interval(mean_of([2.0, 2.0])) == (2.0, 2.0)


def test_the_rate_of_the_others_leaves_oneself_out():
    swarm, ada, bo = Tally(100, 90), Tally(10, 0), Tally(90, 90)
    assert others(swarm, ada) == (1.0, 91 / 92, 1.0)
    assert others(swarm, bo) == (0.0, 0.0, 1 / 12)


def test_of_few_others_nothing_is_said():
    ada = Tally(20, 10)
    for n in range(5):
        assert others(Tally(20 + n, 10 + n), ada) is None, n
    assert others(Tally(25, 15), ada) == (1.0, 6 / 7, 1.0)


@bounded
@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_a_difference_lies_in_its_interval_and_has_the_sign_of_the_rates(s, f, t, g):
    effect, low, high = difference(s, s + f, t, t + g)
    assert low <= effect <= high
    assert (effect > 0) == (s * (t + g) > t * (s + f)) or abs(effect) < 1e-6
    assert 0.5 <= surely(effect, low, high) <= 1.0


def test_evidence_against_a_true_bound_hardly_ever_grows():
    """Ville: looked at after every outcome, a rate that is not below the bound seldom comes to log(20)."""
    rng, alarms = random.Random(4), 0
    for _ in range(300):
        successes, failures = 0, 0
        for _ in range(200):
            succeeded = rng.random() < 0.7
            successes, failures = successes + succeeded, failures + (not succeeded)
            if beyond(successes, failures, 0.7) >= math.log(20.0):
                alarms += 1
                break
    assert alarms / 300 <= 0.05 + 0.03


@pytest.mark.parametrize(("rate", "text"), [(0.0, "0%"), (0.374, "37%"), (1.0, "100%"), (1.25, "125%")])
def test_rates_in_words(rate, text):
    assert percent(rate) == text
