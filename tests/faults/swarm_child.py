"""The process behind `tests.faults.swarm_process`: a coordinator with a real `register`.

It takes a command a line, as JSON, and answers each with one line.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.store import sqlite
from spark_plugin.store.sqlite import SqliteStore
from tests.faults.swarm_process import Health, Looped, Sent

AGENTS = ("ada", "bo", "cy", "di")
"""They work for every process."""
EVENTS_A_TASK = 5
TICK_S = 0.005

Life = list[tuple[str, dict[str, Any]]]


class Swarm:
    """A coordinator."""


class Sender:
    """Sends in one thread, and keeps the books."""

    def __init__(self, swarm: Swarm, *, ids: bool = True, measure_every: int = 1) -> None:
        self.sent = Sent(refused=Counter(), refused_types=Counter(), types=Counter())
        self.latencies = array("d")
        self._swarm = swarm
        self._ids = ids
        self._measure_every = measure_every
        self._n = 0

    def send(self, life: Life) -> None:
        """All events of a task."""
        for name, data in life:
            start = time.perf_counter()
            try:
                [(_, receipt)] = signals.SIGNALS[name].send(self._swarm, **data)
            except BaseException as error:
                self.sent.raised.append(repr(error))
                continue
            took = time.perf_counter() - start
            self._n += 1
            if self._n % self._measure_every == 0:
                self.latencies.append(took * 1000)
            self._count(name, data, receipt)

    def send_all(self, lives: Iterator[Life], n: int, seconds: float) -> None:
        """Spread evenly over so many seconds."""
        start = time.perf_counter()
        for i, life in enumerate(lives):
            if (early := start + seconds * i / n - time.perf_counter()) > 0:
                time.sleep(early)
            self.send(life)

    def _count(self, name: str, data: dict[str, Any], receipt: Any) -> None:
        self.sent.types[name] += 1
        if name in ("task_completed", "task_failed"):
            record = self.sent.outcomes.setdefault(data["agent_id"], [0, 0])
            record[0] += name == "task_completed"
            record[1] += 1
        self.sent.last_state = receipt.state
        if receipt.state != "journaled":
            self.sent.refused[f"{receipt.state}: {receipt.reason}"] += 1
            self.sent.refused_types[name] += 1
            return
        self.sent.journaled += 1
        if self._ids:
            self.sent.acknowledged.append(receipt.event_id)


class Child:
    """Does what it is told: each public method is a command."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._rng = random.Random(name)
        self._tasks = 0
        self._opened = 0
        self._count_openings()
        self._swarm = Swarm()
        self._spark = register(self._swarm, settings=settings, source=f"/{name}")

    def send(self, events: int, seconds: float = 0, threads: int = 1, text: int = 100, sparing: bool = False) -> Sent:
        """Send in several threads; `text` is the length of descriptions. `sparing` of memory, no ids are kept and few
        latencies."""
        tasks = events // EVENTS_A_TASK // threads
        senders = [Sender(self._swarm, ids=not sparing, measure_every=20 if sparing else 1) for _ in range(threads)]
        lives = [self._lives(tasks, text) if sparing else iter(list(self._lives(tasks, text))) for _ in senders]
        workers = [
            threading.Thread(target=sender.send_all, args=(own, tasks, seconds))
            for sender, own in zip(senders, lives, strict=True)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return summed(senders, time.perf_counter() - start)

    def loop(self, seconds: float, pause: float = 0.05) -> Looped:
        """An asyncio loop in which tasks send and ask."""
        return asyncio.run(Loop(self._swarm, self._spark.hooks, self._life).run(seconds, pause))

    def flush(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not (done := self._spark.flush(max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            time.sleep(0.002)
        return done

    def health(self) -> Health:
        status, unreadable = {}, None
        try:
            status = self._spark.status()
        except Exception as error:
            unreadable = str(error)
        advice = [one for one in self._spark.hooks.advisories(limit=100) if one.category == "system_health"]
        told = {one.id: f"{one.title}. {one.detail}" for one in advice}
        return Health(self._spark.trouble, status, unreadable, told, self._opened)

    def close(self) -> None:
        self._spark.close()

    def _lives(self, n: int, text: int) -> Iterator[Life]:
        for _ in range(n):
            yield self._life(text)

    def _life(self, text: int = 100) -> Life:
        """A task from its posting over two bids and the award to its outcome."""
        self._tasks += 1
        task = f"{self._name}-{self._tasks}"
        agent, rival = self._rng.sample([*AGENTS, f"{self._name}-own"], 2)
        end = "task_completed" if self._rng.random() < 0.7 else "task_failed"
        posted = {"task_id": task, "description": "x" * text, "candidates": [agent, rival], "category": agent[:1]}
        return [
            ("task_posted", posted),
            ("bid_submitted", {"task_id": task, "agent_id": agent, "bid": 1.0}),
            ("bid_submitted", {"task_id": task, "agent_id": rival, "bid": 2.0}),
            ("task_assigned", {"task_id": task, "agent_id": agent, "bid": 1.0}),
            (end, {"task_id": task, "agent_id": agent}),
        ]

    def _count_openings(self) -> None:
        """Readers open theirs without `create`."""
        begin = SqliteStore.__init__

        def counted(store: SqliteStore, *args: Any, **how: Any) -> None:
            self._opened += how.get("create", True)
            begin(store, *args, **how)

        SqliteStore.__init__ = counted  # type: ignore[method-assign]


class Loop:
    """Coroutines that send, ask and look at the clock."""

    def __init__(self, swarm: Swarm, hooks: Any, life: Callable[[], Life]) -> None:
        self._sender = Sender(swarm)
        self._hooks = hooks
        self._life = life
        self._calls: dict[str, array[float]] = {"send": self._sender.latencies}
        self._worst_gap = 0.0
        self._answered = 0
        self._newest = ""
        self._end = 0.0

    async def run(self, seconds: float, pause: float) -> Looped:
        self._hooks.recommend("the first", ["ada", "bo"])  # loads what all others need
        self._end = time.monotonic() + seconds
        await asyncio.gather(self._tick(), self._send(pause), self._send(pause), self._ask(pause), self._ask(pause))
        sent = self._sender.sent
        calls = {name: sorted(took) for name, took in self._calls.items()}
        return Looped(calls, self._worst_gap, sent.acknowledged, sent.refused, sent.raised, self._answered)

    async def _tick(self) -> None:
        while time.monotonic() < self._end:
            start = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self._worst_gap = max(self._worst_gap, (time.perf_counter() - start - TICK_S) * 1000)

    async def _send(self, pause: float) -> None:
        while time.monotonic() < self._end:
            life = self._life()
            self._newest = life[0][1]["task_id"]
            self._sender.send(life)
            await asyncio.sleep(pause)

    async def _ask(self, pause: float) -> None:
        """About everything, about what is known, and about the task sent last: the store does not have it yet."""
        while time.monotonic() < self._end:
            for name, ask in {
                "advisories": lambda: self._hooks.advisories(),
                "predict": lambda: self._hooks.predict(self._newest).success,
                "predict a stranger": lambda: self._hooks.predict("never posted").success,
                "recommend": lambda: self._hooks.recommend(self._newest, ["ada", "bo"]),
            }.items():
                start = time.perf_counter()
                answer = ask()
                self._calls.setdefault(name, array("d")).append((time.perf_counter() - start) * 1000)
                self._answered += bool(answer)
                await asyncio.sleep(0)
            await asyncio.sleep(pause)


def summed(senders: list[Sender], seconds: float) -> Sent:
    """The books of several threads in one."""
    total = Sent(refused=Counter(), refused_types=Counter(), types=Counter(), seconds=seconds)
    for sender in senders:
        part = sender.sent
        total.journaled += part.journaled
        total.acknowledged += part.acknowledged
        total.raised += part.raised
        total.last_state = part.last_state
        for into, of in (
            (total.refused, part.refused),
            (total.refused_types, part.refused_types),
            (total.types, part.types),
        ):
            into.update(of)  # type: ignore[arg-type]
        for agent, record in part.outcomes.items():
            known = total.outcomes.get(agent, [0, 0])
            total.outcomes[agent] = [a + b for a, b in zip(known, record, strict=True)]
        total.latencies += sender.latencies
    total.latencies.sort()
    return total


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1])
    sqlite.BUSY_S = plan["busy_s"]
    if plan["mutant"]:
        module, name = plan["mutant"].split(":")
        getattr(importlib.import_module(f"tests.faults.{module}"), name)()
    if plan["wait"]:
        sys.stdin.readline()
    child = Child(plan["name"], Settings(**plan["settings"]))
    for line in sys.stdin:
        command = msgspec.json.decode(line)
        answer = getattr(child, command.pop("do"))(**command)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
