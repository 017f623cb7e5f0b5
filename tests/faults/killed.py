"""A process that sends, tells what was acknowledged, and is killed: from outside, or by itself at a step of its own.

``python -m tests.faults.killed PLAN``, the plan as JSON. It writes a line ``id task`` for each event acknowledged, and
lines that begin with ``!`` to say how far it is. Without a plan it is a nursery: it reads plans, line by line, forks a
process for each, and writes how that ended; so none of them has to import everything anew.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from spark_hooks import signals
from spark_plugin import Settings, Spark, register
from spark_plugin.capture import carrier, dead, journal
from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.dead import DeadSet
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.segment import Segment
from spark_plugin.projection import Projection, projection
from spark_plugin.store import damage
from spark_plugin.store.sqlite import SqliteStore, SqliteTransaction

mend = sys.modules["spark_plugin.capture.mend"]  # by its name one gets the function

STEPS: dict[str, tuple[Any, str, str]] = {
    "before begin": (SqliteStore, "_begun", "before"),
    "after begin": (SqliteStore, "_begun", "after"),
    "after known": (SqliteTransaction, "known", "after"),
    "after begin of projection": (Projection, "begin", "after"),
    "after project": (Projection, "project", "after"),
    "before append": (SqliteTransaction, "append", "before"),
    "after append": (SqliteTransaction, "append", "after"),
    "after derive": (SqliteTransaction, "derive", "after"),
    "after publish": (SqliteTransaction, "publish", "after"),
    "after snapshot": (SqliteTransaction, "save_snapshot", "after"),
    "before commit": (Projection, "finish", "after"),
    "after commit": (carrier, "ingest", "after"),
    "before release": (Journal, "release", "before"),
    "between note and wipe": (Segment, "_note", "after"),
    "after release": (Journal, "release", "after"),
    "before removal of a segment": (Segment, "remove", "before"),
    "after removal of a segment": (Segment, "remove", "after"),
    "making a segment": (journal, "Segment", "after"),
    "in close, before the last snapshot": (Carrier, "close", "before"),
    "in close, after the last snapshot": (Projection, "rest", "after"),
    "in close, before the journal": (Journal, "close", "before"),
    "in close, before its lock goes": (journal, "lock_path", "before"),
}
"""Where a process may kill itself: before or after a function's n-th call."""

RECOVERY = {
    "recovery: before anything": (Carrier, "recover", "before"),
    "recovery: after a batch": (carrier, "ingest", "after"),
    "recovery: before the set is removed": (DeadSet, "remove", "before"),
    "recovery: among its files": (dead, "is_ours", "after"),
    "recovery: before the lock goes": (dead, "lock_path", "before"),
    "recovery: after the set is removed": (DeadSet, "remove", "after"),
}
"""The same while the journal of a dead process is drained."""

MENDING = {
    "mending: before it is looked at": (mend, "is_damaged", "before"),
    "mending: among the events": (mend, "encode", "after"),
    "mending: before the salvage is closed": (Journal, "close", "before"),
    "mending: before it is set aside": (mend, "set_aside", "before"),
    "mending: between its files": (damage.Path, "rename", "after"),
    "mending: after it is set aside": (mend, "set_aside", "after"),
}
"""The same while a damaged store is set aside."""


class Plan(msgspec.Struct, kw_only=True):
    """What the process does, and where it ends.

    `tasks`: how many each thread sends; None sends without end. With `sends_first`, nothing is stored before.
    """

    url: str
    name: str
    threads: int = 1
    tasks: int | None = None
    batch: int = 25
    pause_s: float = 0.001
    small_segments: bool = False
    sends_first: bool = False
    closes_after: int | None = None
    step: str = ""
    nth: int = 1
    mutant: str = ""
    output: str = ""


class Swarm:
    """A coordinator."""


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(where: tuple[Any, str, str], nth: int) -> None:
    """Have this process kill itself before or after the n-th call of a function."""
    owner, name, when = where
    real: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == nth
        if last and when == "before":
            die()
        result = real(*args, **kwargs)
        if last:
            die()
        return result

    setattr(owner, name, deadly)


def send(swarm: Swarm, spark: Spark, plan: Plan, thread: int) -> None:
    for n in itertools.count() if plan.tasks is None else range(plan.tasks):
        task = f"{plan.name}-{thread}-{n}"
        agent = "ada" if n % 3 else "bo"
        end = signals.task_failed if n % 5 == 0 else signals.task_completed
        told = {"task_id": task, "agent_id": agent}
        tell(task, signals.task_posted.send(swarm, task_id=task, description="x" * 200, candidates=["ada", "bo"]))
        tell(task, signals.task_assigned.send(swarm, bid=1.0 + n % 7, **told))
        tell(task, end.send(swarm, cost=2.0, **told))
        time.sleep(plan.pause_s)
        if plan.closes_after == n and thread == 0:
            say("!closing")
            spark.close()
            say("!closed")
            return


def tell(task: str, answers: list[Any]) -> None:
    """Say what was acknowledged; after the end there is nobody to answer."""
    for _, receipt in answers:
        if receipt.state == "journaled":
            say(f"{receipt.event_id} {task}")


def acknowledged_too_early() -> None:
    """Records go into the journal some time after `append` has returned."""
    append = Journal.append
    late: list[tuple[Journal, bytes]] = []

    def append_later(self: Journal, payload: bytes) -> None:
        late.append((self, payload))
        while len(late) > 20:
            append(*late.pop(0))

    Journal.append = append_later  # type: ignore[method-assign]


def forgotten_too_early() -> None:
    """The journal forgets what was read before it is stored."""
    read = Journal.read

    def read_and_forget(self: Journal, limit: int) -> tuple[list[bytes], int]:
        payloads, end = read(self, limit)
        self.release(end)
        return payloads, end

    Journal.read = read_and_forget  # type: ignore[method-assign]


def two_transactions() -> None:
    """Events are committed before the read models are written."""
    append = SqliteTransaction.append

    def append_and_commit(self: SqliteTransaction, rows: Any) -> None:
        append(self, rows)
        self._rows("COMMIT")
        time.sleep(0.05)
        self._rows("BEGIN IMMEDIATE")

    SqliteTransaction.append = append_and_commit  # type: ignore[method-assign]


def nothing_is_known() -> None:
    """Nobody asks what is stored already."""
    SqliteTransaction.known = lambda self, keys: set()  # type: ignore[method-assign]


def removed_before_it_is_stored() -> None:
    """The files of the dead go before what is in them is stored."""

    def remove_and_read(self: DeadSet) -> Any:
        records = list(read(self))
        for path in self._segments():
            path.unlink()
        yield from records

    read = DeadSet.records
    DeadSet.records = remove_and_read  # type: ignore[method-assign]


def set_aside_before_it_is_read() -> None:
    """A damaged store is set aside with all that could be read of it."""
    mend._salvage = lambda path, directory: 0  # type: ignore[assignment]


MUTANTS: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "acknowledged too early": acknowledged_too_early,
    "forgotten too early": forgotten_too_early,
    "two transactions": two_transactions,
    "nothing is known": nothing_is_known,
    "removed before it is stored": removed_before_it_is_stored,
    "set aside before it is read": set_aside_before_it_is_read,
}


def main(plan: Plan) -> None:
    if plan.small_segments:
        journal.SEGMENT_BYTES, journal.MAX_RECORD = 16 << 10, 8 << 10
    projection.SNAPSHOT_EVERY = 60
    MUTANTS[plan.mutant]()
    sent = threading.Event()
    if plan.sends_first:
        read = Journal.read
        Journal.read = lambda self, n: read(self, n) if sent.is_set() else ([], 0)  # type: ignore[method-assign]
    if plan.step:
        die_at({**STEPS, **RECOVERY, **MENDING}[plan.step], plan.nth)
    say("!begins")
    swarm = Swarm()
    spark = register(swarm, settings=Settings(store=plan.url, batch=plan.batch), source="/swarm")
    threads = [threading.Thread(target=send, args=(swarm, spark, plan, n)) for n in range(plan.threads)]
    for thread in threads:
        thread.start()
    while not spark.ingested.stored and any(thread.is_alive() for thread in threads):
        time.sleep(0.002)
    say("!stores")
    for thread in threads:
        thread.join()
    sent.set()
    spark.flush(30)
    spark.close()


def nursery() -> None:
    for line in sys.stdin.buffer:
        plan = msgspec.json.decode(line, type=Plan)
        process = os.fork()
        if not process:
            signal.alarm(60)  # whatever happens
            os.dup2(os.open(plan.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
            main(plan)
            return
        say(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(msgspec.json.decode(sys.argv[1], type=Plan))
    else:
        nursery()
