"""A signal comes at any moment, and its handler may send, ask and close like anybody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import faulthandler, itertools, os, signal, sys
from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.capture import journal

faulthandler.dump_traceback_later(40, exit=True)

class Swarm:
    pass

numbers, states, handled = itertools.count(), [], []

def send():
    [(_, receipt)] = signals.custom.send(swarm, type="swarm.x", n=next(numbers))
    states.append(receipt.state)

def in_between(*_):
    handler()
    handled.append(1)
    signal.setitimer(signal.ITIMER_REAL, 0.0003)

signal.signal(signal.SIGALRM, in_between)
swarm = Swarm()
url, durability, worker = sys.argv[1:]
settings = Settings(store=url, durability=durability, worker=worker)
"""

SENDING = """
journal.SEGMENT_BYTES, journal.MAX_RECORD = 1 << 16, 1 << 15
handler = send
with register(swarm, settings=settings) as spark:
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
    while len(handled) < 300 or len(states) < 1000:
        send()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert spark.flush(60), spark.trouble
    ns = sorted(row["data"]["n"] for row in spark.events.query(limit=None))
    assert set(states) == {"journaled"}, set(states)
    assert ns == list(range(len(states))), (len(ns), len(states))
    assert spark.status()["capture"]["lag"] == 0
"""

CLOSING = """
spark = register(swarm, settings=settings)

def handler():
    signals.custom.send(swarm, type="swarm.x", n=next(numbers))
    spark.status()
    spark.hooks.advisories(limit=3)
    spark.close()

for _ in range(20):
    handled.clear()
    spark = register(swarm, settings=settings)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    for _ in range(50):
        signals.custom.send(swarm, type="swarm.x", n=next(numbers))
    spark.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
"""


def run(program: str, tmp_path: Path, durability: str, worker: str = "thread") -> None:
    """Run a program to its end, in a process of its own: one that waits for itself is ended."""
    arguments = [f"sqlite:///{tmp_path / 'spark.db'}", durability, worker]
    done = subprocess.run([sys.executable, "-c", HEAD + program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_handler_sends_in_the_middle_of_a_send(tmp_path: Path, durability: str, worker: str) -> None:
    run(SENDING, tmp_path, durability, worker)


def test_a_handler_closes_while_spark_closes(tmp_path: Path) -> None:
    run(CLOSING, tmp_path, "process")


EXITING = """
class TooLate(Exception):
    pass

def too_late(*_):
    raise TooLate

signal.signal(signal.SIGALRM, too_late)
acknowledged, passed = [], 0

def send_without_end():
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.05)  # once more, where Python itself passed over one
    while True:
        n = next(numbers)
        [(_, receipt)] = signals.custom.send(swarm, type="swarm.x", n=n)
        assert receipt.state == "journaled", receipt
        acknowledged.append(n)

with register(swarm, settings=settings) as spark:
    while passed < 200:
        try:
            send_without_end()
        except TooLate:
            signal.setitimer(signal.ITIMER_REAL, 0)
            passed += 1
    assert spark.flush(60), spark.trouble
    assert spark.status()["capture"]["plugin_errors"] == spark.status()["capture"]["rejected"] == 0
    stored = [row["data"]["n"] for row in spark.events.query(limit=None)]
    assert len(stored) == len(set(stored)) and set(acknowledged) <= set(stored)
"""


def test_what_a_handler_raises_reaches_whoever_it_is_meant_for(tmp_path: Path) -> None:
    run(EXITING, tmp_path, "process")


CLOSED_WITHIN = """
import time
from spark_plugin import Spark

spark = register(swarm, settings=settings)
for _ in range(5):
    send()
journal_of_ours = spark._capture._journal
taken_in = journal.Journal._taken_in

def interrupted(self, payload):
    with self._lock:  # as a signal finds it, whose handler closes
        if not handled:
            handled.append(1)
            assert journal_of_ours.interrupted
            assert spark.flush() is False
            spark.close()
    return taken_in(self, payload)

journal.Journal._taken_in = interrupted
send()
assert handled and not journal_of_ours.interrupted
with Spark.open(settings.store) as reader:
    end = time.monotonic() + 30
    while reader.events.count() < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert reader.events.count() >= 5
"""


def test_a_handler_closes_in_the_middle_of_a_send(tmp_path: Path) -> None:
    """It holds what the drainer waits for, and must not wait for the drainer."""
    run(CLOSED_WITHIN, tmp_path, "process")
