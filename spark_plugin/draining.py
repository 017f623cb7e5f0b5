"""Who drains the journal, put together from its parts: a thread of this process, a child of it, a worker elsewhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

import msgspec

from spark_advisor import HoldOut, built_in
from spark_hooks import Hooks
from spark_hooks.plugins import Plugins
from spark_hooks.specs import Extensions as ExtensionSpecs
from spark_plugin.capture import (
    Carrier,
    Child,
    Drainer,
    Journal,
    JournalTerms,
    Keeper,
    Somebody,
    Worker,
    journal_directory,
)
from spark_plugin.errors import StoreUnavailable
from spark_plugin.projection import Extensions, Projection
from spark_plugin.settings import Settings
from spark_plugin.store import absolute, open_store

Totals = Mapping[str, int]


def plugins_for(settings: Settings) -> Plugins:
    """The plugins of a process that captures: where a worker drains, what it calls cannot be registered here."""
    elsewhere = () if settings.worker == "thread" else [name for name in vars(ExtensionSpecs) if name[0] != "_"]
    return Plugins(strict=settings.strict, elsewhere=elsewhere)


def terms(settings: Settings) -> JournalTerms:
    """What the journal of a process promises."""
    return JournalTerms(
        settings.durability == "power", settings.journal_max_bytes, settings.on_full, settings.worker != "thread"
    )


class InAThread:
    """This process drains its own journal."""

    def __init__(self, settings: Settings, plugins: Plugins, projection: Projection) -> None:
        self._settings = settings
        self._plugins = plugins
        self._projection = projection

    def begin(self, journal: Journal, tallies: Callable[[], Totals], told: Totals) -> Drainer:
        carrier = _carrier(self._settings, self._plugins, self._projection)
        return Drainer(journal, carrier, tallies=tallies, told=told)

    def renew(self, wake: Callable[[], object]) -> None:
        self._projection.renew(wake)


class InAWorker:
    """A worker drains it: a child of this process, or one that somebody else runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def begin(self, journal: Journal, tallies: Callable[[], Totals], told: Totals) -> Keeper:
        staff = Child(_environment(self._settings)) if self._settings.worker == "process" else Somebody()
        return Keeper(journal, staff, tallies=tallies, told=told)

    def renew(self, wake: Callable[[], object]) -> None: ...


def worker_for(settings: Settings, parent: int | None = None) -> Worker:
    """A worker for all processes that leave the draining to one, until SIGTERM, SIGINT, or the end of the parent.

    From here on the signals are the worker's: one that comes before it runs ends it as well.

    Raises `StoreError` for a URL that is none, or a directory that cannot be used.
    """
    directory = journal_directory(settings.store)
    plugins = Plugins(strict=settings.strict)
    projection = Projection(extensions(Hooks(plugins), plugins, settings))
    plugins.load_entry_points()
    try:
        worker = Worker(
            directory,
            _carrier(settings, plugins, projection),
            wanted=lambda: parent is None or os.getppid() == parent,
            tallies=lambda: {"plugin_errors": plugins.errors.total()},
        )
    except OSError as error:
        where = f"the journal directory {directory}"
        raise StoreUnavailable(settings.store, f"{where} cannot be used: {error.strerror or error}") from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    return worker


def extensions(hooks: Hooks, plugins: Plugins, settings: Settings) -> Extensions:
    """What plugins and settings change in the projection, kept up to date as plugins come and go."""
    holdout = HoldOut(settings.holdout, settings.seed)
    found = Extensions(score_importance=hooks.score_importance, failed=plugins.failed, holdout=holdout)

    def look_again() -> None:
        own = built_in()
        found.detectors = [*own, *hooks.detectors(taken=[detector.name for detector in own])]

    look_again()
    plugins.changed = look_again
    return found


def _carrier(settings: Settings, plugins: Plugins, projection: Projection) -> Carrier:
    redact = Hooks(plugins).redact
    return Carrier(
        journal_directory(settings.store),
        lambda durable: open_store(settings.store, durable=durable),
        projection,
        batch=settings.batch,
        durable=settings.durability == "power",
        redact=lambda: redact if plugins.implemented("redact") else None,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as a child process reads them, whatever its environment and directory say."""
    values = msgspec.to_builtins(msgspec.structs.replace(settings, store=absolute(settings.store)))
    return {f"SPARK_{name.upper()}": str(value) for name, value in values.items()}
