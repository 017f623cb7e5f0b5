"""The plain rates that every forecast is held against: counting, drawn towards the swarm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import tally
from spark_eidos.arithmetic import logit
from spark_eidos.tally import Rates, Tally

bounded = settings(max_examples=100, deadline=None)
AGENTS, CATEGORIES = ["ada", "bo", "cy"], ["db", "docs", None]
histories = st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(CATEGORIES), st.booleans()), max_size=60)


def taught(history) -> Rates:
    rates = Rates()
    for step in history:
        rates.learn_one(*step)
    return rates


@bounded
@given(histories)
def test_rates_are_what_counting_again_would_give(history):
    rates = taught(history)
    won = sum(succeeded for _, _, succeeded in history)
    base = (won + 1) / (len(history) + 2)
    assert rates.base_rate() == base
    for agent in [*AGENTS, "stranger"]:
        own = [succeeded for who, _, succeeded in history if who == agent]
        assert rates.agent_rate(agent) == pytest.approx((sum(own) + 4 * base) / (len(own) + 4))


@bounded
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(history, shuffler):
    shuffled = list(history)
    shuffler.shuffle(shuffled)
    assert taught(shuffled) == taught(history)


@bounded
@given(histories)
def test_log_odds_are_those_of_the_rates(history):
    rates = taught(history)
    base = rates.base_rate()
    everybody = [*AGENTS, "stranger"]
    for category in [*CATEGORIES, "unheard of"]:
        for agent, overall, here in zip(everybody, *rates.log_odds(everybody, category, base), strict=True):
            assert overall == pytest.approx(logit(rates.agent_rate(agent)))
            cell = [won for who, what, won in history if (who, what) == (agent, category) and what is not None]
            expected = Tally(len(cell), sum(cell)).shrunk(rates.agent_rate(agent), tally.CELL_STRENGTH)
            assert here == pytest.approx(logit(expected))


@bounded
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=150))
def test_memory_is_bounded_and_the_swarm_forgets_nothing(history):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "MAX_AGENTS", 5)
        patch.setattr(tally, "MAX_CELLS", 5)
        rates = taught([(f"a{agent}", f"c{category}", won) for agent, category, won in history])
    assert len(rates.agents) <= 5
    assert len(rates.cells) <= 5
    assert rates.swarm == Tally(len(history), sum(won for *_, won in history))


def test_who_was_not_heard_of_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(tally, "MAX_AGENTS", 2)
    assert list(taught([("a", None, True), ("b", None, True), ("a", None, True), ("c", None, True)]).agents) == [
        "a",
        "c",
    ]
