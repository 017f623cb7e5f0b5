"""A swarm in a process of its own, told line by line what to do: for faults that a test cannot have in its own process.

`SwarmProcess` is the handle to it; the process itself runs `tests.faults.swarm_child`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from spark_plugin.store.sqlite import BUSY_S

ROOT = Path(__file__).parents[2]
LONGEST_S = 600.0


class Sent(msgspec.Struct):
    """What came of sending. Latencies are of single sends, in milliseconds."""

    journaled: int = 0
    acknowledged: list[str] = []
    """The ids of those, where they were asked for."""
    refused: dict[str, int] = {}
    """By state and reason of the receipt."""
    refused_types: dict[str, int] = {}
    last_state: str = ""
    """Of the last receipt."""
    raised: list[str] = []
    types: dict[str, int] = {}
    """What was sent, by type."""
    outcomes: dict[str, list[int]] = {}
    """[successes, outcomes] by agent."""
    latencies: list[float] = []
    """Sorted."""
    seconds: float = 0.0

    @property
    def worst(self) -> float:
        return self.latencies[-1]

    def quantile(self, p: float) -> float:
        return self.latencies[min(int(p * len(self.latencies)), len(self.latencies) - 1)]


class Health(msgspec.Struct):
    """What a swarm can know of its Spark."""

    trouble: str | None
    status: dict[str, Any]
    """Empty where it could not be had."""
    unreadable: str | None
    """Why not."""
    advice: dict[str, str]
    """Advisories of the category system_health: title and detail by id."""
    opened: int
    """How often the store was opened to be written."""


class Looped(msgspec.Struct):
    """What an asyncio loop went through, in milliseconds."""

    calls: dict[str, list[float]]
    """How long each call of Spark's kept the loop, by what was called; sorted."""
    worst_gap: float
    """The longest time in which the loop did not come round, whoever's doing that was."""
    acknowledged: list[str]
    refused: dict[str, int]
    raised: list[str]
    answered: int
    """Questions that had an answer with something in it."""


class SwarmProcess:
    """The handle: a context manager, and the process ends with it.

    It registers at once, or with `wait` at the command "go". `mutant` names a function, as ``module:function`` of this
    package, that breaks something in it before it begins; `busy_s` is how long it waits for the store's lock at once.
    """

    def __init__(
        self,
        url: str,
        name: str = "swarm",
        *,
        mutant: str = "",
        busy_s: float = BUSY_S,
        wait: bool = False,
        environ: Mapping[str, str] | None = None,
        **how: Any,
    ) -> None:
        plan = {"name": name, "mutant": mutant, "busy_s": busy_s, "wait": wait, "settings": {"store": url, **how}}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.swarm_child", msgspec.json.encode(plan).decode()],
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._complaints = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._watchdog = threading.Timer(LONGEST_S, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def begin(self, command: str, **arguments: Any) -> None:
        """Give a command; `answer` waits for what comes of it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it is dead: the answer says so
            self._process.stdin.write(msgspec.json.encode({"do": command, **arguments}) + b"\n")
            self._process.stdin.flush()

    def answer(self, kind: Any = object) -> Any:
        """The answer to the oldest command without one. An `AssertionError` tells how the process died, if it did."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(LONGEST_S)
            self._listener.join(10)
            raise AssertionError(f"the sender's process died of {code}: {self._complaints.decode()[-2000:]}")
        return msgspec.json.decode(line, type=kind)

    def send(self, events: int, **how: Any) -> Sent:
        """Send whole lives of tasks, so many events in all; see the child for `how`."""
        self.begin("send", events=events, **how)
        return self.answer(Sent)

    def flush(self, timeout: float = 60.0) -> bool:
        """Try until all is stored; False when the time is up before."""
        self.begin("flush", timeout=timeout)
        return self.answer(bool)

    def health(self) -> Health:
        self.begin("health")
        return self.answer(Health)

    def memory(self) -> dict[str, int]:
        """Bytes of its resident memory, by kind (``RssAnon``: its own, ``RssFile`` and ``RssShmem``: mapped files)."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith("Rss")}

    def close(self) -> None:
        """Close Spark in it, and let it end."""
        self.begin("close")
        self.answer()
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(LONGEST_S) == 0, self._complaints

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> SwarmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self.kill()
        self._listener.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._complaints = self._complaints[-100_000:] + line
