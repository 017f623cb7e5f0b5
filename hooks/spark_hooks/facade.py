"""`Hooks`: what coordinators read. Typed questions with defaults; a plugin's nonsense never comes through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any

from spark_hooks.events import Event, TaskPosted
from spark_hooks.plugins import Plugins
from spark_hooks.records import Advisory, Finding, Prediction, R, Recommendation, sound
from spark_hooks.views import Detector, SwarmView, Touched

_LIMIT = 10


class Hooks:
    """The questions a coordinator may ask, and the door for plugins. No answer raises, but with ``SPARK_STRICT``."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

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
        for plugin, answer in self._plugins.ask("predict", task=task):
            if checked := self._checked(plugin, "predict", [answer], Prediction):
                return checked[0]
        return Prediction(task_id=_id_of(task))

    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None = None) -> list[Recommendation]:
        """Who should get a task, the choice first; `candidates` default to the task's own. Empty when nobody knows."""
        for plugin, answer in self._plugins.ask("recommend", task=task, candidates=candidates):
            checked = self._checked(plugin, "recommend", answer, Recommendation)
            if checked is not None:
                return checked
        return []

    def advisories(
        self, subject: str | None = None, task: TaskPosted | str | None = None, limit: int = _LIMIT
    ) -> list[Advisory]:
        """Advice, most valuable first: all of it, or about one agent or category, or for one task at award time."""
        found: dict[str, Advisory] = {}
        for plugin, answer in self._plugins.ask("advisories", subject=subject, task=task, limit=limit):
            for advisory in self._checked(plugin, "advisories", answer, Advisory) or ():
                found.setdefault(advisory.id, advisory)
        return sorted(found.values(), key=lambda a: (-a.priority, a.id))[: _at_most(limit)]

    def score_importance(self, event: Event) -> float | None:
        """A plugin's importance of `event` in 0..1, or None: the built-in score counts."""
        for plugin, answer in self._plugins.ask("score_importance", event=event):
            if isinstance(answer, int) or (isinstance(answer, float) and math.isfinite(answer)):
                return float(min(1, max(0, answer)))
            self._refuse(plugin, "score_importance", answer)
        return None

    def redact(self, text: str) -> str:
        """`text` after every plugin that redacts has had its turn."""
        return self._plugins.refine("redact", "text", text)

    def detectors(self, taken: Iterable[str] = ()) -> list[Detector]:
        """The detectors that plugins bring; names must differ, among each other and from those `taken`."""
        found: list[Detector] = []
        names = set(taken)
        for plugin, answer in self._plugins.ask("advisory_detectors"):
            try:
                brought = list(answer)
            except Exception as error:
                self._plugins.failed(plugin, "advisory_detectors", error)
                continue
            for detector in brought:
                timed = _timed(detector, plugin, self._plugins)
                if timed is None:
                    self._refuse(plugin, "advisory_detectors", detector)
                elif timed.name in names:  # they would take turns retiring each other's advice
                    self._plugins.failed(plugin, "advisory_detectors", f"there is a {timed.name!r} already")
                else:
                    names.add(timed.name)
                    found.append(timed)
        return found

    def _checked(self, plugin: str, hook: str, answer: object, kind: type[R]) -> list[R] | None:
        """A plugin's records when all of them are what they should be, else None, and the plugin's error is counted."""
        if isinstance(answer, (list, tuple)) and all(isinstance(record, kind) for record in answer):
            try:
                return [sound(record) for record in answer]
            except Exception as error:
                self._plugins.failed(plugin, hook, error)
                return None
        self._refuse(plugin, hook, answer)
        return None

    def _refuse(self, plugin: str, hook: str, answer: object) -> None:
        self._plugins.failed(plugin, hook, f"answered {type(answer).__name__}, which this hook cannot use")


class _Timed:
    """A plugin's detector, under the breaker of its plugin. Its advice stands while it is switched off."""

    def __init__(self, detector: Detector, plugin: str, plugins: Plugins) -> None:
        self.name = detector.name
        if hasattr(detector, "watches"):
            self.watches = frozenset(detector.watches)
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


def _timed(thing: Any, plugin: str, plugins: Plugins) -> _Timed | None:
    """`thing` under the breaker of its plugin; None when it is no detector."""
    try:
        timed = _Timed(thing, plugin, plugins)
        watches = getattr(timed, "watches", ())
        named = isinstance(timed.name, str) and callable(thing.detect)
        named = named and not isinstance(getattr(thing, "watches", ()), str)
        return timed if named and all(isinstance(one, str) for one in watches) else None
    except Exception:
        return None
