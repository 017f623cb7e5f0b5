"""Did it pay to follow? The doubly robust estimate, on choices whose truth is known because it was made."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.following import Following

TRUTH = {"ada": 0.9, "bo": 0.5, "cy": 0.2}
DRAWN = {"ada": 0.7, "bo": 0.2, "cy": 0.1}
GAIN = sum(DRAWN[agent] * TRUTH[agent] for agent in TRUTH) - sum(TRUTH.values()) / 3
"""What drawing so gains over an even choice."""
WRONG = {"ada": 0.3, "bo": 0.3, "cy": 0.8}


def lived(seed: int, n: int, forecasts, drawn=DRAWN) -> Following:
    rng, following = random.Random(seed), Following()
    for _ in range(n):
        chosen = rng.choices(list(drawn), list(drawn.values()))[0]
        following.learn_one(chosen, drawn, forecasts, rng.random() < TRUTH[chosen])
    return following


@pytest.mark.parametrize("forecasts", [TRUTH, WRONG], ids=["right forecasts", "wrong forecasts"])
def test_the_estimate_is_right_whatever_the_forecasts_say(forecasts):
    """Doubly robust: the propensities are right, so wrong forecasts cost width and no bias."""
    means = [lived(seed, 400, forecasts).gain.mean for seed in range(50)]
    assert sum(means) / len(means) == pytest.approx(GAIN, abs=0.02)


@pytest.mark.parametrize("forecasts", [TRUTH, WRONG], ids=["right forecasts", "wrong forecasts"])
def test_its_interval_covers_the_truth_about_as_often_as_it_says(forecasts):
    covered = 0
    for seed in range(200):
        low, high = lived(seed, 300, forecasts).summary()["gain_interval"]
        covered += low <= GAIN <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_right_forecasts_make_it_narrower():
    widths = [high - low for low, high in (lived(1, 400, told).summary()["gain_interval"] for told in (TRUTH, WRONG))]
    assert widths[0] < 0.8 * widths[1]


def test_an_even_choice_gains_nothing():
    even = dict.fromkeys(TRUTH, 1 / 3)
    summary = lived(2, 2_000, WRONG, even).summary()
    assert summary["gain"] == pytest.approx(0.0, abs=1e-9)


def test_plain_success_of_what_was_followed_is_counted():
    following = lived(3, 3_000, TRUTH)
    summary = following.summary()
    assert summary["followed"] == 3_000
    assert summary["success"] == pytest.approx(sum(DRAWN[agent] * TRUTH[agent] for agent in TRUTH), abs=0.03)


def test_where_nothing_was_measured_nothing_is_said():
    assert Following().summary() == {
        "asked": 0, "followed": 0, "success": None, "gain": None, "gain_interval": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "propensities", "forecasts"),
    [("di", DRAWN, TRUTH), ("ada", {}, TRUTH), ("ada", DRAWN, {"ada": 0.5}), ("ada", {**DRAWN, "ada": 0.0}, TRUTH)],
    ids=["was no candidate", "nothing logged", "forecasts missing", "could not have been drawn"],
)
def test_what_cannot_be_weighed_is_counted_and_no_estimate(chosen, propensities, forecasts):
    following = Following()
    following.learn_one(chosen, propensities, forecasts, True)
    assert (following.followed, following.successes, following.gain.n) == (1, 1, 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0.001, 0.999), st.booleans()), min_size=2, max_size=50))
def test_no_choice_makes_it_infinite(history):
    following = Following()
    for share, forecast, succeeded in history:
        following.learn_one("ada", {"ada": share, "bo": 1 - share}, {"ada": forecast, "bo": 0.5}, succeeded)
    assert all(math.isfinite(bound) for bound in following.summary()["gain_interval"])
