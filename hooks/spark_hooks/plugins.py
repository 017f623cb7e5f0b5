"""The plugins of one Spark: registration with its rules, and the guarded calls.

pluggy keeps the registry and checks signatures; the calls are our own, because pluggy's call loop stops at the first
implementation that raises.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import pluggy

from spark_hooks import specs
from spark_hooks.breaker import BUDGET_S, Breaker
from spark_hooks.errors import InvalidPlugin, meant_for_the_host
from spark_hooks.events import CustomEvent, Event, apart
from spark_hooks.records import Receipt

log = logging.getLogger("spark.hooks")

WITHHELD = "[withheld: redaction failed]"
"""What is stored in place of a text that a plugin should have redacted and could not."""

_EVENT_ALONE = ("event",)
_NEVER_OFF = "redact"
"""A plugin that was switched off still redacts: what it would have taken out must not be stored."""
_NEVER_TIMED = "advisory_detectors"
"""Asked when plugins come and go, not on an event's way: to make detectors may take its time."""


class Call(NamedTuple):
    """One implementation of one hook. Without a breaker it may take its time."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    breaker: Breaker | None


class Plugins:
    """Holds the plugins and calls them in isolation, from errors and from slowness.

    `errors` counts what went wrong, by ``plugin.hook``. With `strict`, errors are raised as well. `elsewhere`: hooks
    that another process calls, which has the installed plugins only.
    """

    def __init__(self, *, strict: bool = False, elsewhere: Iterable[str] = ()) -> None:
        self.strict = strict
        self._elsewhere = frozenset(elsewhere)
        self.changed: Callable[[], None] = lambda: None
        """Called after a plugin came or went."""
        self.errors: Counter[str] = Counter()
        self.switched_off: dict[str, str] = {}
        """Plugins that were too slow, each with what its breaker saw, in words."""
        self._breakers: dict[str, Breaker | None] = {}
        self._manager = pluggy.PluginManager(specs.PROJECT)
        for group in (specs.Notifications, specs.Questions, specs.Extensions):
            self._manager.add_hookspecs(group)
        self._names = sorted(vars(self._manager.hook))
        self._calls: dict[str, tuple[Call, ...]] = dict.fromkeys(self._names, ())

    def register(self, plugin: object, name: str | None = None, *, trusted: bool = False) -> str:
        """Take a plugin in; return its name. One that is `trusted` is never timed, nor switched off.

        Raises `InvalidPlugin` for a class instead of an object, a coroutine function, a hook wrapper, an unknown hook
        name, an argument the hook does not have, a plugin that is in already, or a hook that another process calls.
        """
        return self._take_in(plugin, name, self._elsewhere, trusted=trusted)

    def _take_in(self, plugin: object, name: str | None, elsewhere: frozenset[str], *, trusted: bool = False) -> str:
        label = name or _label(plugin)
        if plugin is None or inspect.isclass(plugin):
            raise InvalidPlugin(label, "it is nothing" if plugin is None else "it is a class; register an object of it")
        while self._manager.has_plugin(label):
            if self._manager.get_plugin(label) is plugin:
                raise InvalidPlugin(label, "it is registered already")
            label += "'"
        try:
            self._manager.register(plugin, label)
            self._refuse_unfit(plugin, label, elsewhere)
            self._manager.check_pending()
        except InvalidPlugin:
            self._drop(label)
            raise
        except Exception as error:  # a stranger's attribute may raise anything when it is looked at
            self._drop(label)
            raise InvalidPlugin(label, str(error)) from error
        self.switched_off.pop(label, None)  # another of that name, whose last call ended after it had gone
        self._breakers[label] = None if trusted else Breaker(_budget(plugin))
        self._recompile()
        return label

    def unregister(self, plugin: object) -> None:
        """Let a plugin go; unknown ones are ignored."""
        if self._manager.is_registered(plugin):
            name = self._manager.get_name(plugin) or ""
            self._manager.unregister(plugin)
            self.switched_off.pop(name, None)
            self._breakers.pop(name, None)
            self._recompile()

    def enable(self, name: str) -> None:
        """Give a plugin that was switched off another chance; ones that were not are left as they are."""
        if self.switched_off.pop(name, None) is not None:
            breaker = self._breakers.get(name)
            self._breakers[name] = None if breaker is None else Breaker(breaker.budget_s)
            self._recompile()

    def load_entry_points(self) -> None:
        """Take in every plugin that an installed distribution names in the entry-point group ``spark``."""
        for entry in importlib.metadata.entry_points(group=specs.PROJECT):
            try:
                plugin = entry.load()
                self._take_in(plugin() if inspect.isclass(plugin) else plugin, entry.name, frozenset())
            except meant_for_the_host():
                raise
            except BaseException as error:
                self.failed(entry.name, "load", error)

    def notify(self, event: Event, coordinator: object) -> Receipt | None:
        """Tell everybody of an event; the first `Receipt` among the answers is the answer.

        Those who are trusted are given the event itself; each of the others a copy that it may change.
        """
        receipt: Receipt | None = None
        hook = "custom" if isinstance(event, CustomEvent) else event.type
        for call in self._calls["event_captured"]:
            answer = self._told(call, event, coordinator)
            if receipt is None and type(answer) is Receipt:  # isinstance would ask the answer itself
                receipt = answer
        for call in self._calls[hook]:
            self._told(call, event, coordinator)
        return receipt

    def ask(self, hook: str, **values: object) -> Iterator[tuple[str, Any]]:
        """(plugin, answer) of each plugin with something to say, the last registered first; lazily, one by one."""
        for call in reversed(self._calls[hook]):
            answer = self._guarded(call, values)
            if answer is not None:
                yield call.plugin, answer

    def refine(self, hook: str, argument: str, value: str) -> str:
        """`value` after every plugin in turn, in registration order; None leaves it as it is.

        It fails closed: where a plugin raises or answers no text, what it would have taken out is still in there, so
        the whole is `WITHHELD`. The error is told by its type alone, because its text may quote the value.
        """
        for call in self._calls[hook]:
            try:
                answer = call.function(*[value for _ in call.arguments])
            except meant_for_the_host():
                raise
            except BaseException as error:
                told = error if self.strict else f"{type(error).__name__} was raised; the text is withheld"
                self.failed(call.plugin, hook, told)
                return WITHHELD
            if issubclass(type(answer), str):
                value = str.__str__(answer)
            elif answer is not None:
                self.failed(call.plugin, hook, f"answered {type(answer).__name__} instead of text; it is withheld")
                return WITHHELD
        return value

    def implemented(self, hook: str) -> bool:
        """Whether any plugin implements `hook`."""
        return bool(self._calls[hook])

    def failed(self, plugin: str, hook: str, error: BaseException | str) -> None:
        """Count an error of a plugin's and log it: the 1st, 2nd, 4th, 8th … so that logs stay readable."""
        key = f"{plugin}.{hook}"
        self.errors[key] += 1
        count = self.errors[key]
        if count & (count - 1) == 0:
            cause = error if isinstance(error, BaseException) else None
            log.warning("plugin %s failed in %s (%d times so far): %s", plugin, hook, count, error, exc_info=cause)
        if self.strict:
            raise error if isinstance(error, BaseException) else TypeError(f"{key}: {error}")

    def _told(self, call: Call, event: Event, coordinator: object) -> Any:
        """`_guarded` for notifications, which are many: no mapping is made where the event alone is wanted."""
        if call.arguments != _EVENT_ALONE or call.breaker is not None:
            return self._guarded(call, {"event": event, "coordinator": coordinator})
        try:
            return call.function(event)
        except meant_for_the_host():
            raise
        except BaseException as error:
            self.failed(call.plugin, call.hook, error)
            return None

    def _guarded(self, call: Call, values: dict[str, object]) -> Any:
        started = perf_counter()
        try:
            trusted = call.breaker is None
            return call.function(*[values[name] if trusted else _own(values[name]) for name in call.arguments])
        except meant_for_the_host():
            raise
        except BaseException as error:  # a plugin that exits or is cancelled is a plugin that failed
            self.failed(call.plugin, call.hook, error)
            return None
        finally:
            if call.breaker is not None:
                self.timed(call.plugin, call.hook, perf_counter() - started)

    def timed(self, plugin: str, hook: str, seconds: float) -> None:
        """Take in how long something of a plugin's took; a plugin that is too slow too often is switched off."""
        breaker = self._breakers.get(plugin)
        if breaker is not None and breaker.trips(seconds) and plugin not in self.switched_off:
            slow = (
                f"more than 1 of 100 calls take over {breaker.budget_s * 1000:g} ms, the last one {seconds * 1000:.0f}"
            )
            self.switched_off[plugin] = slow
            log.warning("plugin %s is switched off: %s; spark.hooks.enable(%r) lets it in again", plugin, slow, plugin)
            self._recompile()
            self.errors[f"{plugin}.{hook}"] += 1

    def _refuse_unfit(self, plugin: object, label: str, elsewhere: frozenset[str]) -> None:
        for hook, impl in self._implementations(plugin):
            if hook in elsewhere:
                reason = "is called by the worker, which has installed plugins only: give it an entry point"
                raise InvalidPlugin(label, f"{hook} {reason} in the group {specs.PROJECT!r}")
            if inspect.iscoroutinefunction(impl.function) or inspect.isasyncgenfunction(impl.function):
                raise InvalidPlugin(label, f"{hook} is a coroutine function; hooks are called without waiting")
            if impl.hookwrapper or impl.wrapper:
                raise InvalidPlugin(label, f"{hook} is a hook wrapper; Spark isolates each call and has none")

    def _implementations(self, plugin: object) -> Iterator[tuple[str, pluggy.HookImpl]]:
        for caller in self._manager.get_hookcallers(plugin) or ():
            yield from ((caller.name, impl) for impl in caller.get_hookimpls() if impl.plugin is plugin)

    def _drop(self, label: str) -> None:
        if self._manager.has_plugin(label):
            self._manager.unregister(name=label)

    def _recompile(self) -> None:
        """Lay out the calls in registration order; pluggy's tryfirst and trylast have no say in notifications."""
        plugins = {name: place for place, (name, _) in enumerate(self._manager.list_name_plugin())}
        for hook in self._names:
            impls = getattr(self._manager.hook, hook).get_hookimpls()
            if hook not in vars(specs.Questions):
                impls = sorted(impls, key=lambda impl: plugins[impl.plugin_name])
            self._calls[hook] = tuple(
                Call(
                    i.plugin_name,
                    hook,
                    i.function,
                    i.argnames,
                    None if hook == _NEVER_TIMED else self._breakers.get(i.plugin_name),
                )
                for i in impls
                if i.plugin_name not in self.switched_off or hook == _NEVER_OFF
            )
        self.changed()


def _budget(plugin: object) -> float:
    """What a plugin says its calls may take, in seconds; the default where it says nothing that can be used."""
    try:
        said = getattr(plugin, "spark_budget_s", None)
        return float(said) if isinstance(said, (int, float)) and said > 0 else BUDGET_S
    except Exception:  # a stranger's attribute may raise anything when it is looked at
        return BUDGET_S


def _label(plugin: object) -> str:
    """What a plugin is called that was not given a name."""
    try:
        said = getattr(plugin, "__name__", None)
        return said if isinstance(said, str) and said else type(plugin).__name__
    except Exception:
        return type(plugin).__name__


def _own(value: object) -> object:
    """An argument that the plugin may change without anybody else's knowing."""
    if isinstance(value, Event):
        return apart(value)
    return list(value) if type(value) is list else value
