"""The model of who gets a task: shares of the candidates' worths."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import winner
from spark_eidos.winner import WinnerModel

bounded = settings(max_examples=150, deadline=None)
AGENTS = ["ada", "bo", "cy", "di"]
candidate_lists = st.lists(st.sampled_from(AGENTS), min_size=1, unique=True)
awards = st.lists(st.tuples(candidate_lists, st.sampled_from([*AGENTS, "stranger"])), max_size=40)


def taught(history) -> WinnerModel:
    model = WinnerModel()
    for candidates, chosen in history:
        model.learn_one(candidates, chosen)
    return model


@bounded
@given(awards, candidate_lists)
def test_the_distribution_sums_to_one_over_the_candidates_in_their_order(history, candidates):
    forecast = taught(history).predict_one(candidates)
    assert list(forecast) == candidates
    assert sum(forecast.values()) == pytest.approx(1.0, abs=1e-12)
    assert all(0 < p <= 1 for p in forecast.values())


@bounded
@given(awards, candidate_lists, st.permutations(AGENTS))
def test_names_do_not_matter(history, candidates, names):
    new = {old: f"agent {name}" for old, name in zip(AGENTS, names, strict=True)}
    renamed = taught([([new[c] for c in cs], new.get(chosen, chosen)) for cs, chosen in history])
    forecast = taught(history).predict_one(candidates)
    assert renamed.predict_one([new[c] for c in candidates]) == {new[c]: p for c, p in forecast.items()}


def test_without_candidates_there_is_no_distribution():
    assert WinnerModel().predict_one([]) == {}
    assert WinnerModel().predict_one(["ada"]) == {"ada": 1.0}
    assert WinnerModel().predict_one(AGENTS) == dict.fromkeys(AGENTS, 0.25)


def test_it_learns_who_is_always_chosen():
    forecast = taught([(AGENTS, "cy")] * 200).predict_one(AGENTS)
    assert max(forecast, key=forecast.__getitem__) == "cy"
    assert forecast["cy"] > 0.9


def test_it_learns_shares():
    rng = random.Random(2)
    shares = [0.5, 0.3, 0.15, 0.05]
    forecast = taught([(AGENTS, rng.choices(AGENTS, shares)[0]) for _ in range(2000)]).predict_one(AGENTS)
    assert list(forecast.values()) == pytest.approx(shares, abs=0.04)


def test_being_asked_often_is_no_worth_in_itself():
    """Who was up for many tasks and won as many as by lot is worth no more than a newcomer."""
    model = taught([(["ada", "bo"], chosen) for chosen in ("ada", "bo") * 50])
    assert model.predict_one(["ada", "stranger"])["ada"] == pytest.approx(0.5)


def test_an_award_to_somebody_else_teaches_nothing():
    assert taught([(AGENTS, "stranger")] * 5 + [([], "ada")]).agents == {}


@bounded
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), st.integers(0, 7)), max_size=60
    )
)
def test_memory_is_bounded(history):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winner, "MAX_AGENTS", 6)
        model = taught([([f"a{c}" for c in cs], f"a{cs[at % len(cs)]}") for cs, at in history])
    assert len(model.agents) <= 6
    assert sum(model.predict_one([f"a{n}" for n in range(30)]).values()) == pytest.approx(1.0)


def test_the_oldest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(winner, "MAX_AGENTS", 2)
    model = taught([(["a"], "a"), (["b"], "b"), (["c"], "c")])
    assert list(model.agents) == ["b", "c"]
