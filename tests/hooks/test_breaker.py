"""A slow plugin is switched off, said so, and can be let in again; a plugin that is slow once in a while is not."""

from __future__ import annotations

import pytest

from spark_hooks import Advisory, Hooks, InvalidPlugin, facade, hookimpl
from spark_hooks import plugins as plugins_module
from spark_hooks.breaker import TOO_MANY, WINDOW, Breaker
from spark_hooks.events import TaskPosted
from spark_hooks.plugins import Plugins
from spark_hooks.views import Touched

EVENT = TaskPosted(task_id="t", description="d")
SLOW_S = 0.004


class Clock:
    """Stands still while nobody sleeps: the test does not depend on how busy the machine is."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


clock = Clock()


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr(plugins_module, "perf_counter", clock)
    monkeypatch.setattr(facade, "perf_counter", clock)


class Slow:
    """Takes its time, in everything."""

    spark_budget_s = SLOW_S / 4

    def __init__(self, takes_s=SLOW_S):
        self.takes_s = takes_s
        self.calls = 0

    def work(self):
        self.calls += 1
        clock.sleep(self.takes_s)

    @hookimpl
    def task_posted(self, event):
        self.work()

    @hookimpl
    def redact(self, text):
        self.work()
        return text.replace("secret", "***")


class Asked:
    spark_budget_s = SLOW_S / 4
    name = "sleepy"

    def __init__(self):
        self.calls = 0

    @hookimpl
    def advisories(self, subject, task, limit):
        self.calls += 1
        clock.sleep(SLOW_S)
        return [Advisory("a", "system_health", 0.5, "t", "d", "s", {}, None, (), 0)]

    @hookimpl
    def score_importance(self, event):
        clock.sleep(SLOW_S)
        return 0.9

    @hookimpl
    def advisory_detectors(self):
        return [self]

    def detect(self, view, touched):
        clock.sleep(SLOW_S)
        yield from ()


@pytest.fixture
def plugins():
    return Plugins()


def test_it_trips_when_the_99th_percentile_is_above_the_budget():
    breaker = Breaker(0.01)
    assert not any(breaker.trips(0.005) for _ in range(1000))
    assert [breaker.trips(0.02) for _ in range(TOO_MANY)] == [False] * (TOO_MANY - 1) + [True]


def test_it_does_not_trip_while_one_call_in_a_hundred_is_slow():
    breaker = Breaker(0.01)
    took = [0.02 if n % (WINDOW // (TOO_MANY - 1)) == 0 else 0.001 for n in range(10 * WINDOW)]
    assert not any(breaker.trips(seconds) for seconds in took)


def test_a_slow_plugin_is_switched_off_and_said_so(plugins, caplog):
    slow = Slow()
    plugins.register(slow, "slow")
    hooks = Hooks(plugins)
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert slow.calls == TOO_MANY
    assert "1 ms" in hooks.switched_off["slow"]
    assert plugins.errors == {"slow.task_posted": 1}
    assert "plugin slow is switched off" in caplog.text and "enable('slow')" in caplog.text


def test_one_that_was_let_in_again_has_another_chance(plugins):
    slow = Slow()
    plugins.register(slow, "slow")
    hooks = Hooks(plugins)
    for _ in range(10):
        plugins.notify(EVENT, None)
    slow.takes_s = 0
    hooks.enable("slow")
    assert hooks.switched_off == {}
    for _ in range(WINDOW):
        plugins.notify(EVENT, None)
    assert slow.calls == TOO_MANY + WINDOW
    slow.takes_s = SLOW_S
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert slow.calls == TOO_MANY + WINDOW + TOO_MANY, "as slow as before: off again, as soon as before"


def test_who_comes_again_after_it_was_let_go_is_called(plugins):
    slow = Slow()
    plugins.register(slow, "slow")
    for _ in range(10):
        plugins.notify(EVENT, None)
    plugins.unregister(slow)
    plugins.register(slow, "slow")
    plugins.notify(EVENT, None)
    assert slow.calls == TOO_MANY + 1


def test_others_are_called_as_before(plugins):
    other = Slow(takes_s=0)
    plugins.register(Slow(), "slow")
    plugins.register(other, "other")
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert other.calls == 10


def test_what_it_redacts_is_redacted_for_ever(plugins):
    slow = Slow()
    plugins.register(slow, "slow")
    hooks = Hooks(plugins)
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert "slow" in hooks.switched_off
    assert hooks.redact("a secret") == "a ***"


def test_a_plugin_that_says_nothing_has_the_default_budget(plugins):
    class Quick(Slow):
        spark_budget_s = None

    quick = Quick()
    plugins.register(quick)
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert quick.calls == 10


@pytest.mark.parametrize("hook", ["advisories", "score_importance", "detect"])
def test_questions_scores_and_detectors_are_watched_too(plugins, hook):
    plugins.register(Asked(), "asked")
    hooks = Hooks(plugins)
    [detector] = hooks.detectors()
    for _ in range(TOO_MANY):
        assert hooks.switched_off == {}
        if hook == "detect":
            detector.detect(None, Touched("e", None, None))
        elif hook == "advisories":
            assert len(hooks.advisories()) == 1
        else:
            assert hooks.score_importance(EVENT) == 0.9
    assert list(hooks.switched_off) == ["asked"]
    assert (hooks.advisories(), hooks.score_importance(EVENT), hooks.detectors()) == ([], None, [])


def test_a_trusted_plugin_takes_the_time_it_needs(plugins):
    slow = Slow()
    plugins.register(slow, "own", trusted=True)
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert slow.calls == 10


class Slowly(Asked):
    """Takes its time to make its detectors, not to use them."""

    @hookimpl
    def advisory_detectors(self):
        clock.sleep(SLOW_S)
        return [self]


def test_to_make_detectors_may_take_its_time(plugins):
    slowly = Slowly()
    plugins.register(slowly, "slowly")
    hooks = Hooks(plugins)
    assert [len(hooks.detectors()) for _ in range(10)] == [1] * 10
    assert hooks.switched_off == {}


def test_what_a_detector_watches_may_be_read_once_only(plugins):
    slowly = Slowly()
    slowly.watches = iter(["task_posted"])
    plugins.register(slowly, "slowly")
    [detector] = Hooks(plugins).detectors()
    assert detector.watches == {"task_posted"}


def test_a_call_that_ends_after_its_plugin_was_let_go_switches_nothing_off(plugins):
    class Leaving(Slow):
        @hookimpl
        def task_posted(self, event):
            self.work()
            if self.calls == TOO_MANY:
                plugins.unregister(self)

    leaving = Leaving()
    plugins.register(leaving, "it")
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert (leaving.calls, plugins.switched_off) == (TOO_MANY, {})


def test_a_budget_that_cannot_be_read_is_the_default(plugins):
    quick = Slow()
    quick.spark_budget_s = 10**400
    plugins.register(quick, "quick")
    for _ in range(10):
        plugins.notify(EVENT, None)
    assert quick.calls == 10


def test_a_plugin_that_cannot_be_looked_at_is_refused_and_leaves_nothing_behind(plugins):
    class Broken(Slow):
        def __dir__(self):
            raise RuntimeError("not now")

    broken = Broken()
    for _ in range(2):
        with pytest.raises(InvalidPlugin, match="not now"):
            plugins.register(broken, "broken")
    plugins.notify(EVENT, None)
    assert broken.calls == 0
