"""A damaged store: the sender is undisturbed, the file is set aside and named, and what can be read is stored anew."""

from __future__ import annotations

import sqlite3
import sys
from functools import partial
from pathlib import Path

import pytest

from spark_hooks import signals
from spark_plugin import Settings, Spark, register
from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.doctor import recover
from spark_plugin.store import open_store
from spark_plugin.store.damage import is_damaged, readable_events

mend = sys.modules["spark_plugin.capture.mend"]  # by its name one gets the function


class Swarm:
    pass


def lived(path: Path, tasks: int = 400) -> Settings:
    """A store with a life behind it, closed."""
    settings = Settings(store=f"sqlite:///{path}")
    swarm = Swarm()
    with register(swarm, settings=settings) as spark:
        for n in range(tasks):
            signals.task_posted.send(swarm, event_id=f"p{n}", task_id=f"t{n}", description="work " * 40)
            signals.task_assigned.send(swarm, event_id=f"a{n}", task_id=f"t{n}", agent_id="ada")
        assert spark.flush(60)
    return settings


def bad_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def read_from_the_start_next_time(path: Path) -> None:
    """Without a snapshot the next process has to read the whole log, and so comes upon what is damaged."""
    db = sqlite3.connect(path)
    db.execute("DELETE FROM snapshots")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def bad_pages(path: Path) -> None:
    """Pages in the middle of the events, found by what they hold."""
    read_from_the_start_next_time(path)
    data = bytearray(path.read_bytes())
    for needle in (b'"t100"', b'"t200"'):
        page = data.index(needle) // 4096 * 4096
        data[page : page + 4096] = b"\xaa" * 4096
    path.write_bytes(data)


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def replaced(path: Path) -> None:
    path.write_text("this is a letter to my aunt, and no database\n" * 500)


def set_aside(path: Path) -> list[Path]:
    return [file for file in path.parent.glob(f"{path.name}.damaged-*") if not file.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("harm", [bad_header, bad_pages, truncated, replaced])
def test_a_damaged_store_disturbs_nobody_and_is_set_aside(harm, tmp_path, caplog):
    path = tmp_path / "spark.db"
    settings = lived(path)
    harm(path)
    damaged = path.read_bytes()
    assert is_damaged(path)
    swarm = Swarm()
    with register(swarm, settings=settings) as spark:
        receipts = [signals.agent_joined.send(swarm, agent_id=f"new{n}")[0][1] for n in range(20)]
        assert {receipt.state for receipt in receipts} == {"journaled"}
        while not spark.flush(60):
            assert spark.trouble
        signals.agent_joined.send(swarm, agent_id="last")
        assert spark.flush(60)
        joined = {row["agent_id"] for row in spark.events.query(type="agent_joined", limit=None)}
        kept = spark.events.count(type="task_posted")
    assert joined == {"last", *(f"new{n}" for n in range(20))}
    [aside] = set_aside(path)
    assert aside.read_bytes() == damaged
    assert str(aside) in caplog.text
    assert not is_damaged(path)
    if harm is bad_pages:
        assert 300 <= kept < 400, "all but what lay on the damaged pages"
    with Spark.open(settings=settings) as reader:
        assert reader.events.count() == reader.status()["events"] > 0


def test_what_was_saved_keeps_its_order_and_is_stored_once(tmp_path):
    path = tmp_path / "spark.db"
    settings = lived(path, 100)
    bad_pages_of_the_end(path)
    assert recover(settings).ok
    with Spark.open(settings=settings) as reader:
        ids = [row["id"] for row in reader.events.query(newest_first=False, limit=None)]
    assert len(ids) == len(set(ids)) > 0
    assert ids == sorted(ids, key=lambda one: (int(one[1:]), one[0] == "a"))


def bad_pages_of_the_end(path: Path) -> None:
    data = bytearray(path.read_bytes())
    page = data.rindex(b'"t90"') // 4096 * 4096
    data[page : page + 4096] = b"\x55" * 4096
    path.write_bytes(data)


def test_a_strangers_database_is_left_where_it_is(tmp_path):
    path = tmp_path / "spark.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (name)")
    db.close()
    before = path.read_bytes()
    swarm = Swarm()
    with register(swarm, settings=Settings(store=f"sqlite:///{path}")) as spark:
        [(_, receipt)] = signals.agent_joined.send(swarm, agent_id="ada")
        assert receipt.state == "journaled"
        assert spark.flush(60) is False
        assert "no Spark store" in (spark.trouble or "")
    assert path.read_bytes() == before
    assert set_aside(path) == []


def test_a_sound_store_is_not_taken_for_damaged(tmp_path):
    path = tmp_path / "spark.db"
    lived(path, 3)
    assert not is_damaged(path)
    assert len(list(readable_events(path))) == 6
    with open_store(f"sqlite:///{path}").transaction():
        assert not is_damaged(path), "locked is not damaged"


def test_a_store_of_more_than_a_journal_holds_is_saved_whole_and_in_order(tmp_path, small_segments, monkeypatch):
    monkeypatch.setattr(mend, "Journal", partial(Journal, terms=JournalTerms(max_bytes=2 * small_segments)))
    path = tmp_path / "spark.db"
    settings = lived(path, 60)
    bad_header(path)
    assert recover(settings).ok
    with Spark.open(settings=settings) as reader:
        ids = [row["id"] for row in reader.events.query(newest_first=False, limit=None)]
    assert ids == [f"{kind}{n}" for n in range(60) for kind in "pa"]


def test_a_store_that_others_have_open_is_set_aside_for_them_too(tmp_path):
    path = tmp_path / "spark.db"
    settings = lived(path, 50)
    one, other = Swarm(), Swarm()
    with register(one, settings=settings) as going_on:
        signals.agent_joined.send(one, agent_id="before")
        assert going_on.flush(60) and going_on.events.count() == 101
        read_from_the_start_next_time(path)
        bad_header(path)
        with register(other, settings=settings) as finder:
            signals.agent_joined.send(other, agent_id="found")
            while not finder.flush(60):
                assert finder.trouble
        signals.agent_joined.send(one, agent_id="after")
        assert going_on.flush(60)
        joined = {row["agent_id"] for row in going_on.events.query(type="agent_joined", limit=None)}
        assert joined >= {"found", "after"}
    assert len(set_aside(path)) == 1
