"""`Hooks`: typed answers with defaults, merged and ranked; nonsense never comes through, and nothing raises."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from spark_hooks import Advisory, Hooks, InvalidPlugin, Prediction, Recommendation, hookimpl
from spark_hooks.events import TaskFailed, TaskPosted
from spark_hooks.plugins import WITHHELD, Plugins

EVENT = TaskFailed(task_id="t1")
POSTED = TaskPosted(task_id="t1", description="")


@pytest.fixture
def plugins():
    return Plugins()


@pytest.fixture
def hooks(plugins):
    return Hooks(plugins)


def answering(name: str, hook: str, answer: object) -> SimpleNamespace:
    """A plugin that answers `hook` with `answer`, raised if it is an error."""

    def reply():
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(__name__=name, **{hook: hookimpl(reply)})


def advisory(id: str, priority: float = 0.5, **fields: object) -> Advisory:
    made = {
        "id": id,
        "category": "system_health",
        "priority": priority,
        "title": "t",
        "detail": "d",
        "suggested_action": "s",
        "action": {},
        "subject": None,
        "evidence": (),
        "evidence_count": 0,
    }
    return Advisory(**made | fields)


def recommendation(agent: str) -> Recommendation:
    return Recommendation(agent, 0.5, None, 1.0)


@pytest.mark.parametrize("odd", [None, 5, b"t1", object(), EVENT, float("nan")], ids=repr)
def test_a_question_about_nothing_is_answered_with_nothing(hooks, odd):
    assert hooks.predict(odd) in (Prediction(task_id=""), Prediction(task_id="t1"))
    assert hooks.recommend(odd) == hooks.advisories(task=odd) == hooks.advisories(subject=odd) == []
    hooks.register(answering("many", "advisories", [advisory(str(n)) for n in range(30)]))
    assert len(hooks.advisories(limit=odd)) == (5 if odd == 5 else 10)


# --- defaults --------------------------------------------------------------------------------------------------------


def test_with_nobody_there_every_answer_is_empty(hooks):
    assert hooks.predict("t1") == Prediction(task_id="t1")
    assert hooks.predict(POSTED) == Prediction(task_id="t1")
    assert hooks.recommend("t1") == []
    assert hooks.recommend(POSTED, ["ada"]) == []
    assert hooks.advisories() == []
    assert hooks.score_importance(EVENT) is None
    assert hooks.redact("as it is") == "as it is"
    assert hooks.detectors() == []


def test_plugins_come_and_go_through_the_facade(hooks):
    plugin = answering("x", "score_importance", 0.5)
    assert hooks.register(plugin) == "x"
    assert hooks.score_importance(EVENT) == 0.5
    hooks.unregister(plugin)
    assert hooks.score_importance(EVENT) is None
    with pytest.raises(InvalidPlugin):
        hooks.register(Plugins)


# --- predict and recommend -------------------------------------------------------------------------------------------


def test_the_first_prediction_counts(hooks):
    hooks.register(answering("first", "predict", Prediction("t1", reasoning="first")))
    hooks.register(answering("second", "predict", Prediction("t1", reasoning="second")))
    hooks.register(answering("third", "predict", None))
    assert hooks.predict("t1").reasoning == "second"


def test_the_first_recommendation_counts_even_an_empty_one(hooks):
    hooks.register(answering("first", "recommend", [recommendation("ada")]))
    assert [r.agent_id for r in hooks.recommend("t1")] == ["ada"]
    hooks.register(answering("second", "recommend", (recommendation("bo"), recommendation("ada"))))
    assert hooks.recommend("t1") == [recommendation("bo"), recommendation("ada")]
    hooks.register(answering("third", "recommend", []))
    assert hooks.recommend("t1") == []


def test_questions_carry_their_arguments(hooks):
    asked: list[object] = []

    class Curious:
        @hookimpl
        def predict(self, task):
            asked.append(task)

        @hookimpl
        def recommend(self, task, candidates):
            asked.append((task, candidates))

        @hookimpl
        def advisories(self, subject, task, limit):
            asked.append((subject, task, limit))

        @hookimpl
        def score_importance(self, event):
            asked.append(event)

    hooks.register(Curious())
    hooks.predict(POSTED)
    hooks.recommend("t1", ["ada"])
    hooks.recommend("t1")
    hooks.advisories("ada", "t1", 3)
    hooks.advisories()
    hooks.score_importance(EVENT)
    assert asked == [POSTED, ("t1", ["ada"]), ("t1", None), ("ada", "t1", 3), (None, None, 10), EVENT]


NONSENSE = {
    "predict": [5, "text", {}, {"task_id": "t1"}, recommendation("ada"), object(), RuntimeError()],
    "recommend": [5, "text", {}, ["ada"], [recommendation("ada"), None], Prediction("t1"), object(), RuntimeError()],
    "advisories": [5, "text", {}, ["a1"], [advisory("a1"), None], advisory("a1"), object(), RuntimeError()],
    "score_importance": ["0.5", math.nan, math.inf, [], object(), RuntimeError()],
    "advisory_detectors": [5, [5], [None], object(), [SimpleNamespace(name="no detect")], RuntimeError()],
}
CASES = [(hook, n) for hook, several in NONSENSE.items() for n in range(len(several))]
SENSE = {
    "predict": (Prediction("t1", reasoning="sense"), lambda hooks: hooks.predict("t1")),
    "recommend": ([recommendation("bo")], lambda hooks: hooks.recommend("t1")),
    "advisories": ([advisory("sense")], lambda hooks: hooks.advisories()),
    "score_importance": (0.75, lambda hooks: hooks.score_importance(EVENT)),
    "advisory_detectors": (
        [SimpleNamespace(name="sense", detect=lambda view, touched: [])],
        lambda hooks: [(found.name, found.detect(None, None)) for found in hooks.detectors()],
    ),
}


@pytest.mark.parametrize(("hook", "n"), CASES)
def test_nonsense_is_counted_and_passed_over(hooks, plugins, hook, n):
    sense, ask = SENSE[hook]
    nothing = ask(hooks)
    bad = answering("bad", hook, NONSENSE[hook][n])
    hooks.register(bad)
    assert ask(hooks) == nothing
    assert plugins.errors == {f"bad.{hook}": 1}
    hooks.unregister(bad)
    hooks.register(answering("good", hook, sense))
    hooks.register(bad)
    assert ask(hooks) == ([("sense", [])] if hook == "advisory_detectors" else sense)
    assert plugins.errors == {f"bad.{hook}": 2}


@pytest.mark.parametrize("hook", NONSENSE)
def test_strict_raises_for_nonsense(hook):
    hooks = Hooks(Plugins(strict=True))
    hooks.register(answering("bad", hook, NONSENSE[hook][0]))
    with pytest.raises(TypeError):
        SENSE[hook][1](hooks)


# --- advisories ------------------------------------------------------------------------------------------------------


def test_advisories_of_all_plugins_are_merged_and_ranked(hooks):
    hooks.register(answering("a", "advisories", [advisory("a1", 0.2), advisory("a2", 0.9)]))
    hooks.register(answering("b", "advisories", (advisory("b1", 0.5), advisory("b2", 0.2))))
    assert [a.id for a in hooks.advisories()] == ["a2", "b1", "a1", "b2"]


def test_one_advisory_told_twice_is_told_once_as_the_last_registered_has_it(hooks):
    hooks.register(answering("a", "advisories", [advisory("a1", 0.2, title="old")]))
    hooks.register(answering("b", "advisories", [advisory("a1", 0.9, title="new")]))
    assert [(a.id, a.title) for a in hooks.advisories()] == [("a1", "new")]


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (-1, 0), (1, 1), (2, 2), (100, 3)])
def test_the_limit_holds_for_all_plugins_together(hooks, limit, expected):
    hooks.register(answering("a", "advisories", [advisory("a1", 0.1), advisory("a2", 0.2)]))
    hooks.register(answering("b", "advisories", [advisory("b1", 0.3)]))
    found = hooks.advisories(limit=limit)
    assert [a.id for a in found] == ["b1", "a2", "a1"][:expected]


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": "high"},
        {"priority": None},
        {"priority": math.nan},
        {"id": None},
        {"id": ["a1"]},
        {"title": 5},
        {"action": None},
        {"action": {"a": 2**70}},
        {"title": "\ud800"},
    ],
    ids=ascii,
)
def test_an_advisory_with_wrong_fields_is_nonsense_too(hooks, plugins, wrong):
    """msgspec's constructors do not check: a plugin can hand over an `Advisory` that is none."""
    hooks.register(answering("good", "advisories", [advisory("g1", 0.5), advisory("g2", 0.1)]))
    before = hooks.advisories()
    hooks.register(answering("bad", "advisories", [advisory("b1", 0.2), advisory(**{"id": "b2"} | wrong)]))
    assert hooks.advisories() == before
    assert plugins.errors == {"bad.advisories": 1}


# --- extension points ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.3, 0.3),
        (-5, 0.0),
        (7.5, 1.0),
        (True, 1.0),
        pytest.param(10**400, 1.0, id="huge"),
        pytest.param(-(10**400), 0.0, id="huge and negative"),
    ],
)
def test_importance_is_held_between_0_and_1(hooks, plugins, answer, score):
    hooks.register(answering("x", "score_importance", answer))
    assert hooks.score_importance(EVENT) == score
    assert type(hooks.score_importance(EVENT)) is float
    assert not plugins.errors


def test_texts_pass_through_every_redacting_plugin_in_turn(hooks):
    hooks.register(SimpleNamespace(__name__="a", redact=hookimpl(lambda text: text.replace("secret", "[a]"))))
    hooks.register(SimpleNamespace(__name__="b", redact=hookimpl(lambda text: text.replace("[a]", "[b]"))))
    assert hooks.redact("a secret") == "a [b]"


def test_a_text_that_a_plugin_failed_to_redact_is_withheld(hooks):
    hooks.register(answering("bad", "redact", RuntimeError()))
    hooks.register(answering("good", "redact", "sense"))
    assert hooks.redact("a secret") == WITHHELD


def detector(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, detect=lambda view, touched: [])


def test_detectors_of_all_plugins_are_gathered(hooks):
    a, b, c = (detector(name) for name in "abc")
    hooks.register(answering("x", "advisory_detectors", [a, b]))
    hooks.register(answering("y", "advisory_detectors", iter([c])))
    assert sorted(found.name for found in hooks.detectors()) == ["a", "b", "c"]


def test_a_bad_detector_beside_good_ones_is_left_out_alone(hooks, plugins):
    good = detector("good")
    hooks.register(answering("x", "advisory_detectors", [SimpleNamespace(name=5, detect=len), good, "text"]))
    assert [found.name for found in hooks.detectors()] == ["good"]
    assert plugins.errors == {"x.advisory_detectors": 2}


def test_a_detector_whose_name_raises_is_left_out_too(hooks, plugins):
    class Nameless:
        @property
        def name(self):
            raise RuntimeError("no name")

        def detect(self, view, touched):
            return []

    good = detector("good")
    hooks.register(answering("x", "advisory_detectors", [Nameless(), good]))
    assert [found.name for found in hooks.detectors()] == ["good"]
    assert plugins.errors == {"x.advisory_detectors": 1}


def test_detectors_that_end_in_an_error_are_left_out(hooks, plugins):
    def broken():
        yield detector("a")
        raise RuntimeError("no more")

    hooks.register(answering("x", "advisory_detectors", broken()))
    assert hooks.detectors() == []
    assert plugins.errors == {"x.advisory_detectors": 1}


# --- answers that bite -----------------------------------------------------------------------------------------------


class Touchy:
    """Raises whatever is done with it."""

    def _no(self, *args, **kwargs):
        raise SystemExit("do not touch me")

    __class__ = property(_no)
    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __str__ = __repr__ = __getattr__ = __lt__ = __float__ = _no


class TouchyList(list):
    __iter__ = __len__ = __getitem__ = __repr__ = Touchy._no


class TouchyNumber(float):
    __lt__ = __gt__ = __float__ = __repr__ = Touchy._no


@pytest.mark.parametrize(
    "make",
    [Touchy, lambda: TouchyList([1]), lambda: [Touchy()], lambda: (Touchy(),)],
    ids=["it", "list", "in", "tuple"],
)
@pytest.mark.parametrize("hook", SENSE)
def test_an_answer_that_bites_is_passed_over(hooks, plugins, hook, make):
    sense, ask = SENSE[hook]
    answer = make()
    hooks.register(answering("good", hook, sense))
    hooks.register(SimpleNamespace(__name__="bad", **{hook: hookimpl(lambda: answer)}))
    assert ask(hooks) == ([("sense", [])] if hook == "advisory_detectors" else sense)
    assert plugins.errors == {f"bad.{hook}": 1}


def test_a_number_is_taken_for_its_value(hooks, plugins):
    hooks.register(answering("x", "score_importance", TouchyNumber(0.25)))
    assert hooks.score_importance(EVENT) == 0.25
    assert not plugins.errors


def test_what_fails_on_the_way_to_an_answer_is_not_the_askers_concern(hooks, plugins, monkeypatch):
    monkeypatch.setattr(Plugins, "ask", lambda self, hook, **values: 1 / 0)
    assert hooks.predict("t1") == Prediction("t1")
    assert (hooks.recommend("t1"), hooks.advisories(), hooks.detectors()) == ([], [], [])
    assert hooks.score_importance(EVENT) is None
    assert set(plugins.errors) == {f"spark.{hook}" for hook in SENSE}


def test_what_is_asked_about_is_not_changed_by_a_plugin(hooks):
    def scribble(task, candidates):
        candidates.clear()
        task.extra["mine"] = 1

    task, candidates = TaskPosted(task_id="t1", description="", extra={"a": [1]}), ["ada"]
    hooks.register(SimpleNamespace(__name__="x", recommend=hookimpl(scribble)))
    hooks.recommend(task, candidates)
    assert (task.extra, candidates) == ({"a": [1]}, ["ada"])
