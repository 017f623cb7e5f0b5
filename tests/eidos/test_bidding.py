"""How agents bid: their usual part of the reserve, drawn towards everybody's, newest first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.bidding import Bidding, sane

bounded = settings(max_examples=100, deadline=None)
AGENTS = ["ada", "bo", "cy"]
amounts = st.floats(0, 1e300)
histories = st.lists(
    st.tuples(st.sampled_from(AGENTS), st.sampled_from(["db", None]), st.none() | amounts, amounts), max_size=60
)


def taught(history) -> Bidding:
    bidding = Bidding()
    for agent, category, reserve, bid in history:
        bidding.learn_one(agent, category, reserve, bid)
    return bidding


@bounded
@given(histories)
def test_no_amount_makes_anything_infinite(history):
    bidding = taught(history)
    everybody = [*AGENTS, "stranger"]
    assert all(math.isfinite(bidding.usual(agent)) for agent in everybody)
    assert all(math.isfinite(value) for standing in bidding.standings(everybody, "db") for value in standing)
    assert 0.0 < bidding.spread < math.inf


@pytest.mark.parametrize("amount", [1e16, 1e-16, 5e-324, 1e300])
def test_what_cannot_be_compared_teaches_nothing(amount):
    assert not sane(amount)
    assert taught([("ada", "db", amount, 1.0), ("ada", "db", 1.0, amount), ("ada", "db", None, 1.0)]) == Bidding()


def test_newer_bids_count_for_more():
    cheaper = taught([("ada", None, 100.0, 90.0)] * 10 + [("ada", None, 100.0, 50.0)] * 5)
    dearer = taught([("ada", None, 100.0, 50.0)] * 5 + [("ada", None, 100.0, 90.0)] * 10)
    assert cheaper.usual("ada") < 0.7 < cheaper.parts.mean == dearer.parts.mean < 0.8 < dearer.usual("ada")


def test_an_agent_stands_where_its_bids_do():
    bidding = taught([("ada", "db", 100.0, 60.0), ("bo", "db", 100.0, 90.0), ("ada", "docs", 100.0, 80.0)] * 20)
    (ada, _), (bo, _) = bidding.standings(["ada", "bo"], None)
    assert ada < 0.0 < bo
    [(_, in_db), stranger], [(_, in_docs)] = (
        bidding.standings(["ada", "stranger"], "db"),
        bidding.standings(["ada"], "docs"),
    )
    assert in_db < 0.0 < in_docs
    assert stranger == pytest.approx((0.0, 0.0))
    assert bidding.lowest(["ada", "bo", "stranger"]) == bidding.usual("ada")
    assert bidding.lowest([]) == bidding.parts.mean


def test_a_reserve_twice_as_high_is_no_other_bid():
    assert taught([("ada", "db", 100.0, 75.0)] * 3).usual("ada") == taught([("ada", "db", 200.0, 150.0)] * 3).usual(
        "ada"
    )
