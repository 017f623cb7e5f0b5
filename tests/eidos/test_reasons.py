"""Reasons: what is said is what moved the forecast, by how much it did, with the record behind it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import reasons
from spark_eidos.pool import EXPERTS, PRIOR, RECIPES
from spark_eidos.success import SuccessModel
from spark_eidos.task import TaskFacts, facts

AGENTS = ["ada", "bo", "cy"]


def task(description: str = "", category: str | None = None, task_id: str = "t") -> TaskFacts:
    return facts(task_id, description, AGENTS, category, None)


def taught(history) -> SuccessModel:
    """A model that lived through (task, agent, succeeded), one a second."""
    model = SuccessModel()
    for n, (known, agent, succeeded) in enumerate(history):
        said = tuple(model.experts(known, [agent], float(n))[0].tolist())
        model.learn_one(known, agent, succeeded, float(n), said)
    return model


def believing(model: SuccessModel, expert: str) -> SuccessModel:
    """The same, with all weight on the recipe that is nearly this expert's alone."""
    at = EXPERTS.index(expert)
    others = RECIPES.sum(axis=1) - RECIPES[:, at]
    chosen = int((RECIPES[:, at] - others).argmax())
    model.pool.weights = (PRIOR * 0.0) + 1e-12
    model.pool.weights[chosen] = 1.0
    return model


def test_nothing_known_is_nothing_said():
    assert reasons(SuccessModel(), task(), "ada", 0.0) == []


def test_where_all_are_alike_there_is_nothing_to_say():
    model = taught([(task(), AGENTS[n % 3], n % 2 == 0) for n in range(120)])
    assert reasons(model, task(), "ada", 1e6) == []


def test_an_agent_that_fails_is_named_with_its_record():
    model = taught([(task(), agent, agent != "ada") for agent in AGENTS for _ in range(20)])
    assert reasons(model, task(), "ada", 1e6)[0] == "ada fails 20 of 20 tasks"
    assert reasons(model, task(), "bo", 1e6)[0] == "bo succeeds in 20 of 20 tasks"


def test_an_agent_that_fails_in_a_category_is_named_with_it():
    history = []
    for n in range(60):
        history += [(task("", "db"), "ada", n % 5 == 0), (task("", "docs"), "ada", True)]
        history += [(task("", "db"), "bo", True), (task("", "docs"), "bo", n % 5 == 0)]
    model = believing(taught(history), "cell")
    assert reasons(model, task("", "db"), "ada", 1e6)[0] == "ada fails 48 of 60 db tasks"
    assert "fails" not in " ".join(reasons(model, task("", "docs"), "ada", 1e6))


def test_a_task_that_failed_before_is_named_with_who_failed_it():
    """Many tasks, each tried by two, that go well or badly whoever does them."""
    history = []
    for n in range(60):
        known = task(f"piece of work {'abcdefghij'[n % 10]}{'abcdef'[n // 10]}xx")
        history += [(known, "bo", n % 2 == 0), (known, "cy", n % 2 == 0)]
    model = taught(history)
    bad, good = history[2][0], history[0][0]
    assert "the same task failed 2 of 2 times before, last with cy" in reasons(model, bad, "ada", 1e6)
    assert "the same task succeeded 2 of 2 times before, last with cy" in reasons(model, good, "ada", 1e6)
    assert not any("same task" in why for why in reasons(model, task("never seen"), "ada", 1e6))


def test_words_are_named_where_they_are_what_tells():
    history = [
        (task(f"{'cache' if n % 2 else 'index'} x{'abcdefghij'[n % 10]}y{n}"), "ada", n % 2 == 0) for n in range(200)
    ]
    model = believing(taught(history), "text")
    assert reasons(model, task("cache anew"), "bo", 1e6)[0] == "tasks worded like this one go worse than usual"
    assert reasons(model, task("index anew"), "bo", 1e6)[0] == "tasks worded like this one go better than usual"


def test_what_happens_just_now_is_named_while_it_does():
    history = [(task("", None, f"gt-1.{n}"), AGENTS[n % 3], n < 180) for n in range(190)]
    model = taught(history)
    now, later = (" ".join(reasons(model, task("", None, "gt-1.999"), "ada", at)) for at in (190.0, 1e7))
    assert "just now" in now
    assert "just now" not in later


@pytest.mark.parametrize("expert", ["agent", "cell", "text"])
def test_what_carries_no_weight_is_no_reason(expert):
    """With all weight on one expert, nothing is said for another's sake."""
    history = [(task("cache work", "db", f"gt-1.{n}"), AGENTS[n % 3], n % 3 != 0) for n in range(90)]
    said = " ".join(reasons(believing(taught(history), expert), task("cache work", "db", "gt-1.99"), "ada", 90.0))
    assert said
    assert "just now" not in said and "lately" not in said
    assert ("worded" in said) <= (expert == "text")
    assert "same task" not in said


def test_the_weightiest_comes_first(monkeypatch):
    """A higher bar leaves the beginning of the same list."""
    history = []
    for n in range(40):
        known = facts(f"gt-1.{n}", f"cache work {'abcde'[n % 5]}xx", AGENTS, "db", None)
        history += [(known, "ada", False), (known, "bo", n % 5 > 2), (known, "cy", True)]
    model, last, lengths = taught(history), None, set()
    for bar in (0.0, *(n / 20 for n in range(1, 100))):
        monkeypatch.setattr(sys.modules["spark_eidos.reasons"], "LEAST", bar)
        said = reasons(model, history[0][0], "ada", 120.0)
        assert last is None or said == last[: len(said)]
        last, lengths = said, lengths | {len(said)}
    assert lengths & {1, 2} and 3 in lengths


tasks = st.builds(
    task,
    st.sampled_from(["", "fix the login", "write docs"]),
    st.sampled_from(["db", None]),
    st.sampled_from(["t", "gt-1.1"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(tasks, st.sampled_from(AGENTS), st.booleans()), max_size=40), tasks)
def test_reasons_are_few_and_each_is_said_once(history, known):
    model = taught(history)
    for agent in [*AGENTS, "stranger"]:
        found = reasons(model, known, agent, float(len(history)))
        assert len(found) == len(set(found)) <= 3
        assert all(why and "\0" not in why and "None" not in why for why in found)
