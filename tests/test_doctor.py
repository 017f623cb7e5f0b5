"""What the doctor looks at: each thing once as it should be, once as it should not, with what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from spark_hooks import hookimpl, signals
from spark_hooks.events import TaskPosted
from spark_plugin import Settings, register
from spark_plugin.capture import Journal, JournalTerms
from spark_plugin.capture.duty import Duty
from spark_plugin.capture.record import encode
from spark_plugin.doctor import Check, examine, rebuild, recover
from spark_plugin.store import DeadLetter, open_store


class Swarm:
    """A coordinator."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(store=f"sqlite:///{tmp_path / 'spark.db'}")
    swarm = Swarm()
    with register(swarm, settings=settings):
        signals.task_posted.send(swarm, task_id="t1", description="work", candidates=["ada"])
    return settings


def checked(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine(settings)}


def connection(settings: Settings) -> sqlite3.Connection:
    return sqlite3.connect(settings.store.removeprefix("sqlite:///"), isolation_level=None)


def bury(settings: Settings, folder: Path) -> None:
    store = open_store(settings.store)
    with store.transaction() as transaction:
        transaction.bury([DeadLetter("/s", "e9", "task_posted", "it was no use")])
    store.close()


def drop(settings: Settings, folder: Path) -> None:
    store = open_store(settings.store)
    with store.transaction() as transaction:
        transaction.count_up({"dropped": 7})
    store.close()


class Broken:
    @hookimpl
    def task_posted(self, event: object) -> None:
        raise RuntimeError("broken")


def break_a_plugin(settings: Settings, folder: Path) -> None:
    swarm = Swarm()
    with register(swarm, settings=settings) as spark:
        spark.hooks.register(Broken())
        signals.task_posted.send(swarm, task_id="t2", description="")


def leave_events_behind(settings: Settings, folder: Path) -> None:
    journal = Journal(folder / "spark.db.capture")
    journal.append(encode(TaskPosted(task_id="t9", description="", id="e", source="/s", time=1.0)))
    journal.close(drained=False)


def lose_the_read_models(settings: Settings, folder: Path) -> None:
    connection(settings).execute("DELETE FROM read_models")


def damage(settings: Settings, folder: Path) -> None:
    (folder / "spark.db").write_bytes(b"no database" * 1000)


def open_to_others(settings: Settings, folder: Path) -> None:
    os.chmod(folder / "spark.db", 0o644)


def lose_an_event(settings: Settings, folder: Path) -> None:
    break_a_plugin(settings, folder)
    connection(settings).execute("DELETE FROM events WHERE position = 1")


def have_a_troubled_worker(settings: Settings, folder: Path) -> None:
    duty = Duty(folder / "spark.db.capture")
    assert duty.taken()
    duty.say("the store is locked")
    KEPT.append(duty)


KEPT: list[Duty] = []

WRONG = {
    "dead letters": (bury, "1 events could not be stored", "it was no use"),
    "dropped": (drop, "7 events", "receipts"),
    "plugins": (break_a_plugin, "1 errors", "log names"),
    "journal": (leave_events_behind, "1 events wait", "spark doctor --recover"),
    "read models": (lose_the_read_models, "at position 0 of 1", "spark doctor --rebuild"),
    "permissions": (open_to_others, "others have rights to spark.db", "chmod go-rwx"),
    "store": (damage, "damaged", "spark doctor --recover"),
    "worker": (have_a_troubled_worker, "the store is locked", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_nothing_else(settings: Settings, tmp_path: Path, name: str) -> None:
    make_wrong, found, advice = WRONG[name]
    assert all(check.ok for check in checked(settings).values())
    make_wrong(settings, tmp_path)
    checks = checked(settings)
    while KEPT:
        KEPT.pop().leave()
    assert found in checks[name].found
    assert advice in checks[name].advice
    assert [check.name for check in checks.values() if not check.ok] == [name]


def test_a_missing_event_is_found(settings: Settings, tmp_path: Path) -> None:
    lose_an_event(settings, tmp_path)
    assert not checked(settings)["store"].ok


def test_the_versions_are_told(settings: Settings) -> None:
    found = checked(settings)["versions"].found
    assert "spark-plugin" in found and sqlite3.sqlite_version in found


def test_without_a_store_there_is_little_to_see(tmp_path: Path) -> None:
    checks = checked(Settings(store=f"sqlite:///{tmp_path / 'none.db'}"))
    assert all(check.ok for check in checks.values())
    assert checks["store"].found == "not there yet"
    assert not (tmp_path / "none.db").exists()


def test_an_external_worker_that_is_not_there_is_missed(settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, worker="external")
    assert checked(settings)["worker"].advice == "run: spark worker"


@pytest.mark.parametrize(
    ("make_wrong", "mend"), [(leave_events_behind, recover), (damage, recover), (lose_the_read_models, rebuild)]
)
def test_what_the_doctor_advises_helps(
    settings: Settings,
    tmp_path: Path,
    make_wrong: Callable[[Settings, Path], None],
    mend: Callable[[Settings], Check],
) -> None:
    make_wrong(settings, tmp_path)
    assert mend(settings).ok
    assert all(check.ok for check in checked(settings).values())


def test_what_living_processes_leave_to_a_worker_is_not_recovered_from_under_them(
    settings: Settings, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "spark.db.capture", JournalTerms(for_a_worker=True))
    journal.append(b"whatever")
    assert not recover(settings).ok
    assert journal.drained.records == 0
    journal.close(drained=True)


def test_a_place_where_no_store_can_be_made_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    check = checked(Settings(store=f"sqlite:///{tmp_path}/file/below/spark.db"))["store"]
    assert not check.ok and check.advice and str(tmp_path / "file") in check.found


def test_a_damaged_store_is_one_to_recover(settings: Settings) -> None:
    with open(settings.store.removeprefix("sqlite:///"), "r+b") as file:
        file.write(b"garbage!" * 50)
    assert "spark doctor --recover" in checked(settings)["store"].advice
    assert recover(settings).ok
    assert checked(settings)["store"].ok


@pytest.mark.parametrize("what", ["directory", "locked", "no directory for the journal"])
def test_what_cannot_be_recovered_is_said_and_not_raised(settings: Settings, tmp_path: Path, what: str) -> None:
    path = Path(settings.store.removeprefix("sqlite:///"))
    if what == "directory":
        (tmp_path / "folder").mkdir()
        assert recover(Settings(store=f"sqlite:///{tmp_path}/folder")).ok, "there is nothing to be stored"
        return
    with closing(connection(settings)) as stranger:
        if what == "locked":
            stranger.execute("BEGIN IMMEDIATE")
        else:
            shutil.rmtree(f"{path}.capture")
            Path(f"{path}.capture").write_text("in the way")
        check = recover(settings)
    assert not check.ok and check.found and check.advice
