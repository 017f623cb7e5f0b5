"""The model of the winning bid: the shortest interval of past bids in like auctions, steered to its level."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import bids
from spark_eidos.bids import BidModel, Past
from spark_hooks import Interval

bounded = settings(max_examples=100, deadline=None)
categories = st.sampled_from(["db", "docs", None])
ordinary = st.floats(0.01, 1e6)
anything = st.floats(0, allow_nan=False, allow_infinity=False)


def taught(history) -> BidModel:
    model = BidModel()
    for category, reserve, bid in history:
        model.learn_one(category, reserve, 3, 0.9, bid, None)
    return model


def asked(model: BidModel, category, reserve) -> Interval | None:
    return model.predict_one(category, reserve, 3, 0.9, 0.05)


@bounded
@given(
    st.lists(st.tuples(categories, st.none() | st.just(0.0) | ordinary, ordinary), max_size=60),
    categories,
    st.none() | ordinary,
)
def test_an_interval_is_in_order(history, category, reserve):
    forecast = asked(taught(history), category, reserve)
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
        forecast = asked(model, category, reserve)
        if forecast is not None:
            assert all(math.isfinite(bound) for bound in (forecast.low, forecast.median, forecast.high))


@bounded
@given(st.lists(st.tuples(categories, ordinary, ordinary), max_size=40), categories, ordinary)
def test_twice_the_reserve_is_twice_the_interval(history, category, reserve):
    model = taught(history)
    once, twice = asked(model, category, reserve), asked(model, category, 2 * reserve)
    assert (twice.low, twice.median, twice.high) == (2 * once.low, 2 * once.median, 2 * once.high)


def test_before_anything_is_known_the_interval_lies_under_the_reserve():
    assert asked(BidModel(), "db", 200.0) == Interval(0.8, 140.0, 180.0, 200.0)
    assert asked(BidModel(), "db", None) is None
    assert asked(BidModel(), "db", 0.0) is None


def test_without_a_reserve_a_category_stands_on_its_own_prices():
    model = taught([("db", None, float(price)) for price in range(100, 130)])
    found = asked(model, "db", None)
    assert 80.0 < found.low < found.high < 150.0
    dear = taught([("db", None, 100.0), ("docs", None, 10_000.0)] * 20)
    assert asked(dear, "docs", None).median > 10 * asked(dear, "db", None).median
    assert asked(model, "unheard of", None) is None


@bounded
@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.floats(0.3, 0.9))
def test_the_interval_found_is_the_shortest_that_holds_enough(values, level):
    """Against trying all pairs, with equal weights."""
    ranked = np.array(sorted(values))
    low, median, high = bids._shortest(ranked, np.ones(len(ranked)), level)
    n = len(values)
    need = min(level * (1 + 1 / n), 0.995) * n - 1e-9
    widths = [ranked[j] - ranked[i] for i in range(n) for j in range(i, n) if j - i + 1 >= need]
    assert low <= median <= high
    assert high - low == min(widths)


def test_like_auctions_count_for_more():
    """Two candidates pay near the reserve, eight far under it: each kind gets its own interval."""
    rng, model = random.Random(1), BidModel()
    for n in range(300):
        number = 2 if n % 2 else 8
        bid = 100.0 * rng.uniform(*((0.93, 0.97) if number == 2 else (0.7, 0.8)))
        model.learn_one(None, 100.0, number, 0.9, bid, None)
    few, many = (model.predict_one(None, 100.0, number, 0.9, 0.05) for number in (2, 8))
    assert 92.0 < few.low < few.high < 98.0
    assert 69.0 < many.low < many.high < 81.0


def lived(draw, n: int, reserve: float | None = 100.0) -> list[tuple[bool, float]]:
    """(covered, width) of every interval, each bid forecast before it is learned."""
    model, found = BidModel(), []
    for step in range(n):
        bid = draw(step)
        given = model.predict_one("db", reserve, 3, 0.9, 0.05)
        if given is not None:
            found.append((given.low <= bid <= given.high, given.high - given.low))
        model.learn_one("db", reserve, 3, 0.9, bid, given)
    return found


def coverage(found) -> float:
    return sum(hit for hit, _ in found) / len(found)


def drifting(rng):
    """From 0.95 of the reserve down to 0.55, with a jump in the middle, while the spread doubles."""

    def draw(step):
        middle = 95.0 - 0.01 * step - (10.0 if step > 1500 else 0.0)
        return rng.gauss(middle, 1.0 + step / 3000)

    return draw


@pytest.mark.parametrize("seed", range(4))
def test_coverage_holds_while_the_bids_drift(seed):
    found = lived(drifting(random.Random(seed)), 3000)
    assert 0.75 <= coverage(found) <= 0.85
    for quarter in np.array_split(np.array([hit for hit, _ in found]), 4):
        assert 0.72 <= quarter.mean() <= 0.88


def test_unsteered_it_does_not_hold(monkeypatch):
    """What the test above would miss if the level asked for were not steered."""
    monkeypatch.setattr(bids, "STEP", 0.0)
    assert coverage(lived(drifting(random.Random(0)), 3000)) < 0.75


@pytest.mark.parametrize("reserve", [None, 100.0])
def test_four_in_five_winning_bids_lie_within_the_interval(reserve):
    rng = random.Random(3)
    found = lived(lambda step: rng.lognormvariate(4.0, 0.3), 2000, reserve)
    assert len(found) > 1900
    assert 0.77 <= coverage(found) <= 0.83


def test_old_bids_are_forgotten(monkeypatch):
    monkeypatch.setattr(bids, "WINDOW", 40)
    forecast = asked(taught([("db", 100.0, 50.0)] * 100 + [("db", 100.0, 90.0)] * 40), "db", 100.0)
    assert (forecast.low, forecast.high) == (90.0, 90.0)


@bounded
@given(st.lists(st.floats(0, 10), max_size=60))
def test_the_newest_are_kept_by_value(values):
    past = Past()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bids, "WINDOW", 10)
        for value in values:
            past.add(value, 0.0, 0.9, None)
    assert past.columns[0].tolist() == sorted(values[-10:])
    assert past.columns[0, past.columns[3].argsort()].tolist() == values[-10:]


@bounded
@given(st.lists(st.booleans(), max_size=200))
def test_a_miss_asks_for_more_and_a_hit_for_a_little_less_within_bounds(hits):
    past = Past()
    for hit in hits:
        before = past.asked
        past.add(0.9, 0.0, 0.9, hit)
        assert past.asked <= before if hit else past.asked >= before
        assert bids.ASKED[0] <= past.asked <= bids.ASKED[1]
