"""Scoring rules: nobody scores better than by saying what they believe, and no score is infinite."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spark_eidos import rules

bounded = settings(max_examples=200, deadline=None)
probabilities = st.floats(0.001, 0.999)
finite = st.floats(-1e6, 1e6)


def expected(rule, truth: float, said: float) -> float:
    """Mean score of saying `said` where the event happens with probability `truth`."""
    return truth * rule(said, True) + (1.0 - truth) * rule(said, False)


@pytest.mark.parametrize("rule", [rules.log_loss, rules.brier])
@bounded
@given(truth=probabilities, said=probabilities)
def test_the_truth_is_the_best_thing_to_say(rule, truth, said):
    assert expected(rule, truth, truth) <= expected(rule, truth, said) + 1e-12


@pytest.mark.parametrize("rule", [rules.log_loss, rules.brier])
@bounded
@given(truth=probabilities, said=probabilities)
def test_it_is_the_only_best_thing_to_say(rule, truth, said):
    assume(abs(truth - said) > 0.01)
    assert expected(rule, truth, truth) < expected(rule, truth, said)


@bounded
@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=6), st.lists(st.floats(0.05, 1), min_size=6, max_size=6))
def test_the_truth_is_the_best_distribution_to_say(weights, others):
    truth = [w / sum(weights) for w in weights]
    said = [w / sum(others[: len(truth)]) for w in others[: len(truth)]]

    def mean_loss(distribution):
        return sum(p * rules.categorical_log_loss(q) for p, q in zip(truth, distribution, strict=True))

    assert mean_loss(truth) <= mean_loss(said) + 1e-12


@bounded
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_true_quantiles_are_the_best_interval_to_say(one, other):
    """Truth spread evenly over 0..1: the central 80% interval is 0.1 to 0.9."""
    low, high = sorted((one, other))
    truths = [(n + 0.5) / 200 for n in range(200)]

    def mean_score(low, high):
        return sum(rules.winkler(0.8, low, high, truth) for truth in truths) / len(truths)

    assert mean_score(0.1, 0.9) <= mean_score(low, high) + 1e-9


@bounded
@given(st.floats(0, 1), st.booleans())
def test_scores_are_finite_and_not_negative(said, happened):
    for score in (rules.log_loss(said, happened), rules.brier(said, happened), rules.categorical_log_loss(said)):
        assert 0 <= score <= -math.log(rules.FLOOR) + 1e-9


@pytest.mark.parametrize(
    ("said", "happened", "log_loss", "brier"),
    [
        (0.5, True, math.log(2), 0.25),
        (0.8, True, -math.log(0.8), 0.04),
        (0.8, False, -math.log(0.2), 0.64),
        (1.0, True, -math.log(0.999), 0.0),
        (1.0, False, -math.log(0.001), 1.0),
        (0.0, False, -math.log(0.999), 0.0),
    ],
)
def test_scores_by_hand(said, happened, log_loss, brier):
    assert rules.log_loss(said, happened) == pytest.approx(log_loss)
    assert rules.brier(said, happened) == pytest.approx(brier)


@pytest.mark.parametrize(
    ("truth", "score"), [(10.0, 10.0), (15.0, 10.0), (20.0, 10.0), (21.0, 20.0), (9.0, 20.0), (0.0, 110.0)]
)
def test_an_interval_pays_its_width_and_ten_times_the_distance_it_missed_by(truth, score):
    assert rules.winkler(0.8, 10.0, 20.0, truth) == pytest.approx(score)


@bounded
@given(finite, finite, finite)
def test_an_interval_that_holds_pays_its_width(one, other, truth):
    low, high = sorted((one, other))
    score = rules.winkler(0.8, low, high, truth)
    assert score >= high - low
    assert (score == high - low) == (low <= truth <= high) or abs(score - (high - low)) < 1e-6
