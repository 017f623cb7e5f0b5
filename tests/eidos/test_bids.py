"""The model of the winning bid: intervals from past bids, on the reserve's scale where there is one."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import bids
from spark_eidos.bids import BidModel, Window
from spark_hooks import Interval

bounded = settings(max_examples=150, deadline=None)
categories = st.sampled_from(["db", "docs", None])
ordinary = st.floats(0.01, 1e6)
anything = st.floats(0, allow_nan=False, allow_infinity=False)


def taught(history) -> BidModel:
    model = BidModel()
    for category, reserve, bid in history:
        model.learn_one(category, reserve, bid)
    return model


@bounded
@given(
    st.lists(st.tuples(categories, st.none() | st.just(0.0) | ordinary, ordinary), max_size=80),
    categories,
    st.none() | ordinary,
)
def test_an_interval_is_in_order(history, category, reserve):
    forecast = taught(history).predict_one(category, reserve)
    assert forecast is not None or reserve is None
    if forecast is not None:
        assert forecast.level == bids.LEVEL
        assert 0 <= forecast.low <= forecast.median <= forecast.high < math.inf


@bounded
@given(st.lists(st.tuples(categories, st.none() | anything, anything), min_size=5, max_size=30), st.none() | anything)
def test_no_finite_amount_makes_an_interval_infinite(history, reserve):
    """A bid of 1e300 with a reserve of 1e-300 is a valid event; it must not poison the scores for ever."""
    model = taught(history)
    for category in ("db", "docs", None):
        forecast = model.predict_one(category, reserve)
        if forecast is not None:
            assert all(math.isfinite(bound) for bound in (forecast.low, forecast.median, forecast.high))


@pytest.mark.parametrize(
    ("reserve", "bid", "asked"),
    [(1e-300, 1e300, 100.0), (10.0, 20.0, 1.5e308), (100.0, 1e300, 1e14), (1e308, 1e308, 1e308), (None, 1e308, None)],
)
def test_amounts_beyond_all_measure_make_nothing_infinite(reserve, bid, asked):
    forecast = taught([(None, reserve, bid)] * 5).predict_one(None, asked)
    if forecast is not None:
        assert all(bound < 1e300 for bound in (forecast.low, forecast.median, forecast.high))


@bounded
@given(st.lists(st.tuples(categories, ordinary, ordinary), max_size=40), categories, ordinary)
def test_twice_the_reserve_is_twice_the_interval(history, category, reserve):
    model = taught(history)
    once, twice = model.predict_one(category, reserve), model.predict_one(category, 2 * reserve)
    assert (twice.low, twice.median, twice.high) == (2 * once.low, 2 * once.median, 2 * once.high)


def test_before_anything_is_known_the_reserve_is_the_top():
    forecast = BidModel().predict_one("db", 200.0)
    assert forecast == Interval(0.8, 100.0, 170.0, 200.0)
    assert BidModel().predict_one("db", None) is None
    assert BidModel().predict_one("db", 0.0) is None


def test_without_a_reserve_a_category_stands_on_its_own_prices():
    history = [("db", None, float(price)) for price in range(100, 110)]
    assert taught(history[:4]).predict_one("db", None) is None
    model = taught(history)
    assert model.predict_one("db", None) == Interval(0.8, 100.0, 105.0, 109.0)
    assert model.predict_one("docs", None) is None
    assert model.predict_one(None, None) is None


def test_a_category_stands_on_its_own_scale_once_it_is_known_well():
    cheap = [("docs", 100.0, 50.0)] * 100
    dear = [("db", 100.0, 95.0)] * 25
    assert taught(cheap + dear[:5]).predict_one("db", 100.0).median == 50.0
    assert taught(cheap + dear).predict_one("db", 100.0).median == 95.0
    assert taught(cheap + dear).predict_one("unheard of", 100.0).median == 50.0


def test_old_bids_are_forgotten():
    model = taught([("db", 100.0, 50.0)] * 300 + [("db", 100.0, 90.0)] * bids.WINDOW)
    forecast = model.predict_one("db", 100.0)
    assert (forecast.low, forecast.high) == (90.0, 90.0)


@bounded
@given(st.lists(st.floats(0, 10), max_size=60))
def test_a_window_holds_the_newest_and_has_them_in_order(values):
    window = Window()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bids, "WINDOW", 10)
        for value in values:
            window.add(value)
    assert window.newest == values[-10:]
    assert window.ranked == sorted(values[-10:])


@pytest.mark.parametrize("n", [5, 9, 10, 19, 20, 39, 99, 249])
def test_the_ranks_are_those_of_conformal_prediction(n):
    """Ranks (n + 1) 0.1, rounded down, and (n + 1) 0.9, rounded up, of the values in order; else the ends."""
    window = Window(ranked=[float(rank) for rank in range(1, n + 1)])
    low, median, high = window.quantiles()
    assert low == max((n + 1) // 10, 1)
    assert high == min(-(-9 * (n + 1) // 10), n)
    assert abs(median - (n + 1) / 2) <= 0.5


@pytest.mark.parametrize("reserve", [None, 100.0])
def test_four_in_five_winning_bids_lie_within_the_interval(reserve):
    rng = random.Random(3)
    model, covered, scored = BidModel(), 0, 0
    for _ in range(3000):
        category, bid = rng.choice(["db", "docs"]), rng.lognormvariate(4.0, 0.3)
        forecast = model.predict_one(category, reserve)
        if forecast is not None:
            scored += 1
            covered += forecast.low <= bid <= forecast.high
        model.learn_one(category, reserve, bid)
    assert scored > 2900
    assert 0.78 <= covered / scored <= 0.83


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(bids, "MAX_SCALES", 3)
    model = taught([(f"c{n}", reserve, 5.0) for n in range(20) for reserve in (None, 10.0)])
    assert list(model.ratios_in) == list(model.prices_in) == ["c17", "c18", "c19"]
    assert len(model.ratios.newest) == 20
