"""`Hooks`: what coordinators read. Typed questions with defaults; a plugin's nonsense never comes through."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar, cast

from spark_hooks.errors import meant_for_the_host
from spark_hooks.events import Event, TaskPosted
from spark_hooks.guarded import Guarded
from spark_hooks.plugins import Plugins
from spark_hooks.records import Advisory, Finding, Prediction, R, Recommendation, sound
from spark_hooks.views import Detector, SwarmView, Touched

MAX_DETECTORS = 1000
"""Most detectors taken of one plugin: an iterator may have no end."""
_LIMIT = 10

T = TypeVar("T")


class Hooks:
    """The questions a coordinator may ask, and the door for plugins. No answer raises, but with ``SPARK_STRICT``."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self.silence()

    def silence(self) -> None:
        """Tell nobody of the answers that are given: as it is where nothing is captured."""
        self.recommended: Callable[[str, Sequence[Recommendation]], object] = lambda task_id, found: None
        """Called with every recommendation that is given: the task's id, and the answer."""
        self.handed_out: Callable[[Sequence[Advisory]], object] = lambda advisories: None
        """Called with the advice that `advisories` hands out."""

    def register(self, plugin: object, name: str | None = None) -> str:
        """Take a plugin in; return its name. Raises `InvalidPlugin`, and says why."""
        return self._plugins.register(plugin, name)

    def unregister(self, plugin: object) -> None:
        """Let a plugin go."""
        self._plugins.unregister(plugin)

    @property
    def switched_off(self) -> dict[str, str]:
        """Plugins that were too slow and are not called any more, each with the reason. See `enable`.

        A plugin's calls may take 20 ms, at the 99th percentile of the last 200; its attribute ``spark_budget_s`` says
        otherwise, in seconds.
        """
        return dict(self._plugins.switched_off)

    def enable(self, name: str) -> None:
        """Give a plugin that was switched off another chance."""
        self._plugins.enable(name)

    def predict(self, task: TaskPosted | str) -> Prediction:
        """What to expect of a task, given whole or as the id of a posted one; empty when nobody knows."""
        nothing = Prediction(task_id=_id_of(task))
        return self._safe("predict", nothing, lambda: self._predicted(task, nothing))

    def _predicted(self, task: TaskPosted | str, nothing: Prediction) -> Prediction:
        for plugin, answer in self._plugins.ask("predict", task=task):
            if checked := self._checked(plugin, "predict", [answer], Prediction):
                return checked[0]
        return nothing

    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None = None) -> list[Recommendation]:
        """Who should get a task, the choice first; `candidates` default to the task's own. Empty when nobody knows."""
        nobody: list[Recommendation] = []
        found = self._safe("recommend", nobody, lambda: self._recommended(task, candidates))
        if found:
            self._safe("recommend", None, lambda: self.recommended(_id_of(task), found))
        return found

    def _recommended(self, task: TaskPosted | str, candidates: Sequence[str] | None) -> list[Recommendation]:
        for plugin, answer in self._plugins.ask("recommend", task=task, candidates=candidates):
            checked = self._checked(plugin, "recommend", answer, Recommendation)
            if checked is not None:
                return checked
        return []

    def advisories(
        self, subject: str | None = None, task: TaskPosted | str | None = None, limit: int = _LIMIT
    ) -> list[Advisory]:
        """Advice, most valuable first: all of it, or about one agent or category, or for one task at award time."""
        found: list[Advisory] = self._safe("advisories", [], lambda: self._advice(subject, task, limit))
        self._safe("advisories", None, lambda: self.handed_out(found))
        return found

    def _advice(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        found: dict[str, Advisory] = {}
        for plugin, answer in self._plugins.ask("advisories", subject=subject, task=task, limit=limit):
            for advisory in self._checked(plugin, "advisories", answer, Advisory) or ():
                found.setdefault(advisory.id, advisory)
        return sorted(found.values(), key=lambda a: (-a.priority, a.id))[: _at_most(limit)]

    def score_importance(self, event: Event) -> float | None:
        """A plugin's importance of `event` in 0..1, or None: the built-in score counts."""
        return self._safe("score_importance", None, lambda: self._scored(event))

    def _scored(self, event: Event) -> float | None:
        for plugin, answer in self._plugins.ask("score_importance", event=event):
            score = _number(answer)
            if score is not None:
                return float(min(1, max(0, score)))
            self._refuse(plugin, "score_importance", answer)
        return None

    def redact(self, text: str) -> str:
        """`text` after every plugin that redacts has had its turn."""
        return self._plugins.refine("redact", "text", text)

    def detectors(self, taken: Iterable[str] = ()) -> list[Detector]:
        """The detectors that plugins bring; names must differ, among each other and from those `taken`."""
        return self._safe("advisory_detectors", [], lambda: self._brought(set(taken)))

    def _brought(self, names: set[str]) -> list[Detector]:
        found: list[Detector] = []
        for plugin, answer in self._plugins.ask("advisory_detectors"):
            try:
                brought = list(islice(answer, MAX_DETECTORS))
            except meant_for_the_host():
                raise
            except BaseException as error:
                self._plugins.failed(plugin, "advisory_detectors", error)
                continue
            for detector in brought:
                guarded = _guarded(detector)
                if guarded is None:
                    self._refuse(plugin, "advisory_detectors", detector)
                elif guarded.name in names:  # they would take turns retiring each other's advice
                    self._plugins.failed(plugin, "advisory_detectors", f"there is a {guarded.name!r} already")
                else:
                    names.add(guarded.name)
                    found.append(_Timed(guarded, plugin, self._plugins))
        return found

    def _checked(self, plugin: str, hook: str, answer: object, kind: type[R]) -> list[R] | None:
        """A plugin's records when all of them are what they should be, else None, and the plugin's error is counted."""
        try:
            if issubclass(type(answer), (list, tuple)):
                records = list(cast("Sequence[object]", answer))
                if all(issubclass(type(record), kind) for record in records):
                    return [sound(cast("R", record)) for record in records]
        except meant_for_the_host():
            raise
        except BaseException as error:
            self._plugins.failed(plugin, hook, error)
            return None
        self._refuse(plugin, hook, answer)
        return None

    def _safe(self, hook: str, nothing: T, answer: Callable[[], T]) -> T:
        """What is answered, or nothing, when something of our own failed on the way."""
        try:
            return answer()
        except meant_for_the_host():
            raise
        except BaseException as error:
            if self._plugins.strict:
                raise
            with suppress(Exception):
                self._plugins.failed("spark", hook, error)
            return nothing

    def _refuse(self, plugin: str, hook: str, answer: object) -> None:
        self._plugins.failed(plugin, hook, f"answered {type(answer).__name__}, which this hook cannot use")


class _Timed:
    """A plugin's detector, under the breaker of its plugin. Its advice stands while it is switched off."""

    def __init__(self, detector: Guarded, plugin: str, plugins: Plugins) -> None:
        self.name = detector.name
        if hasattr(detector, "watches"):
            self.watches = detector.watches
        self._detector = detector
        self._plugin = plugin
        self._plugins = plugins

    def detect(self, view: SwarmView, touched: Touched) -> list[Finding]:
        started = perf_counter()
        try:
            return list(self._detector.detect(view, touched))
        finally:
            self._plugins.timed(self._plugin, "detect", perf_counter() - started)


def _id_of(task: Any) -> str:
    """The id of what was asked about; empty for what is no task."""
    try:
        task_id = task if isinstance(task, str) else task.task_id
    except Exception:
        return ""
    return task_id if isinstance(task_id, str) else ""


def _at_most(limit: object) -> int:
    """How many are wanted; as many as by default, where that cannot be told."""
    try:
        return max(int(limit), 0)  # type: ignore[call-overload, no-any-return]
    except Exception:
        return _LIMIT


def _number(answer: object) -> float | None:
    """An answer as a finite number, whatever its own methods say; None when it is none."""
    if issubclass(type(answer), int):
        return int.__pos__(cast("int", answer))
    if issubclass(type(answer), float):
        number = float.__pos__(cast("float", answer))
        return number if math.isfinite(number) else None
    return None


def _guarded(thing: Any) -> Guarded | None:
    """A detector at arm's length; None for what is no detector."""
    try:
        name, watches = thing.name, getattr(thing, "watches", None)
        if not issubclass(type(name), str) or not callable(thing.detect) or isinstance(watches, str):
            return None
        if watches is not None:
            watches = frozenset(watches)
            if not all(isinstance(one, str) for one in watches):
                return None
        return Guarded(thing, str.__str__(name), watches)
    except meant_for_the_host():
        raise
    except BaseException:
        return None
