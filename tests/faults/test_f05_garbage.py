"""F5: whatever somebody has put into a store, readers raise typed errors at most, commands end with one line, and
capture goes on."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import logging
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from spark_hooks import SparkError
from spark_hooks.events import TaskPosted
from spark_hooks.signals import SIGNALS
from spark_plugin import Settings, Spark, readers, register
from spark_plugin.cli import app
from spark_plugin.cli.common import BadInput
from spark_plugin.projection import projection
from spark_plugin.projection.state import State
from spark_plugin.store import path_of
from tests.faults.matrix import size
from tests.faults.telling import Swarm, tell_all
from tests.projection.swarmlog import FAIR, assigned, completed, random_log, record, stamped

ROUNDS = size(600)
COMMANDS = [
    "status", "status --json", "timeline", "timeline --json --type prediction", "predictions", "memories", "advise",
    "predictions --all --json", "memories --json", "advise --all --json", "predict --candidate ada --category bug",
    "recommend --candidate ada --candidate bo --json", "export", "doctor", "doctor --json", "doctor --rebuild",
]  # fmt: skip
TABLES = {
    "events": ("position", ("source", "id", "type", "task_id", "agent_id", "time", "importance", "data")),
    "derived": ("position", ("kind", "subject", "time", "importance", "data", "task_position", "task_id", "agent_id")),
    "read_models": ("key", ("kind", "key", "data")),
    "snapshots": ("version", ("version", "data")),
    "counters": ("name", ("name", "n")),
    "dead_letters": ("source", ("source", "id", "type", "reason")),
    "meta": ("key", ("key", "value")),
}
"""Key and columns of each table."""
DEEP = b"[" * 100_000
VALUES: tuple[Any, ...] = (
    b"", b"\xff\xfe", b"null", b"[]", b"{}", b"5", b'"x"', b"[1,", b'{"a":1}', b"\0" * 50, b"NaN", DEEP,
    DEEP + b"]" * len(DEEP), b'{"data":5,"time":[]}', b'{"data":{"a":NaN}}', b'{"position":1e999}',
    b'{"predictions":null}', b"\xde\xff\xff", b"\x81\xa1a\xc0", "", "x", "\ud800", "0", "abc\0def", "9" * 400,
    0, -1, 1, 5, 2**62, -(2**63), 0.5, -1e308, 1e308, float("inf"), None,
)  # fmt: skip
Spoil = Callable[[random.Random, sqlite3.Connection], str]
LEAVES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**18,
    -0.5,
    1e308,
    "",
    "x",
    "\ud7ff" * 3,
    [],
    {},
    [[]],
    {"a": None},
    [None],
)


class Outcome(NamedTuple):
    """What readers and commands did."""

    rounds: int
    uncaught: Counter[str]
    refusals: Counter[str]
    """Typed errors, by class."""
    commands: Counter[int]
    """By exit code."""
    blocked: list[str]
    """Garbage in spite of which an event could not be stored, though the store can take it."""


# the garbage


def spoil(rng: random.Random, db: sqlite3.Connection) -> str:
    """Put garbage into the store by hand; returns what was done."""
    kind = rng.random()
    if kind < 0.03:
        return overwrite(rng, db, "meta")
    if kind < 0.5:
        return overwrite(rng, db, rng.choice([name for name in TABLES if name != "meta"]))
    if kind < 0.6:
        return insert(rng, db, rng.choice(("derived", "read_models", "counters", "dead_letters")))
    return distort(rng, db, rng.choice(("events", "derived", "read_models", "snapshots")))


def spoil_snapshots(rng: random.Random, db: sqlite3.Connection) -> str:
    if rng.random() < 0.5:
        return rng.choice((overwrite, distort))(rng, db, "snapshots")
    db.execute("UPDATE snapshots SET data = ?", (b"\0\0\0\0\x81\xa6agents\x81\xa2\xff\xfe\x80",))
    return "a snapshot with text in it that is no Unicode"


def drop(rng: random.Random, db: sqlite3.Connection) -> str:
    """A table is another one, or gone."""
    table = rng.choice(list(TABLES))
    db.execute(f"DROP TABLE {table}")
    if rng.random() < 0.5:
        db.execute(f"CREATE TABLE {table} (a, b)")
    return f"drop {table}"


def overwrite(rng: random.Random, db: sqlite3.Connection, table: str) -> str:
    """A value of any type in any column."""
    key, columns = TABLES[table]
    column, value = rng.choice(columns), rng.choice(VALUES)
    rows = db.execute(f"SELECT {key} FROM {table} ORDER BY 1").fetchall()
    for chosen in rng.sample(rows, min(len(rows), rng.choice((1, 1, 3, 1000)))):
        db.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {key} = ?", (storable(value), *chosen))
    return f"{table}.{column} = {str(value)[:40]}"


def insert(rng: random.Random, db: sqlite3.Connection, table: str) -> str:
    """A row of nothing but garbage."""
    names = [name for name, *_ in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]
    values = [storable(rng.choice(VALUES)) for _ in names]
    marks = ",".join("?" * len(names))
    db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
    return f"insert {table} {str(values)[:80]}"


def distort(rng: random.Random, db: sqlite3.Connection, table: str) -> str:
    """A document that is nearly what was written: one of its parts is something else, or some bytes are."""
    key, _ = TABLES[table]
    rows = db.execute(f"SELECT {key}, data FROM {table} ORDER BY 1").fetchall()
    for chosen, data in rng.sample(rows, min(len(rows), rng.choice((1, 5, 1000)))):
        new = scribbled(rng, data) if rng.random() < 0.3 else altered(rng, data)
        db.execute(f"UPDATE OR IGNORE {table} SET data = ? WHERE {key} = ? AND data = ?", (new, chosen, data))
    return f"distort {table}"


def altered(rng: random.Random, data: Any) -> Any:
    with contextlib.suppress(Exception):  # there may be garbage already
        codec = msgspec.json if data[:1] == b"{" else msgspec.msgpack
        document = codec.decode(data)
        for _ in range(rng.choice((1, 1, 3))):
            change(rng, document)
        return codec.encode(document)
    return data


def change(rng: random.Random, document: Any) -> None:
    """Replace, add, or take away something somewhere inside."""
    while True:
        places = list(document) if isinstance(document, dict) else list(range(len(document)))
        if not places:
            return
        place = rng.choice(places)
        inner = document[place]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            break
        document = inner
    if isinstance(document, dict) and rng.random() < 0.3:
        del document[place]
    else:
        document[place] = rng.choice(LEAVES)


def scribbled(rng: random.Random, data: Any) -> Any:
    """Some bytes are others, or the end is missing."""
    spoilt = bytearray(data if isinstance(data, bytes) and data else b"x")
    for _ in range(rng.choice((1, 1, 8))):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt[: rng.randrange(len(spoilt))] if rng.random() < 0.3 else spoilt)


def storable(value: Any) -> Any:
    """Text that is no Unicode goes in as such."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) and not value.isprintable() else value


# who reads it


def questions(spark: Spark) -> Iterator[Callable[[], object]]:
    """All that can be asked of a store in Python."""
    yield spark.status
    yield spark.agents
    yield spark.categories
    yield lambda: [spark.events.query(limit=None), spark.events.query(type="task_posted", agent="ada", importance=0.1)]
    yield lambda: spark.events.count(agent="ada")
    yield lambda: list(spark.events.export())
    yield lambda: spark.events.timeline(limit=1000)
    yield lambda: list(spark.predictions.rows())
    yield lambda: [spark.predictions.newest(20), spark.predictions.summary()]
    yield lambda: [spark.advisories.live(10), spark.advisories.all(1000)]
    yield lambda: spark.advisories.rows(retired=True, category=None, agent="bo", limit=10)
    yield spark.advisories.effects
    yield lambda: spark.memories.rows()


def coordinators_questions(spark: Spark) -> Iterator[Callable[[], object]]:
    """What a coordinator asks: not even a typed error may come."""
    task = TaskPosted(task_id="new", description="", candidates=["ada", "bo"], category="bug")
    for about in ("t1", "t59", task):
        yield partial(spark.hooks.predict, about)
        yield partial(spark.hooks.recommend, about)
        yield partial(spark.hooks.advisories, task=about)
    yield spark.hooks.advisories


def in_words(error: BaseException) -> str:
    trace, where = error.__traceback__, ""
    while trace is not None:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {where}: {str(error)[:120]}"


def ask(url: str, uncaught: Counter[str], refusals: Counter[str]) -> None:
    try:
        spark = Spark.open(url)
    except SparkError as error:
        refusals[type(error).__name__] += 1
        return
    except Exception as error:
        uncaught[in_words(error)] += 1
        return
    with spark:
        for question in questions(spark):
            try:
                question()
            except SparkError as error:
                refusals[type(error).__name__] += 1
            except Exception as error:
                uncaught[in_words(error)] += 1
        for question in coordinators_questions(spark):
            try:
                question()
            except Exception as error:
                uncaught[f"a coordinator's question: {in_words(error)}"] += 1


def type_in(url: str, line: str, uncaught: Counter[str], codes: Counter[int]) -> None:
    """Run a command; it has to end with 0, 1 or 2, and with one line where it failed."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = app.run([*line.split(), "--store", url])
    except Exception as error:
        uncaught[f"spark {line}: {in_words(error)}"] += 1
        return
    codes[code] += 1
    said = err.getvalue().splitlines()
    if code not in (0, 1, 2) or (code and not line.startswith("doctor") and len(said) != 1):
        uncaught[f"spark {line}: code {code} and {len(said)} lines"] += 1


def capture_goes_on(url: str) -> str | None:
    """Why an event could not be stored beside the garbage, if it could not."""
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url)) as spark:
        SIGNALS["task_completed"].send(swarm, task_id="t1", agent_id="ada")
        stored = spark.flush(10)
        return None if stored else spark.trouble


def run(folder: Path, seed: int, rounds: int, spoil: Spoil = spoil) -> Outcome:
    good = path_of(a_store(folder, seed))
    outcome = Outcome(rounds, Counter(), Counter(), Counter(), [])
    line = itertools.cycle(random.Random(seed).sample(COMMANDS, len(COMMANDS)))
    with untyped_faults() as faults:
        for n in range(rounds):
            rng = random.Random(f"{seed} {n}")
            path = folder / f"{n}" / "spark.db"
            path.parent.mkdir()
            shutil.copy(good, path)
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                done = [spoil(rng, db) for _ in range(rng.choice((1, 1, 1, 5)))]
                done += [drop(rng, db)] if rng.random() < 0.04 else []
            url = f"sqlite:///{path}"
            ask(url, outcome.uncaught, outcome.refusals)
            for _ in range(2):
                type_in(url, next(line), outcome.uncaught, outcome.commands)
            blocked = capture_goes_on(url)
            if blocked and not any(what.startswith(("drop", "meta")) for what in done):
                outcome.blocked.append(f"{blocked} ({done})")
            shutil.rmtree(path.parent)
    outcome.uncaught.update(faults)
    return outcome


def a_store(folder: Path, seed: int) -> str:
    """One with something of everything in it: agents, advice and memories, what waits, a snapshot, a dead letter."""
    url = f"sqlite:///{folder / 'good.db'}"
    swarm = Swarm()
    fay, bo = record("fay", FAIR), record("bo", [False] * 12)
    early = [completed("early", "ada"), assigned("early", "ada")]
    with register(swarm, settings=Settings(store=url, batch=50)):
        tell_all(swarm, [*random_log(seed, 20), *stamped([*fay, *bo, *early], writer="x")])
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as db:
        db.execute("INSERT INTO dead_letters VALUES ('/swarm', 'x', 'custom', 'cannot be kept')")
        db.execute("INSERT INTO counters VALUES ('dropped', 3)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return url


@contextlib.contextmanager
def untyped_faults() -> Iterator[list[str]]:
    """Errors that Spark logs about itself and that are none of its own types."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def note(record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, SparkError):
            found.append(f"logged: {record.getMessage()[:80]}: {in_words(error)}")

    handler.emit = note
    logging.getLogger("spark").addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger("spark").removeHandler(handler)


def judge(outcome: Outcome) -> None:
    assert not outcome.uncaught, f"uncaught {outcome.uncaught.most_common(8)}"
    assert not outcome.blocked, f"blocked {outcome.blocked[:3]}"
    assert outcome.refusals and outcome.commands[0] and outcome.commands[1], "this test means little"


@pytest.fixture(autouse=True)
def built_once(monkeypatch):
    """The commands need not be put together anew each time."""
    monkeypatch.setattr(app, "build", functools.cache(app.build))


@pytest.mark.fault("F5")
def test_readers_bear_garbage(tmp_path, seed, reached):
    outcome = run(tmp_path, seed, ROUNDS)
    judge(outcome)
    asked = f"{outcome.rounds} stores with garbage in them read 41 ways"
    reached(f"{asked}: 0 uncaught, {outcome.refusals.total()} typed refusals, capture went on")


FEW = 30


@pytest.mark.mutant("F5", "readers know one kind of garbage only")
def test_readers_that_know_one_kind_fail(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(readers, "_UNREADABLE", msgspec.MsgspecError)
    with pytest.raises(AssertionError, match=r"^uncaught.*Error at readers.py"):
        judge(run(tmp_path, seed, FEW))


@pytest.mark.mutant("F5", "a snapshot is taken for one whatever it is")
def test_snapshots_taken_as_they_are_fail(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(projection, "load", lambda data: msgspec.msgpack.decode(data[4:], type=State))
    with pytest.raises(AssertionError, match=r"^uncaught"):
        judge(run(tmp_path, seed, FEW, spoil_snapshots))


@pytest.mark.mutant("F5", "commands do not know their own errors")
def test_commands_that_do_not_know_errors_fail(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(app, "SparkError", BadInput)
    with pytest.raises(AssertionError, match=r"^uncaught.*spark "):
        judge(run(tmp_path, seed, FEW))
