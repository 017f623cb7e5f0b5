"""A fork finds everything in the middle of something: connections open, locks taken. A child must not find them so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from spark_plugin import Settings, register
from spark_plugin.store import Filter, open_store

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

BEGIN = """
import os, sys, threading, time
from spark_hooks import signals
from spark_plugin import Settings, forks, register
from spark_plugin.errors import StoreUnavailable
from spark_plugin.store import open_store

class Swarm: pass

url = sys.argv[1]
swarm = Swarm()
spark = register(swarm, settings=Settings(store=url), source="/swarm")

def post(*tasks):
    for task in tasks:
        told = {"task_id": task, "event_id": task, "description": "", "candidates": ["ada"]}
        [(_, receipt)] = signals.task_posted.send(swarm, **told)
        assert receipt.state == "journaled", receipt

def ended_well(child):
    assert os.waitpid(child, 0)[1] == 0
"""

IN_THE_MIDDLE = """
post("before")
assert spark.flush(20)
began = threading.Event()

def keep_busy():
    with open_store(url).transaction():
        began.set()
        time.sleep(0.3)

threading.Thread(target=keep_busy).start()
began.wait()
child = os.fork()
if not child:
    post("child")
    assert spark.flush(20), spark.trouble
    spark.close()
    os._exit(0)
post("parent")
assert spark.flush(20), spark.trouble
spark.close()  # while the child has the store open, perhaps
ended_well(child)
"""

ASKING = """
post("t")
assert spark.flush(20)
lock = spark._capture._crew._projection._lock
held = threading.Event()

def hold():
    with lock:
        held.set()
        time.sleep(0.4)

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    while not spark.hooks.predict("t").success:
        time.sleep(0.01)
    assert spark.hooks.recommend("t")
    os._exit(0)
ended_well(child)
"""

CHILDREN_OF_CHILDREN = """
child = os.fork()
if not child:
    opening = spark._capture._opening
    with opening:  # as a thread of the child does that is just sending its first event
        grandchild = os.fork()
    post("grandchild" if not grandchild else "child")
    assert spark.flush(20), spark.trouble
    if grandchild:
        ended_well(grandchild)
    os._exit(0)
ended_well(child)
"""

CLOSING = """
post("before")
close, closing = spark._capture.close, threading.Event()
spark._capture.close = lambda: (closing.set(), time.sleep(0.5), close())
threading.Thread(target=spark.close).start()
closing.wait()
child = os.fork()
if not child:
    sys.exit(0)
ended_well(child)
"""

IN_ITS_OWN_TRANSACTION = """
forks.PATIENCE_S = 0.1
store = open_store(url)
with store.transaction() as transaction:
    child = os.fork()
    if not child:
        try:
            open_store(url)
        except StoreUnavailable as error:
            assert "forked" in str(error)
        else:
            os._exit(1)
        post("child")
        assert not spark.flush(20) and "forked" in spark.trouble
        os._exit(0)
    ended_well(child)
post("parent")
assert spark.flush(20), spark.trouble
"""

WHILE_ANOTHER_OPENS = """
import weakref
from spark_plugin.store import sqlite

class StoresFirst(weakref.WeakSet):  # in the order that is harder; elsewhere it is as chance has it
    def __iter__(self):
        return iter(sorted(super().__iter__(), key=lambda one: isinstance(one, forks._Use)))

forks._forks._open = StoresFirst(forks._forks._open)
prepare, opens = sqlite._prepare, threading.Event()

def slowly(db, url):
    prepare(db, url)
    if not opens.is_set():
        opens.set()
        time.sleep(0.3)  # here comes the fork

post("before")
assert spark.flush(20)
sqlite._prepare = slowly
other = register(Swarm(), settings=Settings(store=url), source="/other")  # its thread opens the store
opens.wait()
(stored, tell_stored), (closed, tell_closed) = os.pipe(), os.pipe()
child = os.fork()
if not child:
    post("child")
    assert spark.flush(20), spark.trouble
    os.write(tell_stored, b".")
    os.read(closed, 1)
    post("later")
    assert spark.flush(20), spark.trouble
    os._exit(0)
os.close(tell_stored)
os.read(stored, 1)
other.close()
spark.close()  # who closes the last connection that SQLite knows of takes the log off the disk
os.write(tell_closed, b".")
ended_well(child)
"""

SILENT = """
for end in (spark.close, sys.exit):
    child = os.fork()
    if not child:
        end()
        os._exit(0)
    ended_well(child)
    assert len(list(spark._capture._directory.glob("*.seg"))) == 1, "who sends nothing needs no journal"
"""


def run(script: str, url: str) -> list[str]:
    """Run a program to its end, and the next one too; return what is stored then."""
    arguments = [sys.executable, "-W", "error::ResourceWarning", "-c", BEGIN + script, url]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    register(object(), settings=Settings(store=url)).close()
    with closing(open_store(url)) as store:
        assert store.check() == []
        return sorted(Counter(row.id for row in store.events(Filter())).elements())


def test_a_fork_in_the_middle_of_a_batch_locks_nobody_out(url: str) -> None:
    assert run(IN_THE_MIDDLE, url) == ["before", "child", "parent"]


def test_a_child_that_asks_before_it_sends_is_answered(url: str) -> None:
    question, task = run(ASKING, url)  # what was recommended is on record
    assert (task, question) == ("t", question)


def test_a_child_forks_in_turn_while_it_begins(url: str) -> None:
    assert run(CHILDREN_OF_CHILDREN, url) == ["child", "grandchild"]


def test_a_child_forked_while_its_parent_closes_can_end(url: str) -> None:
    assert run(CLOSING, url) == ["before"]


def test_a_child_forked_inside_of_a_transaction_leaves_the_store_alone(url: str) -> None:
    """The one case in which the parent cannot let go: what the child captures is stored by the next start."""
    assert run(IN_ITS_OWN_TRANSACTION, url) == ["child", "parent"]


def test_a_fork_waits_for_who_just_opens_the_store(url: str) -> None:
    """A child that took its connection along would go on writing into a log that its parent has taken off the disk."""
    assert run(WHILE_ANOTHER_OPENS, url) == ["before", "child", "later"]


def test_a_child_that_sends_nothing_opens_nothing(url: str) -> None:
    assert run(SILENT, url) == []
