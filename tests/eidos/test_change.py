"""Change: it is seen soon after it is there, and hardly ever where there is none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.change import BAR, MOST, SLACK, Change
from spark_eidos.scoreboard import DRIFT_BAR


def first_alarm(change: Change, surprises) -> int | None:
    return next((n for n, surprise in enumerate(surprises) if change.saw(surprise)), None)


def coins(rng: random.Random, forecast: float, truth: float, n: int):
    """Standardised surprises of forecasts that say `forecast`, where `truth` holds."""
    spread = (forecast * (1 - forecast)) ** 0.5
    return [((rng.random() < truth) - forecast) / spread for _ in range(n)]


@pytest.mark.parametrize("forecast", [0.5, 0.7, 0.9])
@pytest.mark.parametrize(("bar", "most"), [(BAR, 40), (DRIFT_BAR, 0)])
def test_right_forecasts_hardly_ever_raise_it(forecast, bar, most):
    """In twenty thousand steps: at the agents' bar once in five hundred at the most, at the swarm's never."""
    change = Change(bar=bar)
    assert sum(change.saw(surprise) for surprise in coins(random.Random(1), forecast, forecast, 20_000)) <= most


@pytest.mark.parametrize(("forecast", "truth"), [(0.9, 0.3), (0.7, 0.1), (0.3, 0.9), (0.2, 0.7)])
def test_a_step_raises_it_within_forty(forecast, truth):
    for seed in range(20):
        alarm = first_alarm(Change(), coins(random.Random(seed), forecast, truth, 200))
        assert alarm is not None
        assert alarm < 40


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_no_single_surprise_is_a_change(surprises):
    """It takes as many in a row as fill the bar, however large each is."""
    change = Change()
    alarm = first_alarm(change, surprises)
    assert alarm is None or alarm + 1 >= BAR / (MOST - SLACK)


def test_it_begins_anew_after_an_alarm():
    change = Change()
    assert first_alarm(change, [3.0] * 10) == 3
    assert (change.up, change.down) == (0.0, 0.0)
    assert first_alarm(change, [3.0] * 10) == 3


def test_both_ways_are_watched_apart():
    assert first_alarm(Change(), [-2.0] * 20) == first_alarm(Change(), [2.0] * 20) is not None
    assert first_alarm(Change(), [2.0, -2.0] * 50) is None
