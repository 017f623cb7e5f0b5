"""Routing: a choice that may be replayed, with the chance it had; and the chance it states is the chance it has."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_advisor import Contender, recommend
from spark_advisor.routing import FLOOR
from spark_hooks import Recommendation

bounded = settings(max_examples=100, deadline=None)
ADA = Contender("ada", 0.8, 0.5, 5.0, ("24 of 30",))
BO = Contender("bo", 0.7, 0.6, 3.0, ())
CY = Contender("cy", 0.5, 1.0, None, ("no outcomes yet",))
THREE = [ADA, BO, CY]
contenders = st.lists(
    st.builds(
        Contender,
        st.text(min_size=1, max_size=5),
        st.floats(0.001, 0.999),
        st.floats(0.01, 3.0),
        st.none() | st.floats(0, 1e6),
        st.just(()),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda c: c.agent_id,
)


def choose(several, task_id="t1", seed=0, attempt=1) -> list[Recommendation]:
    return recommend(several, seed=seed, task_id=task_id, attempt=attempt)


def ids(recommendations) -> list[str]:
    return [r.agent_id for r in recommendations]


def test_without_candidates_there_is_no_choice():
    assert choose([]) == []


def test_one_candidate_is_the_choice_for_certain():
    [only] = choose([ADA])
    assert only == Recommendation("ada", 0.8, 5.0, 1.0, ("24 of 30",))


@bounded
@given(contenders, st.text(max_size=10), st.integers(0, 2**40), st.integers(1, 50))
def test_every_candidate_is_there_once_with_its_record_and_a_chance(several, task_id, seed, attempt):
    chosen = choose(several, task_id, seed, attempt)
    assert sorted(ids(chosen)) == sorted(c.agent_id for c in several)
    assert sum(r.propensity for r in chosen) == pytest.approx(1.0, abs=1e-9)
    known = {c.agent_id: c for c in several}
    for r in chosen:
        c = known[r.agent_id]
        assert (r.success_probability, r.expected_cost, r.reasons) == (c.mean, c.cost, c.reasons)
        assert FLOOR / len(several) - 1e-12 <= r.propensity <= 1


@bounded
@given(contenders.flatmap(lambda cs: st.tuples(st.just(cs), st.permutations(cs))), st.text(max_size=5))
def test_the_same_question_has_the_same_answer_in_whatever_order(both, task_id):
    several, shuffled = both
    assert choose(several, task_id) == choose(shuffled, task_id)


def test_after_the_choice_the_likeliest_come_first_then_the_cheapest_then_by_name():
    alike = [Contender(name, 0.6, 0.3, cost, ()) for name, cost in (("d", 9.0), ("c", 1.0), ("b", 9.0))]
    for n in range(30):
        first, *others = ids(choose([*alike, ADA], f"t{n}"))
        assert others == [name for name in ("ada", "c", "b", "d") if name != first]


def test_an_unknown_cost_is_not_taken_for_the_lowest():
    alike = [Contender(name, 0.6, 0.3, cost, ()) for name, cost in (("a", None), ("b", 1.0))]
    for n in range(30):
        first, *others = ids(choose([*alike, ADA], f"t{n}"))
        assert others == [name for name in ("ada", "b", "a") if name != first]


def test_seed_task_and_attempt_each_move_the_choice():
    alike = [Contender(f"agent {n}", 0.5, 1.0, None, ()) for n in range(10)]
    for question in ({"seed": 1}, {"task_id": "t2"}, {"attempt": 2}):
        assert choose(alike, **question) != choose(alike)
    assert len({choose(alike, f"t{n}")[0].agent_id for n in range(100)}) == 10


def test_a_task_id_of_any_text_will_do():
    for task_id in ("", "a\0b", "\ud800", "🙂", "x" * 10_000):
        assert len(choose(THREE, task_id)) == 3


@pytest.mark.parametrize("several", [THREE, [ADA, BO], [CY._replace(agent_id=name) for name in "abcde"]], ids=len)
def test_each_is_put_first_as_often_as_it_is_said_to_be(several):
    """Over many tasks the number of first places lies within four standard errors of the sum of the propensities."""
    first: dict[str, int] = {}
    stated: dict[str, float] = {}
    spread: dict[str, float] = {}
    for n in range(2500):
        chosen = choose(several, f"task {n}")
        first[chosen[0].agent_id] = first.get(chosen[0].agent_id, 0) + 1
        for r in chosen:
            stated[r.agent_id] = stated.get(r.agent_id, 0.0) + r.propensity
            spread[r.agent_id] = spread.get(r.agent_id, 0.0) + r.propensity * (1 - r.propensity)
    for agent, expected in stated.items():
        assert abs(first.get(agent, 0) - expected) < 4 * math.sqrt(spread[agent])


def test_the_better_is_put_first_more_often_and_the_surer_the_more():
    def mean_propensity(spread: float) -> float:
        several = [Contender("good", 0.7, spread, None, ()), Contender("poor", 0.5, spread, None, ())]
        return sum(r.propensity for n in range(200) for r in choose(several, f"t{n}") if r.agent_id == "good") / 200

    assert 0.55 < mean_propensity(8.0) < mean_propensity(3.0) < mean_propensity(1.5)
    assert mean_propensity(0.1) == pytest.approx(1 - FLOOR / 2, abs=1e-3)


def test_where_a_success_has_a_worth_the_cheap_may_come_before_the_able():
    able, cheap = Contender("able", 0.8, 0.1, 90.0, ()), Contender("cheap", 0.7, 0.1, 20.0, ())

    def firsts(worth: float | None) -> set[str]:
        chosen = [recommend([able, cheap], seed=0, task_id=f"t{n}", attempt=1, worth=worth) for n in range(20)]
        return {max(r, key=lambda one: one.propensity).agent_id for r in chosen}

    assert firsts(None) == firsts(10_000.0) == {"able"}
    assert firsts(100.0) == {"cheap"}


def test_nobody_is_ever_without_a_chance():
    hopeless = Contender("hopeless", 0.001, 0.01, None, ())
    chances = [r.propensity for r in choose([hopeless, ADA]) if r.agent_id == "hopeless"]
    assert chances == [FLOOR / 2]
    assert any(choose([hopeless, ADA], f"t{n}")[0].agent_id == "hopeless" for n in range(500))
