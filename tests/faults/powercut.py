"""A process that sends with `power` durability, and tells what was acknowledged where the log of its writes has it too.

``python -m tests.faults.powercut FOLDER TASKS END MUTANT``; END is "close" or "die".
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.capture import journal
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.segment import Segment
from spark_plugin.store import sqlite

SECTOR = 512
THREADS = 2


class Recorded:
    """A medium in ordinary memory, whose writes are calls that a log can see.

    As with a mapped file, what was changed may reach the disk before it is synced: `leak` sees to it.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(self._descriptor, 0, size)
        self._memory = bytearray(size)
        self._written = bytes(size)
        self._lock = threading.Lock()
        self.view = memoryview(self._memory)

    def leak(self) -> None:
        """Write what has changed, and do not wait for the disk."""
        with self._lock:
            now = bytes(self._memory)
            for start in range(0, len(now), SECTOR):
                if now[start : start + SECTOR] != self._written[start : start + SECTOR]:
                    os.pwrite(self._descriptor, now[start : start + SECTOR], start)
            self._written = now

    def populate(self, start: int, end: int) -> None: ...

    def sync(self) -> None:
        self.leak()
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        self.leak()
        os.close(self._descriptor)


class Swarm:
    """A coordinator."""


def leaking(name: str) -> None:
    """After this call of a segment's, what it wrote may be on the disk already."""
    real = getattr(Segment, name)

    def leaks(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = real(self, *args, **kwargs)
        if random.random() < 0.7:
            with suppress(OSError):
                self._medium.leak()
        return result

    setattr(Segment, name, leaks)


def small() -> None:
    """Many segments, many batches, many checkpoints, for few events."""
    connect = sqlite._connect

    def connect_and_checkpoint_often(path: Path | None) -> sqlite3.Connection:
        db = connect(path)
        db.execute("PRAGMA wal_autocheckpoint = 40")
        return db

    sqlite._connect = connect_and_checkpoint_often
    journal.SEGMENT_BYTES, journal.MAX_RECORD = 8 << 10, 4 << 10
    Journal.__init__.__kwdefaults__["make"] = Recorded
    for name in ("append", "_note", "release"):
        leaking(name)


def break_(mutant: str) -> None:
    """Take a part of the guarantee away."""
    if mutant == "journal not synced":
        Recorded.sync = Recorded.leak  # type: ignore[method-assign]
    elif mutant == "store not synced":
        init = sqlite.SqliteStore.__init__
        sqlite.SqliteStore.__init__ = lambda self, path, url, **how: init(self, path, url, **(how | {"durable": False}))  # type: ignore[method-assign]
    elif mutant == "wiped before it is noted":
        release = Segment.release
        Segment.release = lambda self, *where, durable=False: release(self, *where)  # type: ignore[method-assign]
    elif mutant == "names not synced":
        journal._sync_directory = lambda directory: None
    elif mutant == "names above not synced":
        sync = journal._sync_directory
        journal._sync_directory = lambda directory: sync(directory) if directory.name.endswith(".capture") else None
    elif mutant:
        raise ValueError(mutant)


def send(swarm: Swarm, told: int, thread: int, tasks: int) -> None:
    for n in range(tasks):
        name = f"{os.getpid()}-{thread}-{n}"
        told_task = {"task_id": name, "description": "x" * random.randrange(300), "candidates": ["ada"]}
        for signal, fields in (
            (signals.task_posted, told_task),
            (signals.task_assigned, {"task_id": name, "agent_id": "ada"}),
            (signals.task_completed, {"task_id": name, "agent_id": "ada"}),
        ):
            [(_, receipt)] = signal.send(swarm, **fields)
            if receipt.state == "journaled":
                os.write(told, f"{receipt.event_id}\n".encode())


def main(folder: Path, tasks: int, end: str) -> None:
    told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    swarm = Swarm()
    store = f"sqlite:///{folder / 'a new' / 'place' / 'spark.db'}"
    spark = register(swarm, settings=Settings(store=store, durability="power", batch=6))
    sending = [threading.Thread(target=send, args=(swarm, told, thread, tasks)) for thread in range(THREADS)]
    for thread in sending:
        thread.start()
    for thread in sending:
        thread.join()
    if end == "die":
        os._exit(0)
    spark.close()


if __name__ == "__main__":
    small()
    break_(sys.argv[4])
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
