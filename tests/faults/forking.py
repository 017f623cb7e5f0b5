"""A process that sends from several threads and forks all the while; its children send too, and end in all the ways.

``python -m tests.faults.forking URL FORKS SECONDS MUTANT``. Two coordinators in it share one store, which they make. At
every other fork one more is just beginning; at the others all that is open is closed, and the child before still lives.
Tells of what was acknowledged, line by line ``id task process/coordinator``, and of trouble in lines that begin with
``!``.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import NoReturn

from spark_hooks import signals
from spark_hooks.bridge import Stamp
from spark_plugin import Settings, Spark, forks, register
from spark_plugin.capture import Capture
from spark_plugin.store import sqlite
from spark_plugin.store.sqlite import SqliteStore, SqliteTransaction

THREADS = 3
PAUSE_S = 0.005
STEP_S = 0.002
"""A fork comes none to four of them after another coordinator has begun: its thread opens the store meanwhile."""
TASKS_OF_A_CHILD = 30


class Swarm:
    """A coordinator."""


class Sender:
    """Sends, and tells of what was acknowledged."""

    def __init__(self, url: str, source: str) -> None:
        self.swarm = Swarm()
        self.spark: Spark = register(self.swarm, settings=Settings(store=url, batch=50), source=source)
        self._source = source

    def send(self, name: str, tasks: int) -> None:
        for n in range(tasks):
            task = f"{name}.{n}"
            self._tell(task, signals.task_posted.send(self.swarm, task_id=task, description="x", candidates=["ada"]))
            self._tell(task, signals.task_assigned.send(self.swarm, task_id=task, agent_id="ada"))
            self._tell(task, signals.task_completed.send(self.swarm, task_id=task, agent_id="ada"))
            time.sleep(PAUSE_S)

    def send_until(self, stop: threading.Event, name: str) -> None:
        for n in itertools.count():
            if stop.is_set():
                return
            self.send(f"{name}.{n}", 1)

    def _tell(self, task: str, answers: list[tuple[object, object]]) -> None:
        [(_, receipt)] = answers
        if receipt.state == "journaled":
            say(f"{receipt.event_id} {task} {os.getpid()}{self._source}")
        else:
            say(f"! {task} was {receipt.state}: {receipt.reason}")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one call a line: several processes write to the same file


def live(senders: Sequence[Sender], n: int) -> NoReturn:
    """A child's life: ask, send from two threads, perhaps fork once more meanwhile, and end in one of three ways."""
    if n % 2:
        senders[0].spark.hooks.recommend("parent0.0.0")
    threads = [
        threading.Thread(target=sender.send, args=(f"child{n}-{k}", TASKS_OF_A_CHILD))
        for k, sender in enumerate(senders)
    ]
    for thread in threads:
        thread.start()
    if n % 4 == 1 and not (grandchild := os.fork()):
        senders[0].send(f"grandchild{n}", TASKS_OF_A_CHILD)
        store_all(senders, f"grandchild {n}")
        os._exit(0)
    if n % 4 == 1 and not ended_well(grandchild, n):
        os._exit(1)
    for thread in threads:
        thread.join()
    if n % 3 == 0:
        os._exit(0)  # as if killed: what is in its journal is drained by the next start
    store_all(senders, f"child {n}")
    if n % 3 == 1:
        sys.exit(0)  # the end of a program that forgot to close
    for sender in senders:
        sender.spark.close()
    os._exit(0)


def store_all(senders: Sequence[Sender], who: str) -> None:
    """All that was sent, in time; a store that is busy with so many others may say so meanwhile."""
    end = time.monotonic() + LIMIT_S / 2
    for sender in senders:
        while not (stored := sender.spark.flush(max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            pass
        if not stored:
            say(f"! {who} could not store what it sent: {sender.spark.trouble}")
            os._exit(1)


def ended_well(child: int, n: int) -> bool:
    """Whether a child did what it should; one that is not done in time hangs."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    say(f"! child {n} hung")
    return False


class StoresFirst(weakref.WeakSet[forks.Open]):
    """What is open, in the order in which a fork may find it that is the harder one; it is chance elsewhere."""

    def __iter__(self) -> Iterator[forks.Open]:
        return iter(sorted(super().__iter__(), key=lambda one: isinstance(one, forks._Use)))


def break_(mutant: str) -> None:
    """Take a part of the guarantee away."""
    if mutant == "connections":
        append, parent = SqliteTransaction.append, os.getpid()
        SqliteStore.hold = lambda self, seconds: True
        SqliteStore.resume = lambda self: None
        SqliteTransaction.append = lambda self, rows: (time.sleep(0.1 * (os.getpid() == parent)), append(self, rows))
    elif mutant == "journal":
        Capture.renew = lambda self: None
    elif mutant == "opening":
        prepare, parent = sqlite._prepare, os.getpid()
        SqliteStore._open = lambda self: self._writing()
        forks._forks._open = StoresFirst()
        sqlite._prepare = lambda db, url: (prepare(db, url), time.sleep(0.03 * (os.getpid() == parent)))
    elif mutant == "ids":
        count = itertools.count()
        Stamp.__call__ = lambda self: (f"everybody-{next(count):08x}", "everybody")
    elif mutant:
        raise ValueError(mutant)


def main(url: str, times: int) -> None:
    senders, stop = [Sender(url, source) for source in ("/one", "/two")], threading.Event()
    threads = [threading.Thread(target=senders[k % 2].send_until, args=(stop, f"parent{k}")) for k in range(THREADS)]
    for thread in threads:
        thread.start()
    before: list[int] = []  # the child that may still live while the next one is forked
    try:
        for n in range(times):
            passing = Sender(url, "/passing") if n and n % 2 == 0 else None  # at first those two make the store
            time.sleep(n % 5 * STEP_S)
            child = os.fork()
            if not child:
                live(senders, n)
            if passing is not None:
                passing.spark.close()
            before.append(child)
            if n and not ended_well(before.pop(0), n - 1):
                break
    finally:
        stop.set()
    for child in before:
        ended_well(child, times - 1)
    for thread in threads:
        thread.join()
    store_all(senders, "the parent")
    for sender in senders:
        sender.spark.close()


if __name__ == "__main__":
    LIMIT_S = float(sys.argv[3])
    break_(sys.argv[4])
    main(sys.argv[1], int(sys.argv[2]))
