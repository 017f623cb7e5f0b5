"""Ability and ease: what was planted is found, what changed is learned anew, and every belief stays one."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import TaskFacts
from spark_eidos.arithmetic import logistic
from spark_eidos.skill import ABILITY_VARIANCE, EASE, EASE_PRIOR, SkillModel

AGENTS = [f"a{n}" for n in range(8)]
ABILITIES = dict(zip(AGENTS, np.linspace(-2.0, 2.0, len(AGENTS)).tolist(), strict=True))


def lived(seed: int, outcomes: int, tasks: int = 60) -> tuple[SkillModel, list[float]]:
    """Outcomes by the model's own law; and the tasks' true eases."""
    rng, model = random.Random(seed), SkillModel()
    eases = [rng.gauss(0.0, 2.0) for _ in range(tasks)]
    for _ in range(outcomes):
        agent, task = rng.choice(AGENTS), rng.randrange(tasks)
        succeeded = rng.random() < logistic(ABILITIES[agent] + eases[task])
        model.learn_one(TaskFacts(fingerprint=str(task)), agent, succeeded)
    return model, eases


@pytest.mark.parametrize("seed", range(3))
def test_it_recovers_planted_abilities_and_eases(seed):
    model, eases = lived(seed, 3_000)
    learned = [model.agents[agent].level.mean for agent in AGENTS]
    assert np.corrcoef(learned, list(ABILITIES.values()))[0, 1] > 0.97
    found = [float(model.ease(TaskFacts(fingerprint=str(n))) @ EASE) for n in range(len(eases))]
    assert np.corrcoef(found, eases)[0, 1] > 0.93


def test_its_probabilities_are_those_of_the_truth():
    model, eases = lived(5, 4_000)
    gaps = [
        abs(logistic(z) - logistic(ABILITIES[agent] + ease))
        for n, ease in enumerate(eases)
        for agent, z in zip(AGENTS, model.predict(TaskFacts(fingerprint=str(n)), AGENTS).tolist(), strict=True)
    ]
    assert sum(gaps) / len(gaps) < 0.07


def test_a_task_known_to_be_hard_is_hard_for_a_stranger_too():
    model, hard = SkillModel(), TaskFacts(fingerprint="hard")
    for agent in AGENTS:
        model.learn_one(hard, agent, False)
        model.learn_one(TaskFacts(fingerprint=agent), agent, True)
    known, new = (float(model.predict(task, ["stranger"])[0]) for task in (hard, TaskFacts(fingerprint="new")))
    assert known < -0.5 < 0.2 < new


def test_an_agent_that_changes_is_learned_anew():
    """What is believed of it opens up, and the forecast follows soon: much sooner than where no change is seen."""

    def outcomes_until_believed(bar: float) -> int:
        model, task = SkillModel(), TaskFacts()
        for _ in range(200):
            model.learn_one(task, "ada", True)
            model.agents["ada"].change.bar = bar
        for n in range(1, 400):
            model.learn_one(task, "ada", False)
            if model.predict(task, ["ada"])[0] < 0.0:
                return n
        return 400

    assert outcomes_until_believed(8.0) < 0.5 * outcomes_until_believed(1e9)


def test_what_is_not_known_is_uncertain():
    model, task = SkillModel(), TaskFacts(category="db")
    assert model.spread("ada", None) == ABILITY_VARIANCE
    spreads = [model.spread("ada", "db")]
    for n in range(30):
        model.learn_one(task, "ada", n % 2 == 0)
        spreads.append(model.spread("ada", "db"))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.3 * spreads[0]
    assert model.spread("ada", "docs") > model.spread("ada", "db")


def test_an_agent_may_be_good_at_one_kind_and_bad_at_another():
    rng, model = random.Random(1), SkillModel()
    for _ in range(600):
        category = rng.choice(["db", "docs"])
        for agent in ("ada", "bo"):
            good = (agent == "ada") == (category == "db")
            model.learn_one(TaskFacts(category=category), agent, rng.random() < (0.8 if good else 0.3))
    for category, better, worse in (("db", "ada", "bo"), ("docs", "bo", "ada")):
        one, other = model.predict(TaskFacts(category=category), [better, worse]).tolist()
        assert one - other > 0.5


facts = st.builds(
    TaskFacts, category=st.sampled_from(["db", "docs", None]), fingerprint=st.sampled_from(["", "f", "g"])
)
histories = st.lists(st.tuples(facts, st.sampled_from(AGENTS), st.booleans()), max_size=60)


@settings(max_examples=60, deadline=None)
@given(histories, facts)
def test_beliefs_stay_beliefs(history, task):
    model = SkillModel()
    for step in history:
        assert 0.0 <= model.learn_one(*step) <= 1.0
    assert np.all(np.isfinite(model.predict(task, [*AGENTS, "stranger"])))
    for belief in model.tasks.values():
        assert belief.min() >= 0.0
        assert belief.sum() == pytest.approx(1.0)
    effects = [model.level, *model.categories.values(), *model.cells.values()]
    effects += [part for one in model.agents.values() for part in (one.level, one.slope)]
    assert all(effect.variance > 0.0 and math.isfinite(effect.mean) for effect in effects)


@settings(max_examples=60, deadline=None)
@given(histories, facts, st.sampled_from(AGENTS))
def test_a_success_speaks_for_an_agent_and_a_failure_against_it(history, task, agent):
    before = []
    for last in (None, True, False):
        model = SkillModel()
        for step in history:
            model.learn_one(*step)
        if last is not None:
            model.learn_one(task, agent, last)
        before.append(float(model.predict(task, [agent])[0]))
    plain, better, worse = before
    assert worse < better
    assert worse <= plain + 1e-6
    assert better >= plain - 1e-6


def test_without_a_description_no_task_is_remembered():
    model = SkillModel()
    model.learn_one(TaskFacts(), "ada", True)
    assert model.tasks == {}
    assert np.array_equal(model.ease(TaskFacts()), EASE_PRIOR)
