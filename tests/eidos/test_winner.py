"""The model of who gets a task: a choice among the candidates, by their record, price, load and the words."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import winner
from spark_eidos.bidding import Bidding
from spark_eidos.task import TaskFacts, facts
from spark_eidos.winner import FEATURES, Pair, WinnerModel
from tests.eidos.plain import dump

bounded = settings(max_examples=60, deadline=None)
AGENTS = ("ada", "bo", "cy", "di")
candidate_lists = st.lists(st.sampled_from(AGENTS), min_size=1, unique=True).map(tuple)
tasks = st.builds(
    facts,
    st.just("t"),
    st.sampled_from(["", "fix the login"]),
    candidate_lists,
    st.sampled_from(["db", None]),
    st.none(),
)
awards = st.lists(st.tuples(tasks, st.sampled_from([*AGENTS, "stranger"]), st.floats(-1e9, 1e9)), max_size=40)
ALL = TaskFacts(AGENTS)


def taught(history, bidding: Bidding | None = None) -> WinnerModel:
    model = WinnerModel()
    for task, chosen, now in history:
        model.learn_one(task, chosen, now, now + 0.5, bidding or Bidding())
    return model


def asked(model: WinnerModel, task: TaskFacts, now: float = 0.0, bidding: Bidding | None = None) -> dict[str, float]:
    return model.predict_one(task, model.look(task, now, bidding or Bidding()))


@bounded
@given(awards, tasks, st.floats(-1e9, 1e9))
def test_the_distribution_sums_to_one_over_the_candidates_in_their_order(history, task, now):
    forecast = asked(taught(history), task, now)
    assert list(forecast) == list(task.candidates)
    assert sum(forecast.values()) == pytest.approx(1.0, abs=1e-12)
    assert all(0 < p <= 1 for p in forecast.values())


@bounded
@given(awards, candidate_lists, st.permutations(AGENTS))
def test_names_do_not_matter(history, candidates, names):
    """Where no words are hashed, to the rounding of sums."""
    new = {old: f"agent {name}" for old, name in zip(AGENTS, names, strict=True)} | {"stranger": "stranger"}

    def renamed(task):
        return TaskFacts(tuple(new[agent] for agent in task.candidates), task.category)

    plain = [(task._replace(words=b"", fingerprint=""), chosen, now) for task, chosen, now in history]
    there = taught([(renamed(task), new[chosen], now) for task, chosen, now in plain])
    forecast = asked(taught(plain), TaskFacts(candidates))
    other = asked(there, renamed(TaskFacts(candidates)))
    assert list(other.values()) == pytest.approx(list(forecast.values()), abs=1e-9)


@bounded
@given(awards, candidate_lists.flatmap(lambda names: st.tuples(st.just(names), st.permutations(names))))
def test_the_order_of_the_candidates_does_not_matter(history, lists):
    listed, turned = lists
    model = taught(history)
    one, other = asked(model, TaskFacts(listed)), asked(model, TaskFacts(tuple(turned)))
    assert all(other[agent] == pytest.approx(p, abs=1e-9) for agent, p in one.items())


@bounded
@given(awards, tasks, st.sampled_from(AGENTS), st.floats(0, 1e6))
def test_a_look_taken_already_saves_work_and_changes_nothing(history, task, chosen, posted):
    one, other = taught(history), taught(history)
    look = one.look(task, posted, Bidding())
    one.learn_one(task, chosen, posted, posted + 1.0, Bidding(), look)
    other.learn_one(task, chosen, posted, posted + 1.0, Bidding())
    assert dump(one) == dump(other)


@bounded
@given(awards, tasks, st.floats(-1e9, 1e9))
def test_features_are_finite_and_only_differences_count(history, task, now):
    look = taught(history).look(task, now, Bidding())
    assert (look is None) == (len(task.candidates) < 2)
    features = np.zeros((1, len(FEATURES))) if look is None else look.features
    assert features.shape == (len(task.candidates), len(FEATURES))
    assert np.all(np.isfinite(features))
    assert np.allclose(features.sum(axis=0), 0.0, atol=1e-6)


def test_without_candidates_there_is_no_distribution():
    assert asked(WinnerModel(), TaskFacts()) == {}
    assert asked(WinnerModel(), TaskFacts(("ada",))) == {"ada": 1.0}
    assert asked(WinnerModel(), ALL) == dict.fromkeys(AGENTS, 0.25)


def test_a_choice_among_several_for_a_task_without_words_is_learned():
    """It once raised: the words' effects had the shape of no candidates."""
    model = taught([(ALL, "bo", 0.0)])
    assert model.candidates["bo"].effect > 0.0


def test_it_learns_who_is_always_chosen():
    forecast = asked(taught([(ALL, "cy", float(n)) for n in range(200)]), ALL, 200.0)
    assert forecast["cy"] > 0.9


def test_it_learns_shares():
    rng, shares = random.Random(2), [0.5, 0.3, 0.15, 0.05]
    model, said = WinnerModel(), []
    for n in range(2_000):
        said.append(list(asked(model, ALL, float(n)).values()))
        model.learn_one(ALL, rng.choices(AGENTS, shares)[0], float(n), n + 0.5, Bidding())
    assert np.mean(said[1_000:], axis=0).tolist() == pytest.approx(shares, abs=0.05)


def logged(choose, n: int, seed: int = 1) -> tuple[float, float]:
    """(log loss, that of choices by lot) over the second half, where `choose` has the log's word."""
    rng, model, bidding, losses = random.Random(seed), WinnerModel(), Bidding(), []
    for step in range(n):
        names = tuple(rng.sample([f"a{k}" for k in range(12)], 4))
        chosen, task, bids = choose(rng, names, step)
        p = asked(model, task, float(step), bidding)[chosen]
        losses.append(-math.log(max(p, 1e-3)))
        model.learn_one(task, chosen, float(step), step + 0.5, bidding)
        for agent, bid in bids.items():
            bidding.learn_one(agent, task.category, task.reserve, bid)
    return sum(losses[n // 2 :]) / (n - n // 2), math.log(4)


def cheapest(rng, names, step):
    bids = {agent: 100.0 * rng.uniform(0.85, 1.0) - 2.0 * int(agent[1:]) for agent in names}
    return min(bids, key=bids.__getitem__), TaskFacts(names, None, 100.0), bids


def by_words(rng, names, step):
    expert = {name: k for k, name in enumerate(("login", "cache", "index", "parser"))}
    word = rng.choice(list(expert))
    fitting = [agent for agent in names if int(agent[1:]) % 4 == expert[word]]
    chosen = rng.choice(fitting or list(names))
    return chosen, facts("t", f"work on the {word}", names, None, None), {}


def in_turns(rng, names, step):
    names = tuple(f"a{k}" for k in range(4))
    return names[step % 4], TaskFacts(names), {}


def by_lot(rng, names, step):
    return rng.choice(names), TaskFacts(names), {}


@pytest.mark.parametrize(("choose", "gain"), [(cheapest, 0.3), (by_words, 0.1), (in_turns, 0.5)])
def test_it_finds_what_decides(choose, gain):
    loss, lot = logged(choose, 1_500)
    assert loss < lot - gain


def test_it_costs_next_to_nothing_where_choices_are_by_lot():
    loss, lot = logged(by_lot, 1_500)
    assert loss < lot + 0.005


def believes_in_the_lot() -> WinnerModel:
    model = WinnerModel()
    model.shares = np.array([winner.LEAST_SHARE, winner.LEAST_SHARE, 1 - 2 * winner.LEAST_SHARE])
    return model


def test_once_choices_are_known_to_be_by_lot_one_in_so_many_is_looked_at():
    rng, model, looked, moved = random.Random(1), believes_in_the_lot(), 0, 0
    for n in range(80):
        looked += model.looks_close
        if not model.looks_close:
            assert set(asked(model, ALL, float(n)).values()) == {0.25}
        before = dump(model.weights)
        model.learn_one(ALL, rng.choice(AGENTS), float(n), n + 0.5, Bidding())
        moved += dump(model.weights) != before
    assert looked == 80 // winner.SELDOM
    assert 0 < moved <= looked
    assert model.awards == 80, "what is not looked at is remembered all the same"


def test_believing_in_the_lot_it_comes_back_when_choices_mean_something_again():
    rng, model = random.Random(1), believes_in_the_lot()
    assert asked(model, ALL) == pytest.approx(dict.fromkeys(AGENTS, 0.25), abs=1e-3)
    for n in range(400):
        model.learn_one(ALL, rng.choices(AGENTS, [97, 1, 1, 1])[0], float(n), n + 0.5, Bidding())
    assert model.shares[0] > 0.5
    assert model.shares.sum() == pytest.approx(1.0)


def test_an_award_to_somebody_else_teaches_nothing():
    assert dump(taught([(ALL, "stranger", 0.0)] * 5 + [(TaskFacts(), "ada", 0.0)])) == dump(WinnerModel())


def test_who_is_up_for_more_than_can_be_paired_is_still_a_candidate():
    crowd = TaskFacts(tuple(f"a{n}" for n in range(50)))
    model = taught([(crowd, "a7", float(n)) for n in range(40)])
    assert model.pairs == {}
    assert max(asked(model, crowd, 40.0).items(), key=lambda item: item[1])[0] == "a7"


def test_pairs_are_counted_whoever_is_named_first():
    model = taught([(TaskFacts(("ada", "bo")), "ada", 0.0), (TaskFacts(("bo", "ada")), "ada", 1.0)])
    assert list(model.pairs.values()) == [Pair(2, "ada")]
    assert next(iter(model.among.values())).due == 1.0, "and so is their company"


def test_the_oldest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(winner, "MAX_AGENTS", 2)
    model = taught([(TaskFacts((name,)), name, 0.0) for name in "abc"])
    assert list(model.candidates) == ["b", "c"]
