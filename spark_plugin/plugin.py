"""The composition root: `register`, `host_plugin`, `rebuild`, and `Spark`, the face of all parts."""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec
import pluggy

from spark_eidos import Following
from spark_eidos.bounds import forget_oldest
from spark_hooks import Advisory, Hooks, InvalidPlugin, Recommendation, SparkError
from spark_hooks.bridge import Bridge, bridge_of
from spark_hooks.errors import meant_for_the_host
from spark_hooks.events import Event
from spark_hooks.plugins import Plugins
from spark_hooks.signals import SIGNALS, advisory_delivered, recommendation_given
from spark_plugin import draining, forks
from spark_plugin import settings as settings_module
from spark_plugin.builtin import Answers, CatchingUp, Models, Recorder
from spark_plugin.capture import Capture, Ingested, journal_directory
from spark_plugin.capture.capture import Crew
from spark_plugin.projection import Projection, Replica, published
from spark_plugin.readers import Advice, EventLog, Memories, Predictions, Readable, scoreboard, summary
from spark_plugin.settings import Settings
from spark_plugin.store import open_store

log = logging.getLogger("spark")

MAX_TOLD = 5_000

_registering = forks.Lock()  # two threads that register one coordinator get one Spark


class Spark:
    """What `register` returns: hooks to ask, and the read side. Also a context manager; leaving it closes.

    `hooks`: questions and plugins. `events`, `predictions`, `advisories`, `memories`: what is stored.
    """

    def __init__(self, settings: Settings, plugins: Plugins, readable: Readable) -> None:
        self.settings = settings
        self.hooks = Hooks(plugins)
        self.events = EventLog(readable)
        self.predictions = Predictions(readable)
        self.advisories = Advice(readable)
        self.memories = Memories(readable)
        self._plugins = plugins
        self._readable = readable
        self._capture: Capture | None = None
        self._bridge: Bridge | None = None
        self._closing = forks.Lock()

    @classmethod
    def open(cls, store_url: str | None = None, *, settings: Settings | None = None) -> Spark:
        """The read side of a store and the questions, without a coordinator: nothing is captured, nothing is written.

        Raises `SettingsError` or `StoreError` when the settings or the store cannot be read.
        """
        settings = settings or settings_module.load()
        if store_url is not None:
            settings = msgspec.structs.replace(settings, store=store_url)
        readable = Readable(settings.store)
        readable.store().position()
        plugins = Plugins(strict=settings.strict)
        spark = cls(settings, plugins, readable)
        projection = Projection(draining.extensions(spark.hooks, plugins, settings))
        plugins.register(Answers(CatchingUp(projection, readable), readable, seed=settings.seed), "spark", trusted=True)
        plugins.load_entry_points()
        return spark

    @property
    def exists(self) -> bool:
        """Whether there is a store to read."""
        return self._readable.exists

    @property
    def enabled(self) -> bool:
        """Whether events are captured."""
        return self._bridge is not None

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was sent before is stored and projected: read your writes.

        False when that took longer than `timeout` seconds, or when the store cannot take events now.
        """
        return True if self._capture is None else self._capture.flush(timeout)

    def status(self) -> dict[str, Any]:
        """The numbers of `spark status`. Raises `StoreError`."""
        store = self._readable.store()
        known: Mapping[str, Any] = summary(store) or {}
        counters = Counter(store.counters())
        if self._capture is not None:
            counters.update(self._capture.untold())
        lag = self._capture.lag if self._capture is not None else self._readable.waiting()
        return {
            "enabled": self.settings.enabled,
            "events": store.position(),
            "event_types": known.get("event_types", {}),
            "tasks": known.get("tasks", {"open": 0, "completed": 0, "failed": 0}),
            "agents": known.get("agents", 0),
            "memories": known.get("memories", 0),
            "advisories": known.get("advisories", 0),
            "unmatched": known.get("unmatched", 0),
            "parked": known.get("parked", 0),
            "predictions": self.predictions.summary(),
            "recommendations": known.get("recommendations") or Following().summary(),
            "capture": {
                "lag": lag,
                "dropped": counters["dropped"],
                "rejected": counters["rejected"],
                "dead_letters": store.buried(),
                "plugin_errors": counters["plugin_errors"],
            },
            "trouble": self.trouble,
        }

    def agents(self) -> dict[str, dict[str, Any]]:
        """Every agent's record by id: attempts, outcomes, bids, costs, categories. Raises `StoreError`."""
        return scoreboard(self._readable.store(), published.AGENT)

    def categories(self) -> dict[str, dict[str, Any]]:
        """Every category's record by name. Raises `StoreError`."""
        return scoreboard(self._readable.store(), published.CATEGORY)

    @property
    def ingested(self) -> Ingested:
        """What became of the events of this process so far."""
        return Ingested() if self._capture is None else self._capture.total

    @property
    def trouble(self) -> str | None:
        """Why events are not being stored, in words; None when they are, or when only their own process knows."""
        if self._capture is not None:
            return self._capture.trouble
        worker = self._readable.on_duty()
        return None if worker is None else worker.trouble

    def count_rejected(self, reason: str) -> None:
        """Count something that was refused before it could be sent; `reason` in words."""
        if self._bridge is not None:
            self._bridge.count_rejected(reason)

    def close(self) -> None:
        """Hear no more, store what was sent, let go of everything. Closing twice is the same as once."""
        with self._closing():
            atexit.unregister(self.close)
            bridge, self._bridge = self._bridge, None
            self.hooks.silence()  # what tells the log of answers holds the coordinator
            for part in (bridge, self._capture, self._readable):
                try:
                    if part is not None:
                        part.close()
                except meant_for_the_host():
                    raise
                except BaseException:
                    log.exception("Spark was not closed as it should be")

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def register(coordinator: object, *, settings: Settings | None = None, source: str | None = None) -> Spark:
    """Let Spark hear the signals that `coordinator` sends; the same coordinator again gives the same Spark.

    `settings` stand in for environment and file, `source` names the swarm in its events. Never raises for Spark's own
    sake: what is wrong is logged, and a Spark that is off is returned; ``SPARK_STRICT=1`` raises instead.
    """
    with _registering():
        bridge = bridge_of(coordinator)
        if bridge is not None and isinstance(bridge.owner, Spark):
            return bridge.owner
        return _registered(coordinator, settings, source)


def _registered(coordinator: object, settings: Settings | None, source: str | None) -> Spark:
    try:
        settings = settings or settings_module.load()
        if not settings.enabled:
            return _off(settings)
        return _connected(coordinator, settings, source or f"/{type(coordinator).__name__}")
    except meant_for_the_host():
        raise
    except BaseException as error:
        if settings.strict if settings else settings_module.is_strict():
            raise
        log.error("Spark is off: %s", error, exc_info=not isinstance(error, SparkError))
        return _off(Settings(enabled=False))


def rebuild(settings: Settings) -> int:
    """Make every read model of a store anew from its log and ledger; return the number of events read.

    Raises `StoreError` when the store cannot be used.
    """
    plugins = Plugins(strict=settings.strict)
    extensions = draining.extensions(Hooks(plugins), plugins, settings)
    plugins.load_entry_points()
    store = open_store(settings.store)
    try:
        with store.transaction() as transaction:
            return Projection(extensions).rebuild(transaction)
    finally:
        store.close()


def host_plugin(
    project_name: str,
    adapters: Mapping[str, Callable[..., Event | Iterable[Event] | None]],
    *,
    settings: Settings | None = None,
) -> Any:
    """A plugin for a host's own pluggy manager: its hooks become Spark's events.

    `adapters` maps the host's hook names to functions that take the hook's arguments by name and return an event,
    several, or None. Register the result with the host's ``PluginManager(project_name)``; its attribute ``spark`` is
    the `Spark`. An adapter that raises is counted and logged, and the host does not notice.

    Raises `InvalidPlugin` for an adapter that is a coroutine function or no function.
    """
    host = _Host(project_name)
    for hook, adapter in adapters.items():
        if not inspect.isroutine(adapter) or inspect.iscoroutinefunction(adapter):
            raise InvalidPlugin(project_name, f"the adapter of {hook} must be a plain function")
    host.spark = register(host, settings=settings, source=f"/{project_name}")
    marker = pluggy.HookimplMarker(project_name)
    for hook, adapter in adapters.items():
        setattr(host, hook, marker(_relay(host, hook, adapter)))
    return host


class _Host:
    """The sender of what a host's hooks tell, and the plugin that the host registers."""

    spark: Spark

    def __init__(self, project_name: str) -> None:
        self.__name__ = f"spark:{project_name}"


def _relay(host: _Host, hook: str, adapter: Callable[..., Event | Iterable[Event] | None]) -> Callable[..., None]:
    """`adapter` as a hook implementation; pluggy reads the arguments off the wrapped function."""

    @functools.wraps(adapter)
    def relay(*args: object, **kwargs: object) -> None:
        if not host.spark.enabled:
            return
        try:
            told = adapter(*args, **kwargs)
            for event in [told] if isinstance(told, Event) else told or ():
                SIGNALS.get(event.type, SIGNALS["custom"]).send(host, event=event)
        except Exception as error:
            host.spark._plugins.failed(host.__name__, hook, error)

    return relay


def _off(settings: Settings) -> Spark:
    """The same face, with nothing behind it."""
    return Spark(settings, Plugins(), Readable(None))


def _connected(coordinator: object, settings: Settings, source: str) -> Spark:
    plugins = draining.plugins_for(settings)
    readable = Readable(settings.store)
    spark = Spark(settings, plugins, readable)
    bridge = Bridge(coordinator, plugins, source)
    recorder = Recorder(plugins.switched_off)
    plugins.register(recorder, "spark-recorder", trusted=True)
    models, crew = _models(settings, plugins, readable, spark.hooks)
    plugins.register(Answers(models, readable, seed=settings.seed), "spark", trusted=True)
    plugins.load_entry_points()  # before the draining begins: what dead processes left goes through their redaction too
    spark._capture = Capture(
        journal_directory(settings.store),
        draining.terms(settings),
        crew,
        tallies=lambda: {"rejected": bridge.rejected.total(), "plugin_errors": plugins.errors.total()},
    )
    try:
        recorder.record_to(spark._capture)
        bridge.owner = spark
        bridge.connect()
    except BaseException:
        bridge.close()
        spark.close()
        raise
    spark._bridge = bridge
    spark.hooks.recommended = functools.partial(_tell_recommendation, coordinator)
    spark.hooks.handed_out = _Delivery(coordinator)
    atexit.register(spark.close)
    return spark


def _tell_recommendation(coordinator: object, task_id: str, found: Sequence[Recommendation]) -> None:
    """Put a recommendation on record, with the chance that each candidate had: its worth is measured by that."""
    recommendation_given.send(
        coordinator,
        task_id=task_id,
        agent_id=found[0].agent_id,
        candidates=tuple(one.agent_id for one in found),
        propensities=tuple(one.propensity for one in found),
        chances=tuple(one.success_probability for one in found),
    )


class _Delivery:
    """Advice that was handed to a coordinator, told to the log: each once, however often it is asked for."""

    def __init__(self, coordinator: object) -> None:
        self._coordinator = coordinator
        self._told: dict[str, None] = {}

    def __call__(self, advisories: Sequence[Advisory]) -> None:
        for advisory in advisories:
            if advisory.state == "issued" and advisory.created_position is not None and advisory.id not in self._told:
                self._told[advisory.id] = None
                forget_oldest(self._told, MAX_TOLD)
                advisory_delivered.send(self._coordinator, advisory_id=advisory.id)


def _models(settings: Settings, plugins: Plugins, readable: Readable, hooks: Hooks) -> tuple[Models, Crew]:
    """What answers come from, and who drains."""
    if settings.worker != "thread":
        return Replica(readable.store), draining.InAWorker(settings)
    projection = Projection(draining.extensions(hooks, plugins, settings))
    return projection, draining.InAThread(settings, plugins, projection)
