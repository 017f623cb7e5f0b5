"""What a sender pays: the hook path, and how late its event loop wakes, beside the same without Spark."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

import blinker
import pluggy
from lives import lives, quantiles, ratios

from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.projection.projector import Projector

WORKERS = ("thread", "process", "external")
TICK_S = 0.001

Send = Callable[[str, dict[str, Any]], object]


class Swarm:
    """A coordinator."""


@contextmanager
def bare() -> Iterator[Send]:
    """blinker and pluggy with a plugin that does nothing: what any plugin of this kind costs at the least."""
    spec, impl = pluggy.HookspecMarker("bare"), pluggy.HookimplMarker("bare")

    class Specs:
        @spec
        def heard(self, event: object, coordinator: object) -> None: ...

    class Nothing:
        @impl
        def heard(self, event: object, coordinator: object) -> None: ...

    manager = pluggy.PluginManager("bare")
    manager.add_hookspecs(Specs)
    manager.register(Nothing())
    sender, signal = Swarm(), blinker.Signal()

    def receive(sender: object, /, **fields: object) -> object:
        return manager.hook.heard(event=fields, coordinator=sender)

    signal.connect(receive, sender=sender, weak=False)
    yield lambda name, data: signal.send(sender, **data)


@contextmanager
def spark(worker: str) -> Iterator[Send]:
    """Spark registered, warmed up, its drainer and projection running; all that was sent is stored in the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        settings = Settings(store=f"sqlite:///{folder}/spark.db", worker=worker)  # type: ignore[arg-type]
        if worker == "external":
            stack.enter_context(running_worker(settings.store))
        swarm = Swarm()
        face = stack.enter_context(register(swarm, settings=settings))
        for name, data in lives(600):
            signals.SIGNALS[name].send(swarm, **data)
        assert face.flush(60), face.trouble
        yield lambda name, data: signals.SIGNALS[name].send(swarm, **data)
        assert face.flush(600), face.trouble


@contextmanager
def running_worker(store: str) -> Iterator[None]:
    """A `spark worker`."""
    command = [sys.executable, "-m", "spark_plugin", "worker", "--store", store]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def timed(send: Send, n: int, pause_s: float) -> dict[str, float]:
    """Quantiles of one send, in microseconds."""
    took = []
    gc.collect()
    for name, data in lives(n):
        started = time.perf_counter_ns()
        send(name, data)
        took.append((time.perf_counter_ns() - started) / 1000)
        if pause_s:
            time.sleep(pause_s)
    return quantiles(took)


def lateness(send: Send, n: int) -> dict[str, float]:
    """How late a loop with a timer of a millisecond wakes that sends one event at each tick, in microseconds."""
    late = []
    due = time.perf_counter() + TICK_S
    for name, data in lives(n):
        time.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        late.append((now - due) * 1e6)
        send(name, data)
        due = max(due + TICK_S, now)
    return quantiles(late)


def hook_path(events: int, rounds: int, workers: tuple[str, ...] = WORKERS) -> dict[str, Any]:
    """Sends, in a burst and at 1,000 a second, for each kind of worker: the medians of some rounds, side by side."""
    found: dict[str, Any] = {}
    for kind, n, pause in (("burst", events, 0.0), ("steady", events // 4, TICK_S)):
        found[kind] = _side_by_side(lambda send, n=n, pause=pause: timed(send, n, pause), rounds, workers)
    return found


def wake_ups(events: int, rounds: int) -> dict[str, Any]:
    """The lateness of the host's wake-ups, for each kind of worker."""
    return _side_by_side(lambda send: lateness(send, events), rounds, WORKERS)


def slowed(microseconds: float) -> None:
    """Let the projection work so much longer per event, holding the interpreter as real work would."""
    take = Projector.take

    def slow(self: Projector, *args: Any, **more: Any) -> float:
        end = time.perf_counter_ns() + microseconds * 1000
        score = take(self, *args, **more)
        while time.perf_counter_ns() < end:
            pass
        return score

    Projector.take = slow  # type: ignore[method-assign]


def _side_by_side(measure: Callable[[Send], dict[str, float]], rounds: int, workers: tuple[str, ...]) -> dict[str, Any]:
    """`measure` of the bare dispatch and of each worker, in turns; medians over the rounds, and ratios of these."""
    every: dict[str, list[dict[str, float]]] = {name: [] for name in ("bare", *workers)}
    for _ in range(rounds):
        for name, results in every.items():
            with bare() if name == "bare" else spark(name) as send:
                results.append(measure(send))
    found = {name: {q: round(median(one[q] for one in all_), 2) for q in all_[0]} for name, all_ in every.items()}
    return {**found, "ratios": {name: ratios(found[name], found["bare"]) for name in workers}}
