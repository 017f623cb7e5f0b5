"""Rates that forget by the log's time, at the swarm's own pace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.fading import FadingRate
from spark_eidos.pace import Pace, faded

bounded = settings(max_examples=100, deadline=None)
times = st.floats(-1e12, 1e12)


def steady(seconds: float) -> Pace:
    return Pace(beats=11, first=0.0, last=10.0 * seconds)


@bounded
@given(st.lists(st.tuples(st.booleans(), times), max_size=40), times, st.floats(0.01, 0.99))
def test_a_rate_is_one_whatever_the_clock_does(history, now, prior):
    rate, pace = FadingRate(2.0, 1.0), Pace()
    for succeeded, at in history:
        pace.beat(at)
        rate.learn_one("ada", succeeded, at, pace)
    assert 0.0 < rate.predict_one("ada", prior, now, pace) < 1.0
    assert rate.predict_one("stranger", prior, now, pace) == prior


@pytest.mark.parametrize("unit", [0.001, 1.0, 86_400.0])
def test_half_is_left_after_half_a_life_in_units_of_pace(unit):
    """The same at a thousand outcomes a second and at one a day."""
    rate, pace = FadingRate(half_life=4.0, strength=1.0), steady(unit)
    rate.learn_one("ada", True, 0.0, pace)
    for halves in range(5):
        left = 0.5**halves
        assert rate.predict_one("ada", 0.2, halves * 4.0 * unit, pace) == pytest.approx((left + 0.2) / (left + 1.0))


def test_what_happened_just_now_says_most():
    rate, pace = FadingRate(5.0, 1.0), steady(1.0)
    for at in range(100):
        rate.learn_one("ada", at < 90, float(at), pace)
    assert rate.predict_one("ada", 0.5, 100.0, pace) < 0.4
    slow = FadingRate(1e6, 1.0)
    for at in range(100):
        slow.learn_one("ada", at < 90, float(at), pace)
    assert slow.predict_one("ada", 0.5, 100.0, pace) > 0.85


@bounded
@given(st.lists(st.booleans(), min_size=1, max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_silence_brings_a_rate_nearer_to_its_prior(history, one, other):
    rate, pace = FadingRate(2.0, 1.0), steady(1.0)
    for at, succeeded in enumerate(history):
        rate.learn_one("ada", succeeded, float(at), pace)
    soon, late = (len(history) + wait for wait in sorted((one, other)))
    gap_soon, gap_late = (abs(rate.predict_one("ada", 0.3, at, pace) - 0.3) for at in (soon, late))
    assert gap_late <= gap_soon + 1e-12


@bounded
@given(st.floats(-1e300, 1e300), st.floats(1e-6, 1e6))
def test_nothing_grows_by_waiting(elapsed, half_life):
    assert 0.0 <= faded(elapsed, half_life) <= 1.0


def test_pace_is_the_mean_step_and_one_while_there_is_no_telling():
    pace = Pace()
    assert pace.unit == 1.0
    pace.beat(100.0)
    assert pace.unit == 1.0
    for at in (104.0, 102.0, 106.0):
        pace.beat(at)
    assert pace.unit == 2.0
