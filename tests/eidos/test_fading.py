"""Rates that forget by the swarm's own time, which no clock is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.fading import FadingRate
from spark_eidos.pace import faded, own_time

bounded = settings(max_examples=100, deadline=None)
times = st.floats(-1e12, 1e12)


@bounded
@given(st.lists(st.tuples(st.booleans(), times), max_size=40), times, st.floats(0.01, 0.99))
def test_a_rate_is_one_whatever_the_clock_does(history, now, prior):
    rate = FadingRate(2.0, 1.0)
    for succeeded, at in history:
        rate.learn_one("ada", succeeded, at)
    assert 0.0 < rate.predict_one("ada", prior, now) < 1.0
    assert rate.predict_one("stranger", prior, now) == prior


def test_half_is_left_after_half_a_life():
    rate = FadingRate(half_life=4.0, strength=1.0)
    rate.learn_one("ada", True, 0.0)
    for halves in range(5):
        left = 0.5**halves
        assert rate.predict_one("ada", 0.2, halves * 4.0) == pytest.approx((left + 0.2) / (left + 1.0))


@bounded
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), min_size=1, max_size=20), st.floats(0, 5))
def test_a_rate_is_the_faded_sum_of_its_outcomes(history, wait):
    """As adding all of them up again, each with what is left of it, would give."""
    rate, at, times = FadingRate(2.0, 1.0), 0.0, []
    for succeeded, step in history:
        at += step
        times.append((at, succeeded))
        rate.learn_one("ada", succeeded, at)
    left = [(0.5 ** ((at + wait - then) / 2.0), succeeded) for then, succeeded in times]
    expected = (sum(part for part, won in left if won) + 0.3) / (sum(part for part, _ in left) + 1.0)
    assert rate.predict_one("ada", 0.3, at + wait) == pytest.approx(expected)


def test_what_happened_just_now_says_most():
    rate = FadingRate(5.0, 1.0)
    for at in range(100):
        rate.learn_one("ada", at < 90, float(at))
    assert rate.predict_one("ada", 0.5, 100.0) < 0.4
    slow = FadingRate(1e6, 1.0)
    for at in range(100):
        slow.learn_one("ada", at < 90, float(at))
    assert slow.predict_one("ada", 0.5, 100.0) > 0.85


@bounded
@given(st.lists(st.booleans(), min_size=1, max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_silence_brings_a_rate_nearer_to_its_prior(history, one, other):
    rate = FadingRate(2.0, 1.0)
    for at, succeeded in enumerate(history):
        rate.learn_one("ada", succeeded, float(at))
    soon, late = (len(history) + wait for wait in sorted((one, other)))
    gap_soon, gap_late = (abs(rate.predict_one("ada", 0.3, at) - 0.3) for at in (soon, late))
    assert gap_late <= gap_soon + 1e-12


@bounded
@given(st.floats(-1e300, 1e300), st.floats(1e-6, 1e6))
def test_nothing_grows_by_waiting(elapsed, half_life):
    assert 0.0 <= faded(elapsed, half_life) <= 1.0


@bounded
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_own_time_moves_on_with_every_task_and_less_with_every_outcome(tasks, outcomes):
    now = own_time(tasks, outcomes)
    assert now < own_time(tasks, outcomes + 1) < own_time(tasks + 1, outcomes)
