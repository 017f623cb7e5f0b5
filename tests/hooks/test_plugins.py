"""Plugins: what is taken in, what is refused and leaves nothing behind, in which order they are called, and that no
error of one reaches another or the caller."""

from __future__ import annotations

import asyncio
import logging
import sys
from types import ModuleType, SimpleNamespace

import pluggy
import pytest

from spark_hooks import InvalidPlugin, Receipt, SparkError, hookimpl
from spark_hooks.events import CustomEvent, TaskFailed, TaskPosted
from spark_hooks.plugins import WITHHELD, Plugins

FAILED = TaskFailed(task_id="t1", id="e1")


@pytest.fixture
def plugins():
    return Plugins()


@pytest.fixture
def strict():
    return Plugins(strict=True)


def named(name: str, **functions) -> SimpleNamespace:
    """A plugin whose hooks are these functions."""
    for function in functions.values():
        hookimpl(function)
    return SimpleNamespace(__name__=name, **functions)


def noting(name: str, notes: list[str]) -> SimpleNamespace:
    """A plugin that writes its name down when a task fails."""
    return named(name, task_failed=lambda event: notes.append(name))


def raising(error: BaseException):
    def hook():
        raise error

    return hook


def answers(plugins: Plugins, hook: str, **values: object) -> list[object]:
    return [answer for _, answer in plugins.ask(hook, **values)]


# --- taking in -------------------------------------------------------------------------------------------------------


def test_a_plugin_may_be_any_object_or_module(plugins):
    class Object:
        @hookimpl
        def task_failed(self, event):
            seen.append(event)

    class Static:
        @staticmethod
        @hookimpl
        def task_failed(event):
            seen.append(event)

    seen: list[object] = []
    module = ModuleType("a_module")
    module.task_failed = hookimpl(lambda event: seen.append(event))
    assert plugins.register(Object()) == "Object"
    assert plugins.register(Static()) == "Static"
    assert plugins.register(module) == "a_module"
    plugins.notify(FAILED, None)
    assert seen == [FAILED] * 3


def test_a_plugin_may_be_given_a_name(plugins):
    assert plugins.register(noting("x", []), "mine") == "mine"
    with pytest.raises(InvalidPlugin, match="'other'"):
        plugins.register(SimpleNamespace(task_failed=hookimpl(lambda evnt: None)), "other")


def test_two_of_the_same_name_are_told_apart(plugins):
    notes: list[str] = []
    first, second, third = (noting("twin", notes) for _ in range(3))
    assert [plugins.register(one) for one in (first, second, third)] == ["twin", "twin'", "twin''"]
    plugins.notify(FAILED, None)
    assert notes == ["twin"] * 3


@pytest.mark.parametrize("again", [None, "x", "another name"])
def test_registering_twice_is_refused_and_the_first_stays(plugins, again):
    notes: list[str] = []
    plugin = noting("x", notes)
    plugins.register(plugin)
    with pytest.raises(InvalidPlugin, match=r"already registered|registered already"):
        plugins.register(plugin, again)
    plugins.notify(FAILED, None)
    assert notes == ["x"]


def test_implementations_take_only_the_arguments_they_want(plugins):
    seen: list[tuple[object, ...]] = []
    plugins.register(named("none", task_failed=lambda: seen.append(())))
    plugins.register(named("one", task_failed=lambda coordinator: seen.append((coordinator,))))
    plugins.register(named("both", task_failed=lambda event, coordinator: seen.append((event, coordinator))))
    plugins.register(named("turned", task_failed=lambda coordinator, event: seen.append((coordinator, event))))
    plugins.notify(FAILED, "boss")
    assert seen == [(), ("boss",), (FAILED, "boss"), ("boss", FAILED)]
    assert not plugins.errors


def test_unregistered_it_is_called_no_more(plugins):
    notes: list[str] = []
    plugin = noting("x", notes)
    plugins.register(plugin)
    assert plugins.implemented("task_failed")
    plugins.unregister(plugin)
    plugins.unregister(plugin)
    plugins.unregister(object())
    plugins.notify(FAILED, None)
    assert notes == []
    assert not plugins.implemented("task_failed")


def test_unregistered_it_may_come_again_and_is_then_the_last(plugins):
    notes: list[str] = []
    first = noting("first", notes)
    plugins.register(first)
    plugins.register(noting("second", notes))
    plugins.unregister(first)
    plugins.register(first)
    plugins.notify(FAILED, None)
    assert notes == ["second", "first"]


def test_somebody_is_told_when_plugins_come_and_go(plugins):
    changes: list[bool] = []
    plugins.changed = lambda: changes.append(plugins.implemented("redact"))
    plugin = named("x", redact=lambda text: None)
    plugins.register(plugin)
    plugins.unregister(plugin)
    plugins.unregister(plugin)
    with pytest.raises(InvalidPlugin):
        plugins.register(named("bad", redact=lambda words: None))
    assert changes == [True, False]


# --- what is refused -------------------------------------------------------------------------------------------------


async def coroutine(event):
    pass


async def generator(event):
    yield


def hook_class():
    class Plugin:
        @hookimpl
        def task_failed(self):
            pass

    return Plugin


@hookimpl(wrapper=True)
def wrapper():
    return (yield)


@hookimpl(hookwrapper=True)
def old_wrapper():
    yield


UNFIT = {
    "unknown hook": (lambda: named("bad", task_exploded=lambda event: None), "task_exploded"),
    "unknown argument": (lambda: named("bad", task_assigned=lambda event, colour: None), "colour"),
    "coroutine function": (lambda: named("bad", task_assigned=coroutine), "task_assigned is a coroutine function"),
    "asynchronous generator": (lambda: named("bad", task_assigned=generator), "task_assigned is a coroutine function"),
    "wrapper": (lambda: SimpleNamespace(__name__="bad", predict=wrapper), "predict is a hook wrapper"),
    "old wrapper": (lambda: SimpleNamespace(__name__="bad", predict=old_wrapper), "predict is a hook wrapper"),
    "class": (hook_class, "it is a class"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_what_does_not_fit_is_refused_with_a_reason(plugins, kind):
    make, reason = UNFIT[kind]
    with pytest.raises(InvalidPlugin, match=reason) as caught:
        plugins.register(make())
    assert caught.value.plugin in ("bad", "Plugin")
    assert caught.value.plugin in str(caught.value)
    assert isinstance(caught.value, SparkError)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("kind", [kind for kind in UNFIT if kind != "class"])
def test_what_is_refused_leaves_nothing_behind(plugins, kind):
    notes: list[str] = []
    bad = UNFIT[kind][0]()
    bad.task_failed = hookimpl(lambda: notes.append("bad"))  # a sound hook beside the unfit one
    with pytest.raises(InvalidPlugin):
        plugins.register(bad)
    plugins.notify(FAILED, None)
    assert answers(plugins, "predict", task="t1") == []
    assert notes == []
    assert not plugins.implemented("task_failed")
    plugins.register(noting("bad", notes))  # its name is free, and the next plugin is not refused for its faults
    plugins.notify(FAILED, None)
    assert notes == ["bad"]


def test_what_is_mended_may_come_again(plugins):
    notes: list[str] = []
    plugin = named("x", task_failed=lambda: notes.append("x"), task_exploded=lambda: None)
    with pytest.raises(InvalidPlugin):
        plugins.register(plugin)
    del plugin.task_exploded
    plugins.register(plugin)
    plugins.notify(FAILED, None)
    assert notes == ["x"]


def test_nothing_is_no_plugin(plugins):
    with pytest.raises(InvalidPlugin):
        plugins.register(None)


def test_a_property_is_not_touched_at_registration(plugins):
    class Plugin:
        @property
        def busy(self):
            raise RuntimeError("asked too early")

        @hookimpl
        def task_failed(self):
            notes.append("x")

    notes: list[str] = []
    plugins.register(Plugin())
    plugins.notify(FAILED, None)
    assert notes == ["x"]


# --- order -----------------------------------------------------------------------------------------------------------


def test_notifications_go_out_in_the_order_of_registration(plugins):
    notes: list[str] = []
    for name in "abcd":
        plugins.register(noting(name, notes))
    plugins.notify(FAILED, None)
    assert notes == list("abcd")


def test_no_plugin_pushes_in_front_of_notifications(plugins):
    notes: list[str] = []
    plugins.register(noting("a", notes))
    pushing = SimpleNamespace(__name__="b", task_failed=hookimpl(tryfirst=True)(lambda: notes.append("b")))
    plugins.register(pushing)
    waiting = SimpleNamespace(__name__="c", task_failed=hookimpl(trylast=True)(lambda: notes.append("c")))
    plugins.register(waiting)
    plugins.register(noting("d", notes))
    plugins.notify(FAILED, None)
    assert notes == ["a", "b", "c", "d"]


def test_every_event_comes_to_event_captured_first(plugins):
    notes: list[str] = []
    for name in "ab":
        plugin = named(
            name,
            event_captured=lambda event, n=name: notes.append(f"{n} captured {event.type}"),
            task_failed=lambda n=name: notes.append(f"{n} failed"),
            custom=lambda n=name: notes.append(f"{n} custom"),
        )
        plugins.register(plugin)
    plugins.notify(FAILED, None)
    plugins.notify(CustomEvent(type="deploy"), None)
    assert notes == [
        *("a captured task_failed", "b captured task_failed", "a failed", "b failed"),
        *("a captured deploy", "b captured deploy", "a custom", "b custom"),
    ]


def test_questions_go_to_the_last_registered_first_and_to_the_built_in_last(plugins):
    built_in = SimpleNamespace(__name__="built-in", predict=hookimpl(trylast=True)(lambda: "built-in"))
    plugins.register(built_in)
    for name in "ab":
        plugins.register(named(name, predict=lambda n=name: n))
    assert list(plugins.ask("predict", task="t1")) == [("b", "b"), ("a", "a"), ("built-in", "built-in")]


def test_questions_are_asked_one_by_one(plugins):
    asked: list[str] = []
    for name in "abc":
        plugins.register(named(name, predict=lambda n=name: asked.append(n) or n))
    next(plugins.ask("predict", task="t1"))
    assert asked == ["c"]


def test_who_has_nothing_to_say_is_passed_over(plugins):
    plugins.register(named("a", predict=lambda: "answer"))
    plugins.register(named("b", predict=lambda: None))
    assert list(plugins.ask("predict", task="t1")) == [("a", "answer")]


def test_a_text_is_refined_by_everyone_in_turn(plugins):
    for name in "abc":
        plugins.register(named(name, redact=lambda text, n=name: text + n))
    plugins.register(named("silent", redact=lambda text: None))
    assert plugins.refine("redact", "text", "-") == "-abc"


def test_a_refined_text_may_become_empty(plugins):
    plugins.register(named("a", redact=lambda text: ""))
    plugins.register(named("b", redact=lambda text: text + "b"))
    assert plugins.refine("redact", "text", "secret") == "b"


# --- isolation -------------------------------------------------------------------------------------------------------

ERRORS = [
    RuntimeError("no"),
    AssertionError(),
    SystemExit(3),
    RecursionError(),
    MemoryError(),
    StopIteration(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_in_one_plugin_reaches_nobody(plugins, error):
    notes: list[str] = []
    plugins.register(noting("before", notes))
    plugins.register(named("bad", task_failed=raising(error), event_captured=raising(error), predict=raising(error)))
    plugins.register(named("bad", redact=raising(error)))
    plugins.register(noting("after", notes))
    plugins.register(named("keeper", event_captured=lambda event: Receipt(event.id, "journaled")))
    plugins.register(named("knows", predict=lambda: "answer"))
    assert plugins.notify(FAILED, None) == Receipt("e1", "journaled")
    assert notes == ["before", "after"]
    assert answers(plugins, "predict", task="t1") == ["answer"]
    assert plugins.refine("redact", "text", "as it was") == WITHHELD
    assert plugins.errors == {"bad.task_failed": 1, "bad.event_captured": 1, "bad.predict": 1, "bad'.redact": 1}


def test_the_users_ctrl_c_comes_through(plugins):
    plugins.register(named("slow", task_failed=raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        plugins.notify(FAILED, None)


@pytest.mark.parametrize("answer", [5, b"words", ["words"], object()])
def test_a_text_that_became_something_else_is_withheld(plugins, answer):
    """Closed, not open: what the plugin should have taken out is still in the text."""
    plugins.register(named("bad", redact=lambda text: answer))
    plugins.register(named("good", redact=lambda text: text + "!"))
    assert plugins.refine("redact", "text", "words") == WITHHELD
    assert plugins.errors == {"bad.redact": 1}


def test_the_log_does_not_quote_the_text_that_was_to_be_redacted(plugins, caplog):
    def failing(text):
        raise ValueError(f"cannot redact {text}")

    plugins.register(named("bad", redact=failing))
    with caplog.at_level(logging.DEBUG):
        assert plugins.refine("redact", "text", "my secret") == WITHHELD
    assert "ValueError" in caplog.text
    assert "my secret" not in caplog.text


def test_a_plugin_that_sends_again_from_inside_is_fine(plugins):
    def again(event):
        if event.task_id != "inner":
            plugins.notify(TaskFailed(task_id="inner"), None)

    notes: list[str] = []
    plugins.register(named("again", task_failed=again))
    plugins.register(noting("x", notes))
    plugins.notify(FAILED, None)
    assert notes == ["x", "x"]


def test_a_plugin_may_leave_while_it_is_called(plugins):
    notes: list[str] = []
    leaving = named("leaving", task_failed=lambda: plugins.unregister(leaving))
    plugins.register(leaving)
    plugins.register(noting("x", notes))
    plugins.notify(FAILED, None)
    plugins.notify(FAILED, None)
    assert notes == ["x", "x"]
    assert not plugins.errors


def test_errors_are_counted_by_plugin_and_hook(plugins):
    plugins.register(named("bad", task_failed=raising(ValueError()), task_posted=raising(ValueError())))
    for _ in range(3):
        plugins.notify(FAILED, None)
    plugins.notify(TaskPosted(task_id="t1", description=""), None)
    assert plugins.errors == {"bad.task_failed": 3, "bad.task_posted": 1}


def test_the_log_names_the_plugin_and_thins_out(plugins, caplog):
    plugins.register(named("bad", task_failed=raising(ValueError("what went wrong"))))
    with caplog.at_level(logging.WARNING, "spark.hooks"):
        for _ in range(20):
            plugins.notify(FAILED, None)
    counts = [record.args[2] for record in caplog.records]
    assert counts == [1, 2, 4, 8, 16]
    first = caplog.records[0]
    assert first.getMessage() == "plugin bad failed in task_failed (1 times so far): what went wrong"
    assert first.exc_info is not None
    assert plugins.errors["bad.task_failed"] == 20


def test_each_fault_has_a_log_of_its_own(plugins, caplog):
    with caplog.at_level(logging.WARNING, "spark.hooks"):
        for hook in ("predict", "redact", "predict"):
            plugins.failed("x", hook, "nonsense")
    assert len(caplog.records) == 3
    assert all(record.exc_info is None for record in caplog.records)


def test_strict_raises_and_counts(strict):
    strict.register(named("bad", task_failed=raising(KeyError("mine")), predict=raising(KeyError("mine"))))
    with pytest.raises(KeyError, match="mine"):
        strict.notify(FAILED, None)
    with pytest.raises(KeyError, match="mine"):
        answers(strict, "predict", task="t1")
    with pytest.raises(TypeError, match="nonsense"):
        strict.failed("bad", "redact", "nonsense")
    assert strict.errors == {"bad.task_failed": 1, "bad.predict": 1, "bad.redact": 1}


# --- entry points ----------------------------------------------------------------------------------------------------

ADDON = """
from spark_hooks import hookimpl

class Plugin:
    @hookimpl
    def redact(self, text):
        return text.replace("secret", "[hidden]")

plugin = Plugin()

class Unfit:
    @hookimpl
    def task_exploded(self):
        pass

@hookimpl
def score_importance():
    return 0.25
"""


def install(path, entries: dict[str, str], group: str = "spark") -> None:
    """Lay out an installed distribution with these entry points, as pip does."""
    info = path / "spark_test_addon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spark-test-addon\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    (path / "spark_test_addon.py").write_text(ADDON)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("spark_test_addon", None)


@pytest.mark.parametrize("target", ["spark_test_addon:plugin", "spark_test_addon:Plugin"])
def test_an_installed_plugin_joins_by_its_entry_point(plugins, site, target):
    install(site, {"hider": target})
    plugins.load_entry_points()
    assert plugins.refine("redact", "text", "a secret") == "a [hidden]"
    assert not plugins.errors
    plugins.failed("hider", "redact", "x")
    assert plugins.errors == {"hider.redact": 1}


def test_an_installed_module_joins_whole(plugins, site):
    install(site, {"scorer": "spark_test_addon"})
    plugins.load_entry_points()
    assert list(plugins.ask("score_importance", event=FAILED)) == [("scorer", 0.25)]


def test_other_groups_are_no_business_of_ours(plugins, site):
    install(site, {"hider": "spark_test_addon:plugin"}, group="sparks")
    plugins.load_entry_points()
    assert not plugins.implemented("redact")


@pytest.mark.parametrize("broken", ["spark_test_addon:missing", "spark_test_missing", "spark_test_addon:Unfit"])
def test_a_broken_installed_plugin_is_counted_and_the_others_join(plugins, site, broken):
    install(site, {"a": broken, "b": "spark_test_addon:plugin"})
    plugins.load_entry_points()
    assert plugins.errors == {"a.load": 1}
    assert plugins.refine("redact", "text", "secret") == "[hidden]"


def test_strict_raises_for_a_broken_installed_plugin(strict, site):
    install(site, {"a": "spark_test_addon:missing"})
    with pytest.raises(AttributeError):
        strict.load_entry_points()


def test_pluggy_itself_never_calls(plugins, monkeypatch):
    """pluggy's own loop would stop at the first error; it keeps the registry only."""

    def loop(*args, **kwargs):
        raise AssertionError("pluggy called")

    monkeypatch.setattr(pluggy._callers, "_multicall", loop)
    notes: list[str] = []
    plugins.register(noting("x", notes))
    plugins.notify(FAILED, None)
    assert notes == ["x"]
