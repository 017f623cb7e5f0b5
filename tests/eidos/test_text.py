"""What the words say: planted words are found, new ones are modest, long texts count no more than short ones."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.task import facts
from spark_eidos.text import _LEVEL_SLOT, TextModel

WORDS = ["login", "cache", "index", "parser", "socket", "button", "schema", "thread"]


def task(description: str, category: str | None = None, task_id: str = "t"):
    return facts(task_id, description, [], category, None)


def log_odds(model: TextModel, description: str, agent: str = "ada", category: str | None = None) -> float:
    return float(model.predict(task(description, category), [agent])[0])


def test_it_finds_the_words_that_tell_in_tasks_that_come_once():
    rng, model = random.Random(1), TextModel()
    for n in range(800):
        words = rng.sample(WORDS, 3)
        p = 0.1 if "cache" in words else 0.9 if "index" in words else 0.5
        model.learn_one(task(f"{' '.join(words)} unseen{'abcdefghij'[n % 10]}{n}"), "ada", rng.random() < p)
    assert log_odds(model, "login cache parser now") < -0.7
    assert log_odds(model, "login index parser now") > 0.7
    assert abs(log_odds(model, "login socket parser now")) < 0.6


def test_a_task_that_comes_again_is_known_by_its_fingerprint():
    model = TextModel()
    for _ in range(10):
        model.learn_one(task("alpha beta gamma"), "ada", False)
        model.learn_one(task("gamma beta alpha"), "ada", True)
    assert log_odds(model, "alpha beta gamma") < -0.5 < 0.5 < log_odds(model, "gamma beta alpha")


def test_siblings_share_what_becomes_of_their_family():
    model = TextModel()
    for n in range(10):
        model.learn_one(task("", task_id=f"gt-7.{n}"), "ada", False)
        model.learn_one(task("", task_id=f"gt-8.{n}"), "ada", True)
    bad, good = (float(model.predict(task("", task_id=f"gt-{n}.99"), ["ada"])[0]) for n in (7, 8))
    assert bad < -0.5 < 0.5 < good


def test_agents_differ_overall_and_by_category():
    model = TextModel()
    for _ in range(60):
        model.learn_one(task("", "db"), "ada", True)
        model.learn_one(task("", "docs"), "ada", False)
        model.learn_one(task("", "db"), "bo", False)
        model.learn_one(task("", "docs"), "bo", True)
    assert log_odds(model, "", "ada", "db") - log_odds(model, "", "bo", "db") > 0.5
    assert log_odds(model, "", "bo", "docs") - log_odds(model, "", "ada", "docs") > 0.5


descriptions = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
histories = st.lists(
    st.tuples(descriptions, st.sampled_from(["ada", "bo"]), st.sampled_from(["db", None]), st.booleans()), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(histories, descriptions)
def test_beliefs_only_get_firmer_and_nothing_overflows(history, description):
    model = TextModel()
    for words, agent, category, succeeded in history:
        before = model.known.copy()
        model.learn_one(task(words, category), agent, succeeded)
        assert np.all(model.known <= before + 1e-12)
        assert model.known.min() > 0.0
    assert np.isfinite(log_odds(model, description))


def test_with_the_same_evidence_the_less_known_is_the_more_modest():
    model = TextModel()
    for _ in range(20):
        model.learn_one(task("alpha"), "ada", False)
    assert log_odds(model, "alpha", "ada") < log_odds(model, "alpha", "stranger") < 0.0


def test_loosened_it_learns_the_swarms_level_anew():
    """After a change found by the scoreboard: the same outcomes move it further."""
    moved = []
    for loosen in (False, True):
        model = TextModel()
        for n in range(2_000):
            model.learn_one(task("", task_id=f"t{n}"), f"a{n}", True)
        if loosen:
            model.loosen()
        for n in range(10):
            model.learn_one(task("", task_id=f"u{n}"), f"b{n}", False)
        moved.append(float(model.weights[_LEVEL_SLOT]))
    assert moved[1] < moved[0] - 0.5
