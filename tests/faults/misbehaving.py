"""Plugins that do what they should not, in every hook there is."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from spark_hooks import Advisory, Finding, Interval, Prediction, Receipt, Recommendation, hookimpl, specs
from spark_hooks.events import Event, TaskPosted

Act = Callable[..., Any]

HOOKS = [
    name
    for group in (specs.Notifications, specs.Questions, specs.Extensions)
    for name in vars(group)
    if not name.startswith("_")
]


class Wild(BaseException):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class Touchy:
    """Raises whatever is done with it."""

    def _no(self, *_: object, **__: object) -> Any:
        raise ValueError("do not touch me")

    __class__ = property(_no)
    __eq__ = __bool__ = __len__ = __iter__ = __str__ = __repr__ = __getattr__ = __call__ = __float__ = __lt__ = _no
    __hash__ = _no


class TouchyList(list[Any]):
    __iter__ = __len__ = __getitem__ = __repr__ = Touchy._no


class TouchyText(str):
    __str__ = __repr__ = __len__ = __iter__ = __eq__ = encode = isascii = Touchy._no
    __hash__ = str.__hash__


class TouchyInt(int):
    __lt__ = __gt__ = __float__ = __index__ = __int__ = __repr__ = Touchy._no


class TouchyFloat(float):
    __lt__ = __gt__ = __float__ = __repr__ = Touchy._no


def in_a_circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def advisory(**wrong: Any) -> Advisory:
    sound: dict[str, Any] = {
        "id": "a1", "category": "system_health", "priority": 0.5, "title": "", "detail": "", "suggested_action": "",
        "action": {}, "subject": None, "evidence": (), "evidence_count": 0,
    }  # fmt: skip
    return Advisory(**(sound | wrong))


def finding(**wrong: Any) -> Finding:
    sound: dict[str, Any] = {
        "category": "system_health", "title": "", "detail": "", "suggested_action": "", "action": {}, "priority": 0.5,
        "evidence": (), "evidence_count": 0,
    }  # fmt: skip
    return Finding(**(sound | wrong))


class Detecting:
    """A detector that does something else."""

    def __init__(self, act: Act, name: Any = "detecting") -> None:
        self.name = name
        self.detect = act


NONSENSE: list[Callable[[], Any]] = [
    lambda: 0, lambda: -1, lambda: 10**400, lambda: math.nan, lambda: math.inf, lambda: True, lambda: 1j,
    lambda: "text", lambda: "\ud800", lambda: "\0", lambda: b"bytes", lambda: (), set, list, dict, lambda: [1],
    lambda: [None], lambda: {"a": 1}, object, lambda: object, lambda: len, lambda: (n for n in (1, 2)), lambda: (yield),
    itertools.count, in_a_circle, Touchy, TouchyList, lambda: [Touchy()], TouchyText, lambda: TouchyText("text"),
    lambda: TouchyInt(1), lambda: TouchyFloat(0.5), lambda: Receipt("forged", "journaled"),
    lambda: Receipt(5, "no state"),
    lambda: Prediction("t"),
    lambda: Prediction(5, {"ada": "often"}, [], "wide"),
    lambda: Prediction("t", {"ada": math.nan}, {"ada": 17.0}, Interval(2.0, 5.0, 1.0, -math.inf)),
    lambda: Prediction("t", reasoning=TouchyText("x")),
    lambda: Recommendation("ada", 0.5, None, 1.0),
    lambda: [Recommendation("ada", math.nan, math.inf, -1.0)],
    lambda: [Recommendation(None, "no", {}, [])],
    lambda: [Recommendation("ada", 0.5, None, 1.0, Touchy())],
    lambda: [advisory(priority=math.nan)],
    lambda: [advisory(action={"a": in_a_circle()})],
    lambda: [advisory(action={"a": Touchy()})],
    lambda: [advisory(title=5)],
    lambda: [advisory(id=TouchyText("x"))],
    lambda: [advisory(evidence_count=10**400)],
    lambda: TouchyList([advisory()]),
    lambda: [Detecting(lambda view, touched: [finding(priority=math.nan)])],
    lambda: [Detecting(lambda view, touched: [finding(agent=5, action={"a": in_a_circle()})])],
    lambda: [Detecting(lambda view, touched: itertools.repeat(finding()))],
    lambda: [Detecting(lambda view, touched: 5)],
    lambda: [Detecting(lambda view, touched: [Touchy()])],
    lambda: [Detecting(raising(SystemExit(3)))],
    lambda: [Detecting(recursing)],
    lambda: [Detecting(lambda: [], name=Touchy())],
    lambda: [Detecting(lambda view, touched: [], name=TouchyText("touchy"))],
    lambda: itertools.repeat(Detecting(lambda view, touched: [])),
    lambda: [SimpleNamespace(name="no detect")],
    lambda: [Detecting(changing_the_view)],
]  # fmt: skip
"""What no hook should answer, or not in this form; each made anew, because some can be used up."""

ERRORS: list[Callable[[], BaseException]] = [
    lambda: RuntimeError("no"), lambda: OSError(5, "no"), MemoryError, RecursionError, lambda: SystemExit(3),
    StopIteration, GeneratorExit, asyncio.CancelledError, lambda: ValueError("\ud800\0"), Wild,
]  # fmt: skip


def raising(error: BaseException) -> Act:
    def act(*_: object, **__: object) -> Any:
        raise error

    return act


def recursing(*_: object, **__: object) -> Any:
    return recursing()


def hanging(seconds: float) -> Act:
    def act(**_: object) -> None:
        time.sleep(seconds)

    return act


def changing(**given: Any) -> None:
    """Changes everything it is given."""
    for value in given.values():
        if isinstance(value, Event):
            value.extra["by a plugin"] = object()
            value.attributes["byaplugin"] = in_a_circle()
            for inner in value.extra.values():
                if isinstance(inner, (list, dict)):
                    inner.clear()
            for name in ("task_id", "agent_id", "id", "source", "time"):
                if hasattr(value, name):
                    msgspec.structs.force_setattr(value, name, "changed")
            if isinstance(value, TaskPosted):
                msgspec.structs.force_setattr(value, "candidates", in_a_circle())
        elif isinstance(value, list):
            value.clear()


def changing_the_view(view: Any, touched: Any) -> list[Finding]:
    """Changes what a detector may look at, in any way that it finds."""
    for change in (
        lambda: view.agents.clear(),
        lambda: view.agents["ada"].recent_failures.clear(),
        lambda: setattr(view.agents["ada"], "outcomes", 0),
        lambda: setattr(view, "position", 0),
        lambda: view.agents["ada"].observe("forged", True),
        lambda: view.categories.pop("bug"),
        lambda: setattr(view.forecasts, "evaluated", 10**9),
    ):
        try:
            change()
        except Exception:
            continue
    return []


def plugin(act: Act, hooks: Sequence[str]) -> object:
    """A plugin that does the same in several hooks."""

    def implementation(name: str) -> Any:
        def implement(self: object, **given: Any) -> Any:
            return act(**given)

        return _with_arguments(name, implement)

    kind = type("Misbehaving", (), {name: implementation(name) for name in hooks})
    return kind()


def _with_arguments(name: str, implement: Callable[..., Any]) -> Any:
    """A function with the arguments of a hook: pluggy reads them off."""
    groups = (specs.Notifications, specs.Questions, specs.Extensions)
    spec = next(vars(group)[name] for group in groups if name in vars(group))
    arguments = spec.__code__.co_varnames[1 : spec.__code__.co_argcount]
    signature = ", ".join(arguments)
    passed = ", ".join(f"{argument}={argument}" for argument in arguments)
    scope: dict[str, Any] = {"implement": implement}
    exec(f"def {name}(self, {signature}): return implement(self, {passed})", scope)
    return hookimpl(scope[name])


def acts(seconds: float) -> Iterator[tuple[str, Act]]:
    """Everything a plugin may do that it should not, by name."""
    yield from ((f"raises {type(make()).__name__}", raising(make())) for make in ERRORS)
    yield "recurses", recursing
    yield "hangs", hanging(seconds)
    yield "changes what it is given", changing
    yield from ((f"answers {n}", lambda make=make, **_: make()) for n, make in enumerate(NONSENSE))
