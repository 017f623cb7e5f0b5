"""The scoreboard: its running sums are what adding up all scores again would give."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import Scoreboard, rules, scoreboard
from spark_eidos.scoreboard import BINS, MAX_SPANS
from spark_hooks import Interval

bounded = settings(max_examples=150, deadline=None)
probabilities = st.floats(0.001, 0.999)
attempts = st.lists(st.tuples(probabilities, probabilities, probabilities, st.booleans()), max_size=40)
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
    for p, base, own, succeeded in history:
        assert board.score_success(p, base, own, succeeded) == {
            "log_loss": rules.log_loss(p, succeeded),
            "brier": rules.brier(p, succeeded),
            "base_rate_log_loss": rules.log_loss(base, succeeded),
            "agent_rate_log_loss": rules.log_loss(own, succeeded),
        }
    summary = board.summary()
    loss = mean(rules.log_loss(p, won) for p, _, _, won in history)
    base_loss = mean(rules.log_loss(base, won) for _, base, _, won in history)
    assert summary["evaluated"] == board.evaluated == len(history)
    assert same(summary["log_loss"], loss)
    assert same(summary["brier"], mean(rules.brier(p, won) for p, _, _, won in history))
    assert same(summary["base_rate_log_loss"], base_loss)
    assert same(summary["agent_rate_log_loss"], mean(rules.log_loss(own, won) for _, _, own, won in history))
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
    for p, _, _, won in history:
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
    assert board.bids.n == len(history)
    assert same(summary["bid_coverage"], mean(low <= bid <= high for (low, _, high), bid in history))
    assert same(summary["bid_level"], mean(0.8 for _ in history))
    assert same(summary["bid_winkler"], mean(rules.winkler(0.8, low, high, bid) for (low, _, high), bid in history))


@pytest.mark.parametrize(("what", "other"), [("duration", "cost"), ("cost", "duration")])
def test_efforts_are_scored_apart_and_only_where_both_are_known(what, other):
    board, given = Scoreboard(), Interval(0.8, 1.0, 2.0, 3.0)
    assert board.score_effort(what, None, 2.0) == board.score_effort(what, given, None) == {}
    assert board.score_effort(what, given, 2.0) == {f"{what}_covered": 1.0, f"{what}_winkler": 2.0}
    assert board.score_effort(what, given, 4.0)[f"{what}_covered"] == 0.0
    summary = board.summary()
    assert (summary[f"{what}_coverage"], summary[f"{other}_coverage"]) == (0.5, None)


def test_where_nothing_was_measured_nothing_is_said():
    summary = Scoreboard().summary()
    said = {name: value for name, value in summary.items() if value is not None}
    assert said == {
        "made": 0,
        "evaluated": 0,
        "reliability": [],
        "over_time": [],
        "drifts": 0,
        "last": {"n": 0, "log_loss": None, "base_rate_log_loss": None, "agent_rate_log_loss": None},
    }
    assert {"log_loss", "skill", "skill_interval", "ece", "winner_top1", "bid_coverage"} <= summary.keys()


@bounded
@given(attempts)
def test_the_reliability_curve_holds_every_attempt_once(history):
    board = Scoreboard()
    for step in history:
        board.score_success(*step)
    curve = board.reliability()
    assert sum(point["n"] for point in curve) == len(history)
    assert same(sum(point["n"] * point["came"] for point in curve), sum(won for *_, won in history))
    assert same(sum(point["n"] * point["forecast"] for point in curve), sum(p for p, *_ in history))
    assert all(0.0 <= point["came"] <= 1.0 for point in curve)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 400), st.integers(1, 6), st.integers(1, 4), st.randoms(use_true_random=False))
def test_history_over_time_and_of_the_last_is_what_adding_up_again_would_give(n, last, length, rng):
    history = scoreboard.History(length=length)
    losses = [(rng.random(), rng.random(), rng.random()) for _ in range(n)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoreboard, "LAST", last)
        for loss in losses:
            history.add(*loss)
    assert len(history.spans) <= MAX_SPANS
    assert sum(span.n for span in history.spans) == n
    assert all(span.n == history.length for span in history.spans[:-1])
    at = 0
    for span in history.spans:
        assert same(span.log_loss, sum(loss for loss, _, _ in losses[at : at + span.n]))
        at += span.n
    summary = history.last.summary()
    for column, name in enumerate(("log_loss", "base_rate_log_loss", "agent_rate_log_loss")):
        assert same(summary[name], mean(loss[column] for loss in losses[-last:] if n))


def lived(seed: int, n: int, skilled: float) -> Scoreboard:
    """A forecaster that knows a part of what decides, beside a base rate of one half."""
    rng, board = random.Random(seed), Scoreboard()
    for _ in range(n):
        truth = rng.choice((0.5 - skilled, 0.5 + skilled))
        board.score_success(truth, 0.5, 0.5, rng.random() < truth)
    return board


def test_the_interval_of_the_skill_covers_it_about_as_often_as_it_says():
    skilled = 0.2
    truth = 1 + sum(p * math.log(p) for p in (0.5 + skilled, 0.5 - skilled)) / math.log(2)
    covered = 0
    for seed in range(200):
        low, high = lived(seed, 300, skilled).summary()["skill_interval"]
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_drift_is_found_where_forecasts_go_wrong_and_not_where_they_are_right():
    board = lived(1, 5_000, 0.3)
    assert board.drifts == 0
    rng = random.Random(2)
    at = []
    for n in range(400):
        board.score_success(0.8, 0.5, 0.5, rng.random() < 0.3)
        at += [n] * board.changed
    assert board.drifts == len(at) >= 1
    assert at[0] < 60


def test_two_boards_share_nothing():
    one, other = Scoreboard(), Scoreboard()
    one.score_success(0.5, 0.5, 0.5, True)
    assert other == Scoreboard()
    assert sum(cell.n for cell in one.bins) == 1


@pytest.mark.parametrize(("p", "place"), [(0.001, 0), (0.0667, 1), (0.5, 7), (0.999, 14), (1.0, 14), (0.0, 0)])
def test_forecasts_fall_into_15_equal_bins(p, place):
    board = Scoreboard()
    board.score_success(p, 0.5, 0.5, True)
    assert [cell.n for cell in board.bins] == [n == place for n in range(BINS)]
    assert (board.bins[place].promised, board.bins[place].came) == (p, 1)


def test_perfect_calibration_costs_nothing():
    board = Scoreboard()
    for n in range(10):
        board.score_success(0.7, 0.5, 0.5, n < 7)
    assert board.ece() == pytest.approx(0.0, abs=1e-12)
    assert board.summary()["skill"] > 0


def test_the_base_rate_has_no_skill():
    board = Scoreboard()
    for n in range(10):
        board.score_success(0.6, 0.6, 0.6, n < 6)
    assert board.summary()["skill"] == 0.0
