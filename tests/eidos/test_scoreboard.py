"""The scoreboard: its running sums are what adding up all scores again would give."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import Scoreboard, rules
from spark_eidos.scoreboard import BINS
from spark_hooks import Interval

bounded = settings(max_examples=150, deadline=None)
probabilities = st.floats(0.001, 0.999)
attempts = st.lists(st.tuples(probabilities, probabilities, st.booleans()), max_size=40)
choices = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 1), max_size=4), st.sampled_from("abcdx")),
    max_size=30,
)
intervals = st.lists(st.tuples(st.tuples(*[st.floats(0, 1e6)] * 3).map(sorted), st.floats(0, 1e6)), max_size=30)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@bounded
@given(attempts)
def test_attempts_add_up(history):
    board = Scoreboard()
    for p, base, succeeded in history:
        scores = board.score_success(p, base, succeeded)
        assert scores == {
            "log_loss": rules.log_loss(p, succeeded),
            "brier": rules.brier(p, succeeded),
            "base_rate_log_loss": rules.log_loss(base, succeeded),
        }
    summary = board.summary()
    loss = mean(rules.log_loss(p, won) for p, _, won in history)
    base_loss = mean(rules.log_loss(base, won) for _, base, won in history)
    assert summary["evaluated"] == board.evaluated == len(history)
    assert same(summary["log_loss"], loss)
    assert same(summary["brier"], mean(rules.brier(p, won) for p, _, won in history))
    assert same(summary["base_rate_log_loss"], base_loss)
    assert same(summary["skill"], None if loss is None else 1 - loss / base_loss)
    assert same(summary["ece"], recomputed_ece(history))
    assert board.excess.n == len(history)
    assert same(board.excess.mean, loss - base_loss if history else 0.0)
    assert (board.mean_log_loss, board.mean_base_log_loss) == (summary["log_loss"], summary["base_rate_log_loss"])


def recomputed_ece(history) -> float | None:
    """Weighted mean over 15 equal bins of |mean forecast - share that came true|."""
    if not history:
        return None
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, _, won in history:
        bins.setdefault(min(int(p * 15), 14), []).append((p, won))
    gaps = (len(cell) * abs(mean(p for p, _ in cell) - mean(won for _, won in cell)) for cell in bins.values())
    return sum(gaps) / len(history)


@bounded
@given(choices)
def test_choices_add_up(history):
    board = Scoreboard()
    counted = []
    for forecast, chosen in history:
        scores = board.score_winner(forecast, chosen)
        if len(forecast) >= 2 and chosen in forecast:
            counted.append(scores)
            assert scores["winner_log_loss"] == rules.categorical_log_loss(forecast[chosen])
            assert scores["winner_top1"] <= (forecast[chosen] == max(forecast.values()))
        else:
            assert scores == {}
    summary = board.summary()
    assert board.awards == len(counted)
    assert same(summary["winner_top1"], mean(s["winner_top1"] for s in counted))
    assert same(summary["winner_log_loss"], mean(s["winner_log_loss"] for s in counted))


@bounded
@given(intervals)
def test_intervals_add_up(history):
    board = Scoreboard()
    for (low, median, high), bid in history:
        scores = board.score_bid(Interval(0.8, low, median, high), bid)
        assert scores == {"bid_covered": low <= bid <= high, "bid_winkler": rules.winkler(0.8, low, high, bid)}
    summary = board.summary()
    assert board.bids == len(history)
    assert same(summary["bid_coverage"], mean(low <= bid <= high for (low, _, high), bid in history))
    assert same(summary["bid_level"], mean(0.8 for _ in history))
    assert same(board.bid_winkler, sum(rules.winkler(0.8, low, high, bid) for (low, _, high), bid in history))


def test_where_nothing_was_measured_nothing_is_said():
    summary = Scoreboard().summary()
    assert (summary.pop("made"), summary.pop("evaluated")) == (0, 0)
    assert set(summary.values()) == {None}
    assert set(summary) == {
        "log_loss",
        "brier",
        "base_rate_log_loss",
        "skill",
        "ece",
        "winner_top1",
        "winner_log_loss",
        "bid_coverage",
        "bid_level",
    }


def test_two_boards_share_nothing():
    one, other = Scoreboard(), Scoreboard()
    one.score_success(0.5, 0.5, True)
    assert other == Scoreboard()
    assert sum(cell.n for cell in one.bins) == 1


@pytest.mark.parametrize(("p", "place"), [(0.001, 0), (0.0667, 1), (0.5, 7), (0.999, 14), (1.0, 14)])
def test_forecasts_fall_into_15_equal_bins(p, place):
    board = Scoreboard()
    board.score_success(p, 0.5, True)
    assert [cell.n for cell in board.bins] == [n == place for n in range(BINS)]
    assert (board.bins[place].promised, board.bins[place].came) == (p, 1)


def test_perfect_calibration_costs_nothing():
    board = Scoreboard()
    for n in range(10):
        board.score_success(0.7, 0.5, n < 7)
    assert board.ece() == pytest.approx(0.0, abs=1e-12)
    assert board.summary()["skill"] > 0


def test_the_base_rate_has_no_skill():
    board = Scoreboard()
    for n in range(10):
        board.score_success(0.6, 0.6, n < 6)
    assert board.summary()["skill"] == 0.0
