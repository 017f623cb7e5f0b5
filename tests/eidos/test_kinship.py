"""Kinship finds the kinds of tasks that suit some agents and not others, and is silent where there are none."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import kinship
from spark_eidos.arithmetic import logistic
from spark_eidos.kinship import Kinship

AGENTS = [f"a{n}" for n in range(12)]


def crowd(seed: int, tasks: int, planted: bool):
    """(task, agent, what is rightly expected knowing the agent alone, outcome), five agents a task, in turns.

    Planted: items come in two kinds that cannot be seen; even agents see the one and are blind to the other, odd ones
    the other way. So one agent's success at an item tells that its kin will succeed, and the others fail.
    """
    rng = random.Random(seed)
    for task in range(tasks):
        kind = rng.choice((-1.0, 1.0))
        for agent in rng.sample(range(len(AGENTS)), 5):
            side = (1.0 if agent % 2 else -1.0) * kind
            p = (0.9 if side > 0 else 0.1) if planted else 0.5
            yield str(task), AGENTS[agent], 0.5, rng.random() < p


def losses(steps) -> tuple[float, float]:
    """Mean log loss without and with the correction, over the second half."""
    model, found = Kinship(), []
    for task, agent, expected, succeeded in steps:
        p = logistic(math.log(expected / (1 - expected)) + float(model.predict(task, [agent])[0]))
        found.append([-math.log(q if succeeded else 1 - q) for q in (expected, p)])
        model.learn_one(task, agent, expected, succeeded)
    plain, corrected = np.array(found)[len(found) // 2 :].mean(axis=0)
    return float(plain), float(corrected)


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_kinds_that_suit_some_agents(seed):
    plain, corrected = losses(crowd(seed, 600, planted=True))
    assert corrected < 0.85 * plain


@pytest.mark.parametrize("seed", range(3))
def test_it_costs_next_to_nothing_where_there_are_none(seed):
    plain, corrected = losses(crowd(seed, 600, planted=False))
    assert corrected < plain + 0.01


def test_kin_are_pulled_along_and_the_others_away():
    model = Kinship()
    for task, agent, expected, succeeded in crowd(4, 600, planted=True):
        model.learn_one(task, agent, expected, succeeded)
    model.learn_one("new", "a0", 0.5, True)
    model.learn_one("new", "a2", 0.5, True)
    shift = dict(zip(AGENTS, model.predict("new", AGENTS).tolist(), strict=True))
    assert all(shift[agent] > 0.3 for agent in AGENTS[4::2])
    assert all(shift[agent] < -0.3 for agent in AGENTS[1::2])


def test_nothing_known_is_no_correction():
    model = Kinship()
    assert model.predict("t", ["ada", "bo"]).tolist() == [0.0, 0.0]
    model.learn_one("t", "ada", 0.5, True)
    assert model.predict("t", ["stranger"]).tolist() == [0.0]
    assert model.predict("another", ["ada"]).tolist() == [0.0]
    assert model.predict("t", []).tolist() == []


names = st.sampled_from(AGENTS)
histories = st.lists(st.tuples(st.sampled_from("tuvw"), names, st.floats(0, 1), st.booleans()), max_size=80)


@settings(max_examples=60, deadline=None)
@given(histories)
def test_corrections_are_finite_and_held_and_the_tables_symmetric(history):
    model = Kinship()
    for step in history:
        model.learn_one(*step)
    for task in "tuvwx":
        assert np.all(np.abs(model.predict(task, AGENTS)) <= kinship.MOST)
    assert np.array_equal(model.covariance, model.covariance.T)
    assert np.array_equal(model.weights, model.weights.T)


@settings(max_examples=30, deadline=None)
@given(histories)
def test_each_candidates_number_is_its_own(history):
    """Asked alone or with others, in whatever order: the same bits."""
    model = Kinship()
    for step in history:
        model.learn_one(*step)
    together = model.predict("t", AGENTS).tolist()
    assert [float(model.predict("t", [agent])[0]) for agent in AGENTS] == together
    assert model.predict("t", AGENTS[::-1]).tolist() == together[::-1]


def test_an_agent_that_made_room_leaves_nothing_to_the_one_in_its_place(monkeypatch):
    monkeypatch.setattr(kinship, "MAX_AGENTS", 4)
    model = Kinship()
    for n in range(40):
        for agent in ("a", "b"):
            model.learn_one(str(n), agent, 0.5, n % 2 == 0)
    for agent in ("c", "d", "e"):  # e takes the row of a
        model.learn_one(agent, agent, 0.5, True)
    assert list(model.rows) == ["b", "c", "d", "e"]
    model.learn_one("new", "b", 0.5, True)
    assert model.predict("new", ["e"]).tolist() == [0.0]
