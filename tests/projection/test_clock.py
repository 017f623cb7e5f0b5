"""The log's time: it never runs back, and nobody's clock can make it leap."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_plugin.projection.clock import MAX_STEP_S, MAX_WRITERS, LogClock
from tests.projection.swarmlog import NOON, Run, posted, stamped

DAY = 24 * 3600.0

stamps = st.floats(-1e10, 1e10)
stories = st.lists(st.tuples(st.sampled_from("abc"), stamps), min_size=1, max_size=60)
bounded = settings(max_examples=100, deadline=None)


def told(story: list[tuple[str, float]]) -> list[float]:
    clock = LogClock()
    return [clock.advance(writer, stamp) for writer, stamp in story]


def test_the_first_event_sets_the_time() -> None:
    assert told([("a", 123.0)]) == [123.0]


@bounded
@given(stories)
def test_it_never_runs_back(story: list[tuple[str, float]]) -> None:
    times = told(story)
    assert times == sorted(times)


@bounded
@given(stories)
def test_no_event_moves_it_by_more_than_a_day(story: list[tuple[str, float]]) -> None:
    times = told(story)
    assert MAX_STEP_S == DAY
    assert all(after - before <= DAY + 1e-3 for before, after in itertools.pairwise(times))


@bounded
@given(st.lists(st.floats(0, DAY), min_size=1, max_size=40), stamps)
def test_one_writer_in_order_is_taken_at_its_word(steps: list[float], start: float) -> None:
    own = list(itertools.accumulate(steps, initial=start))
    assert told([("a", stamp) for stamp in own]) == pytest.approx(own, abs=1e-3)


@bounded
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e6)), min_size=1, max_size=40), st.floats(-1e8, 1e8))
def test_a_writer_whose_clock_is_wrong_all_along_gives_the_same_times(
    story: list[tuple[str, float]], error: float
) -> None:
    """Only the steps of a writer count, so it does not matter where its clock stands (but for the one who is first)."""
    first = story[0][0]
    wrong = [(writer, stamp if writer == first else stamp + error) for writer, stamp in story]
    assert told(wrong) == pytest.approx(told(story), abs=1e-3)


def test_a_clock_set_back_stands_still_and_goes_on_from_there() -> None:
    assert told([("a", 1000.0), ("a", 100.0), ("a", 160.0)]) == [1000.0, 1000.0, 1060.0]


def test_a_clock_a_year_ahead_gains_a_day_a_step() -> None:
    assert told([("a", 0.0), ("a", 365 * DAY), ("a", 0.0), ("a", 365 * DAY)]) == [0.0, DAY, DAY, 2 * DAY]


def test_writers_run_apart_and_the_highest_is_the_time() -> None:
    story = [("a", 100.0), ("b", 5000.0), ("a", 150.0), ("b", 5010.0), ("b", 5100.0), ("a", 160.0)]
    assert told(story) == [100.0, 100.0, 150.0, 150.0, 200.0, 200.0]


def test_a_late_writer_starts_at_the_time_of_the_log() -> None:
    assert told([("a", 0.0), ("a", 500.0), ("b", 20.0), ("b", 30.0)])[2:] == [500.0, 510.0]


def test_writers_are_bounded_and_the_oldest_is_forgotten() -> None:
    clock = LogClock()
    for n in range(MAX_WRITERS + 10):
        clock.advance(f"w{n}", float(n))
    assert len(clock.writers) == MAX_WRITERS
    assert "w9" not in clock.writers
    assert "w10" in clock.writers


def test_the_projection_tells_writers_apart() -> None:
    """Two processes, one an hour behind, told in turns: the time is not thrown back and forth between them."""
    right = stamped([posted(f"t{n}") for n in range(5)], writer="right")
    behind = stamped([posted(f"u{n}") for n in range(5)], writer="behind", start=NOON - 3600.0)
    mixed = [event for pair in zip(right, behind, strict=True) for event in pair]
    assert Run().take(mixed).state.time == NOON + 4 * 60.0
    assert Run().take(right[:1] + behind).state.time == NOON + 4 * 60.0


def test_two_swarms_of_one_process_have_clocks_of_their_own() -> None:
    one = stamped([posted(f"t{n}") for n in range(3)])
    other = [
        msgspec.structs.replace(event, source="/other", time=(event.time or 0.0) + 1e6)
        for event in stamped([posted(f"u{n}") for n in range(3)])
    ]
    mixed = [event for pair in zip(one, other, strict=True) for event in pair]
    assert Run().take(mixed).state.time == NOON + 2 * 60.0
