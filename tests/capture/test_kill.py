"""What was acknowledged survives the death of its process, and is stored exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from spark_plugin import Settings, codec, register
from spark_plugin.capture import waiting
from spark_plugin.store import Filter, open_store
from tests.projection.swarmlog import Run

ROOT = Path(__file__).parents[2]
ROUNDS = 6
THREADS = 4

SENDER = """
import itertools, os, sys, threading
from spark_hooks import signals
from spark_plugin import Settings, register

class Swarm: pass

swarm = Swarm()
spark = register(swarm, settings=Settings(store=sys.argv[1], batch=25), source="/swarm")
name = sys.argv[2]

def tell(receipt):
    if receipt.state == "journaled":
        os.write(1, (receipt.event_id + "\\n").encode())

def send(thread):
    for n in itertools.count():
        task = f"{name}-{thread}-{n}"
        [(_, posted)] = signals.task_posted.send(swarm, task_id=task, description="x" * 200, candidates=["ada"])
        tell(posted)
        [(_, assigned)] = signals.task_assigned.send(swarm, task_id=task, agent_id="ada", bid=1.0)
        tell(assigned)
        [(_, completed)] = signals.task_completed.send(swarm, task_id=task, agent_id="ada")
        tell(completed)

for thread in range(int(sys.argv[3])):
    threading.Thread(target=send, args=(thread,)).start()
"""

FORKING = """
import os, sys
from spark_hooks import signals
from spark_plugin import Settings, register

class Swarm: pass

swarm = Swarm()
spark = register(swarm, settings=Settings(store=sys.argv[1]), source="/swarm")

def send(name, n):
    for i in range(n):
        for _, receipt in signals.task_posted.send(swarm, task_id=f"{name}{i}", description=""):
            if receipt.state == "journaled":
                os.write(1, (receipt.event_id + "\\n").encode())

send("before", 5)
child = os.fork()
if child == 0:
    send("child", 20)
    os._exit(0)
os.waitpid(child, 0)
send("parent", 20)
spark.close()
"""

LEAVING = """
import sys
from spark_hooks import signals
from spark_plugin import Settings, register

class Swarm: pass

swarm = Swarm()
spark = register(swarm, settings=Settings(store=sys.argv[1]), source="/swarm")
for n in range(300):
    [(_, receipt)] = signals.task_posted.send(swarm, task_id=f"t{n}", description="")
    print(receipt.event_id)
"""


@contextmanager
def sending(url: str, name: str, threads: int = THREADS) -> Iterator[subprocess.Popen[str]]:
    """A process that sends without end, and tells the ids of what was acknowledged; it is killed in the end."""
    arguments = [sys.executable, "-c", SENDER, url, name, str(threads)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told_by(process: subprocess.Popen[str], n: int | None = None) -> list[str]:
    """The next ids that a process tells; all that are left, without `n`."""
    assert process.stdout is not None
    lines = process.stdout if n is None else [process.stdout.readline() for _ in range(n)]
    told = [line.strip() for line in lines]
    assert all(told), "it ended by itself"
    return told


def killed_while_sending(url: str, name: str, after: int) -> list[str]:
    """All acknowledged events of a process that was killed after it had told of some."""
    with sending(url, name) as process:
        told = told_by(process, after)
        process.kill()
        return told + told_by(process)


def stored(url: str) -> Counter[str]:
    with closing(open_store(url)) as store:
        return Counter(row.id for row in store.events(Filter()))


def start_again(url: str) -> None:
    """The next start drains what the dead left behind."""
    register(object(), settings=Settings(store=url)).close()


def test_kill_9_loses_nothing_acknowledged_and_stores_nothing_twice(url: str, directory: Path) -> None:
    acknowledged: list[str] = []
    for n in range(ROUNDS):
        acknowledged += killed_while_sending(url, f"r{n}", after=20 + 150 * n)
    assert waiting(directory) > 0, "the last one died with events in its journal"
    start_again(url)
    found = stored(url)
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {1}
    assert len(found) - len(acknowledged) <= ROUNDS * THREADS, "at most one event a thread was not told of"
    assert list(directory.iterdir()) == []
    with closing(open_store(url)) as store:
        assert store.check() == []
        recovered = Run(store)
        assert recovered.contents() == Run().take(codec.restored(row.data) for row in store.events(Filter())).contents()


def test_killed_between_commit_and_release_an_event_is_stored_once(url: str, directory: Path) -> None:
    """The journal still has what the store has already: found by (source, id)."""
    acknowledged = killed_while_sending(url, "r", after=400)
    saved = {path: path.read_bytes() for path in directory.iterdir()}
    start_again(url)
    before = stored(url)
    for path, content in saved.items():
        path.write_bytes(content)
    start_again(url)
    assert stored(url) == before
    assert set(acknowledged) <= set(before)


def test_the_end_of_a_program_that_forgot_to_close(url: str, directory: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LEAVING, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    acknowledged = run.stdout.split()
    assert len(acknowledged) == 300
    assert list(stored(url)) == acknowledged
    assert list(directory.iterdir()) == []


def test_a_forked_child_keeps_a_journal_of_its_own(url: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKING, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    acknowledged = run.stdout.split()
    assert len(acknowledged) == len(set(acknowledged)) == 45
    start_again(url)
    assert set(acknowledged) <= set(stored(url))


def test_the_set_of_a_stopped_process_is_left_to_it(url: str, directory: Path, impatient: None) -> None:
    """Stopped is not dead: its lock is held, nobody takes its events, and it goes on where it was."""
    with sending(url, "stopped", threads=1) as process:
        told = told_by(process, 50)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        left = sorted(path.name for path in directory.iterdir())
        start_again(url)  # the stopped one may hold the store's lock: nothing is said of what is stored
        assert sorted(path.name for path in directory.iterdir()) == left
        process.send_signal(signal.SIGCONT)
        told += told_by(process, 50)
        process.kill()
        told += told_by(process)
    start_again(url)
    assert set(told) <= set(stored(url))
    assert set(stored(url).values()) == {1}
