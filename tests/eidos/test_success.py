"""The model of success as a whole: experts blended, honest about what is new, quick to see what changed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos.pool import EXPERTS
from spark_eidos.success import SuccessModel
from spark_eidos.task import TaskFacts, facts
from tests.eidos.plain import copy, dump

bounded = settings(max_examples=60, deadline=None)
AGENTS = ["ada", "bo", "cy"]
tasks = st.builds(
    facts,
    st.sampled_from(["gt-1.1", "gt-1.2", "t"]),
    st.sampled_from(["", "fix the login", "write the docs"]),
    st.just(AGENTS),
    st.sampled_from(["db", "docs", None]),
    st.none(),
)
times = st.floats(-1e9, 1e9)
histories = st.lists(st.tuples(tasks, st.sampled_from(AGENTS), st.booleans(), times), max_size=40)


def learn(model: SuccessModel, task: TaskFacts, agent: str, succeeded: bool, now: float) -> None:
    """As Eidos does: with what the experts said when the attempt began."""
    said = tuple(model.experts(task, [agent], now)[0].tolist())
    model.learn_one(task, agent, succeeded, now + 0.5, said)


def taught(history) -> SuccessModel:
    model = SuccessModel()
    for step in history:
        learn(model, *step)
    return model


@bounded
@given(histories, tasks, times)
def test_forecasts_are_probabilities(history, task, now):
    for p in taught(history).predict(task, [*AGENTS, "stranger"], now).tolist():
        assert 0.001 - 1e-12 <= p <= 0.999 + 1e-12


@bounded
@given(histories, tasks, times)
def test_each_candidates_number_is_its_own(history, task, now):
    """Asked alone or with others: the same bits, because the ledger's rows must not hang on the company."""
    model = taught(history)
    together = model.predict(task, [*AGENTS, "stranger"], now).tolist()
    assert [float(model.predict(task, [agent], now)[0]) for agent in [*AGENTS, "stranger"]] == together


@bounded
@given(histories, tasks, times, times)
def test_what_was_said_earlier_saves_work_and_changes_nothing(history, task, posted, awarded):
    model = taught(history)
    said = model.experts(task, AGENTS, posted)
    later = model.experts_later(said, task, AGENTS, awarded)
    assert np.array_equal(later, model.experts(task, AGENTS, awarded))
    assert np.array_equal(said, model.experts(task, AGENTS, posted)), "and leaves alone what it was given"


def test_before_anything_is_known_everybody_has_one_half():
    assert SuccessModel().predict(TaskFacts(), AGENTS, 0.0).tolist() == [0.5] * 3
    assert SuccessModel().predict(TaskFacts(), [], 0.0).tolist() == []


def test_experts_are_said_in_the_order_of_their_names():
    """Each by what is its own: a slip in the order would feed one expert's opinion into another's weight."""
    model = SuccessModel()
    for n in range(60):
        learn(model, facts(f"gt-1.{n}", f"text {n}", AGENTS, "db", None), "ada", n % 3 == 0, float(n))
        learn(model, facts(f"gt-2.{n}", f"text {n}", AGENTS, "docs", None), "bo", n % 7 > 0, n + 0.5)
    task, now = facts("gt-1.99", "text 7", AGENTS, "db", None), 60.0
    said = dict(zip(EXPERTS, model.experts(task, ["ada"], now)[0].tolist(), strict=True))
    base = model.rates.base_rate()
    [overall], [here] = model.rates.log_odds(["ada"], "db", base)
    assert said["skill"] == float(model.skill.predict(task, ["ada"])[0])
    assert said["kin"] == float(model.kinship.predict(task.fingerprint, ["ada"])[0])
    assert said["text"] == float(model.text.predict(task, ["ada"])[0])
    assert (said["agent"], said["cell"]) == (overall, here)
    assert said["agent_lately"] == model.agent_lately.log_odds(["ada"], base, now)[0]
    for name, key in (("family_now", task.family), ("swarm_now", ""), ("swarm_lately", "")):
        assert said[name] == getattr(model, name).log_odds([key], base, now)[0]
    assert len(set(said.values())) == len(EXPERTS), "all differ, so that none could stand for another"


def test_new_agents_categories_and_tasks_are_taken_for_what_the_swarm_does():
    """Within a tenth: of what is new nothing more is known, and nothing more is said."""
    rng, model = random.Random(1), SuccessModel()
    for n in range(600):
        learn(model, facts(f"t{n}", f"thing {n % 50}", AGENTS, "db", None), f"a{n % 20}", rng.random() < 0.7, float(n))
    new = facts("new", "unheard words entirely", AGENTS, "unheard of", None)
    assert float(model.predict(new, ["stranger"], 600.0)[0]) == pytest.approx(0.7, abs=0.1)
    assert model.spread(new, "stranger") > 1.5 > 0.8 > model.spread(new, "a1")


def test_it_learns_rates_of_agents_and_categories():
    rng = random.Random(1)
    rates = {("ada", "db"): 0.9, ("ada", "docs"): 0.3, ("bo", "db"): 0.4, ("bo", "docs"): 0.7}
    cells = [cell for cell in rates for _ in range(400)]
    rng.shuffle(cells)
    model = SuccessModel()
    for n, (agent, category) in enumerate(cells):
        learn(model, TaskFacts((), category), agent, rng.random() < rates[agent, category], float(n))
    for (agent, category), rate in rates.items():
        assert float(model.predict(TaskFacts((), category), [agent], 1e9)[0]) == pytest.approx(rate, abs=0.1)


def test_a_burst_of_failures_is_felt_and_forgotten():
    model = SuccessModel()
    for n in range(400):
        burst = n % 40 >= 30
        learn(model, facts(f"t{n}", "", AGENTS, None, None), AGENTS[n % 3], not burst, n + 1000.0 * (n // 40))
    for n in range(5):
        learn(model, facts(f"u{n}", "", AGENTS, None, None), AGENTS[n % 3], False, 20_000.0 + n)
    task = facts("v", "", AGENTS, None, None)
    soon, late = (float(model.predict(task, ["ada"], at)[0]) for at in (20_005.0, 60_000.0))
    assert soon < late - 0.1


def test_without_what_the_experts_said_the_pool_learns_nothing_and_the_models_do():
    """A ledger of another version does not tell: the pool must not be taught what this one would have said."""
    model, told = SuccessModel(), SuccessModel()
    for n in range(10):
        learn(model, TaskFacts(), "ada", True, float(n))
        learn(told, TaskFacts(), "ada", True, float(n))
    before = dump(model.pool)
    model.learn_one(TaskFacts(), "ada", False, 11.0)
    model.learn_one(TaskFacts(), "ada", False, 11.0, (0.0,) * 3)
    learn(told, TaskFacts(), "ada", False, 10.5)
    assert dump(model.pool) == before != dump(told.pool)
    assert model.rates.swarm.outcomes == 12


@bounded
@given(histories, histories, tasks)
def test_a_copy_goes_on_as_the_original_would(before, after, task):
    original = taught(before)
    restored = copy(original)
    for step in after:
        learn(original, *step)
        learn(restored, *step)
    assert dump(restored) == dump(original)
    assert restored.predict(task, AGENTS, 0.0).tolist() == original.predict(task, AGENTS, 0.0).tolist()


def test_loosened_it_follows_a_changed_swarm_sooner():
    moved = []
    for loosen in (False, True):
        model = taught([(TaskFacts(), f"a{n}", True, float(n)) for n in range(1_000)])
        if loosen:
            model.loosen()
        for n in range(10):
            learn(model, TaskFacts(), f"b{n}", False, 1_000.0 + n)
        moved.append(float(model.text.predict(TaskFacts(), ["new"])[0]))
    assert moved[1] < moved[0] - 0.3
