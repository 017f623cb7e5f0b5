"""`host_plugin`: a host with hooks of its own, under its own pluggy manager."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pluggy
import pytest

from spark_hooks import InvalidPlugin, hookimpl
from spark_hooks.events import CustomEvent, Event, TaskAssigned, TaskCompleted, TaskFailed, TaskPosted
from spark_plugin import Settings, host_plugin

hostspec = pluggy.HookspecMarker("depot")
hostimpl = pluggy.HookimplMarker("depot")


class DepotSpecs:
    """What the host tells its plugins."""

    @hostspec
    def order_received(self, order: dict[str, Any], priority: int) -> None: ...

    @hostspec
    def order_shipped(self, order: dict[str, Any], carrier: str, ok: bool) -> None: ...

    @hostspec(firstresult=True)
    def choose_carrier(self, order: dict[str, Any]) -> str | None: ...


def received(order: dict[str, Any]) -> Event:
    return TaskPosted(task_id=order["id"], description=order["what"], candidates=("ups", "dhl"))


def shipped(order: dict[str, Any], carrier: str, ok: bool) -> Iterable[Event]:
    yield TaskAssigned(task_id=order["id"], agent_id=carrier)
    end = TaskCompleted if ok else TaskFailed
    yield end(task_id=order["id"], agent_id=carrier)


ADAPTERS: dict[str, Callable[..., Any]] = {"order_received": received, "order_shipped": shipped}
ORDER = {"id": "o1", "what": "a box of books"}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENABLED", "STORE", "BATCH", "STRICT", "SEED"):
        monkeypatch.delenv(f"SPARK_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=f"sqlite:///{tmp_path / 'spark.db'}")


@pytest.fixture
def depot() -> pluggy.PluginManager:
    """The host's own manager."""
    manager = pluggy.PluginManager("depot")
    manager.add_hookspecs(DepotSpecs)
    return manager


@pytest.fixture
def join(depot: pluggy.PluginManager, settings: Settings) -> Iterator[Callable[..., Any]]:
    """Joins the host with some adapters; what joined is closed when the test ends."""
    joined: list[Any] = []

    def join_with(adapters: dict[str, Callable[..., Any]], **options: Any) -> Any:
        joined.append(host_plugin("depot", adapters, **{"settings": settings} | options))
        depot.register(joined[-1])
        return joined[-1]

    yield join_with
    for plugin in joined:
        plugin.spark.close()


def test_the_hosts_hooks_become_events(depot: pluggy.PluginManager, join: Callable[..., Any]) -> None:
    plugin = join(ADAPTERS)
    depot.check_pending()
    depot.hook.order_received(order=ORDER, priority=1)
    depot.hook.order_shipped(order=ORDER, carrier="ups", ok=True)
    assert plugin.spark.flush(60)
    rows = plugin.spark.events.query(newest_first=False)
    assert [row["type"] for row in rows] == ["task_posted", "task_assigned", "task_completed"]
    assert {row["source"] for row in rows} == {"/depot"}
    assert rows[0]["data"]["description"] == "a box of books"
    assert plugin.spark.predictions.summary()["evaluated"] == 1
    assert plugin.spark.hooks.predict("o1").winner == {"ups": 0.5, "dhl": 0.5}


def test_the_host_gets_no_answer_from_it(depot: pluggy.PluginManager, join: Callable[..., Any]) -> None:
    join({"choose_carrier": lambda order: CustomEvent(type="asked", about=order["id"])} | ADAPTERS)

    class Chooser:
        @hostimpl(trylast=True)
        def choose_carrier(self, order: dict[str, Any]) -> str:
            return "dhl"

    depot.register(Chooser())
    assert depot.hook.order_received(order=ORDER, priority=1) == []
    assert depot.hook.choose_carrier(order=ORDER) == "dhl"


@pytest.mark.parametrize(
    ("told", "types"),
    [
        (None, []),
        ([], []),
        (TaskPosted(task_id="o1", description=""), ["task_posted"]),
        ([TaskPosted(task_id="o1", description=""), CustomEvent(type="weighed")], ["task_posted", "weighed"]),
        ((event for event in [CustomEvent(type="a"), CustomEvent(type="b")]), ["a", "b"]),
        (CustomEvent(type="weighed", about="o1", extra={"kg": 3}), ["weighed"]),
    ],
    ids=["none", "empty", "one", "several", "generator", "custom"],
)
def test_an_adapter_may_tell_of_any_number_of_events(
    depot: pluggy.PluginManager, join: Callable[..., Any], told: Any, types: list[str]
) -> None:
    plugin = join({"order_received": lambda order: told})
    depot.hook.order_received(order=ORDER, priority=1)
    assert plugin.spark.flush(60)
    assert [row["type"] for row in plugin.spark.events.query(newest_first=False)] == types


def broken(order: dict[str, Any]) -> Event:
    raise RuntimeError("no idea what this is")


def broken_halfway(order: dict[str, Any]) -> Iterable[Event]:
    yield CustomEvent(type="seen")
    raise RuntimeError("lost the thread")


@pytest.mark.parametrize(
    ("adapter", "stored"),
    [
        (broken, []),
        (broken_halfway, ["seen"]),
        (lambda order: "text", []),
        (lambda order: 7, []),
        (lambda order: [CustomEvent(type="seen"), "text"], ["seen"]),
        (lambda order: TaskPosted(task_id="", description=""), []),
    ],
    ids=["raises", "raises halfway", "text", "a number", "one event, one text", "an invalid event"],
)
def test_an_adapter_that_fails_is_counted_and_the_host_does_not_notice(
    depot: pluggy.PluginManager, join: Callable[..., Any], adapter: Callable[..., Any], stored: list[str]
) -> None:
    plugin = join({"order_received": adapter, "order_shipped": shipped})
    assert depot.hook.order_received(order=ORDER, priority=1) == []
    depot.hook.order_shipped(order=ORDER, carrier="ups", ok=False)
    assert plugin.spark.flush(60)
    rows = plugin.spark.events.query(newest_first=False)
    assert [row["type"] for row in rows] == [*stored, "task_assigned", "task_failed"]
    assert plugin.spark._plugins.errors == {"spark:depot.order_received": 1}


def test_strict_lets_the_host_notice(depot: pluggy.PluginManager, join: Callable[..., Any], settings: Settings) -> None:
    join({"order_received": broken}, settings=Settings(store=settings.store, strict=True))
    with pytest.raises(RuntimeError, match="no idea"):
        depot.hook.order_received(order=ORDER, priority=1)


class Adapters:
    """Adapters of every callable kind."""

    def method(self, order: dict[str, Any]) -> Event:
        return received(order)

    @staticmethod
    def static(order: dict[str, Any]) -> Event:
        return received(order)

    def __call__(self, order: dict[str, Any]) -> Event:
        return received(order)


@pytest.mark.parametrize(
    "adapter",
    [
        received,
        lambda order, priority: received(order),
        lambda priority: TaskPosted(task_id=str(priority), description=""),
        lambda: TaskPosted(task_id="o1", description=""),
        Adapters().method,
        Adapters.static,
    ],
    ids=["function", "all arguments", "another argument", "no argument", "method", "static"],
)
def test_an_adapter_takes_the_arguments_it_names(
    depot: pluggy.PluginManager, join: Callable[..., Any], adapter: Callable[..., Any]
) -> None:
    plugin = join({"order_received": adapter})
    depot.check_pending()
    depot.hook.order_received(order=ORDER, priority=1)
    assert plugin.spark.flush(60)
    assert [row["type"] for row in plugin.spark.events.query()] == ["task_posted"]


async def asynchronous(order: dict[str, Any]) -> None: ...


@pytest.mark.parametrize(
    "adapter",
    [asynchronous, None, "received", Adapters(), partial(lambda kind, order: received(order), "kind")],
    ids=["coroutine", "none", "text", "object", "partial"],
)
def test_what_is_no_plain_function_is_refused(adapter: Any, settings: Settings, tmp_path: Path) -> None:
    """pluggy cannot tell which arguments it takes; better no plugin than one that fails at every call."""
    with pytest.raises(InvalidPlugin, match="order_received"):
        host_plugin("depot", {"order_received": adapter}, settings=settings)
    assert list(tmp_path.iterdir()) == [], "nothing was started"


def test_a_hook_the_host_does_not_have_is_the_hosts_to_tell(
    depot: pluggy.PluginManager, join: Callable[..., Any]
) -> None:
    join({"order_lost": received})
    with pytest.raises(pluggy.PluginValidationError, match="order_lost"):
        depot.check_pending()


def test_plugins_of_spark_hear_of_the_hosts_events(depot: pluggy.PluginManager, join: Callable[..., Any]) -> None:
    heard: list[tuple[str, object]] = []

    class Listener:
        @hookimpl
        def task_posted(self, event: TaskPosted, coordinator: object) -> None:
            heard.append((event.task_id, coordinator))

    plugin = join(ADAPTERS)
    plugin.spark.hooks.register(Listener())
    depot.hook.order_received(order=ORDER, priority=1)
    assert heard == [("o1", plugin)]


def test_disabled_it_joins_and_does_nothing(
    depot: pluggy.PluginManager, join: Callable[..., Any], tmp_path: Path, settings: Settings
) -> None:
    asked: list[str] = []
    adapters = {"order_received": lambda order: asked.append("adapter")}
    plugin = join(adapters, settings=Settings(store=settings.store, enabled=False))
    depot.check_pending()
    assert depot.hook.order_received(order=ORDER, priority=1) == []
    assert plugin.spark.enabled is False
    assert asked == []
    assert list(tmp_path.iterdir()) == []


def test_after_the_end_the_host_goes_on(depot: pluggy.PluginManager, join: Callable[..., Any]) -> None:
    plugin = join(ADAPTERS)
    depot.hook.order_received(order=ORDER, priority=1)
    plugin.spark.close()
    assert depot.hook.order_received(order={"id": "o2", "what": ""}, priority=1) == []
    assert [row["task_id"] for row in plugin.spark.events.query()] == ["o1"]
    assert depot.unregister(plugin) is plugin


def test_two_hosts_side_by_side(tmp_path: Path) -> None:
    plugins = []
    for name in ("depot", "harbour"):
        manager = pluggy.PluginManager(name)
        marker = pluggy.HookspecMarker(name)

        class Specs:
            @marker
            def arrived(self, what: str) -> None: ...

        manager.add_hookspecs(Specs)
        plugin = host_plugin(
            name,
            {"arrived": lambda what: CustomEvent(type="arrived", about=what)},
            settings=Settings(store=f"sqlite:///{tmp_path / name}.db"),
        )
        manager.register(plugin)
        manager.hook.arrived(what=name)
        plugins.append(plugin)
    for name, plugin in zip(("depot", "harbour"), plugins, strict=True):
        plugin.spark.close()
        assert [row["source"] for row in plugin.spark.events.query()] == [f"/{name}"]
