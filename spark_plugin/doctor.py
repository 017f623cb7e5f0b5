"""The doctor: what is the matter with a store and its journal, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import sqlite3
import sys
from collections.abc import Iterator

import msgspec

from spark_plugin import plugin
from spark_plugin.capture import journal_directory, mend, on_duty, waiting
from spark_plugin.errors import StoreError, StoreUnavailable
from spark_plugin.readers import summary
from spark_plugin.settings import Settings
from spark_plugin.store import Store, exists, open_store, path_of


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. `advice` says what to do; empty when nothing is to be done."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Check]:
    """Everything there is to look at. Never raises: what cannot be looked at is a finding."""
    found = [_versions(), _enabled(settings)]
    try:
        found += [_journal(settings), *_permissions(settings), *_worker(settings)]
        if not exists(settings.store):
            return [*found, _place(settings)]
        store = open_store(settings.store, create=False)
    except StoreError as error:
        return [*found, Check("store", False, error.reason, error.advice)]
    try:
        found += _of_store(store)
    except StoreError as error:
        found.append(Check("store", False, error.reason, error.advice))
    finally:
        store.close()
    return found


def recover(settings: Settings) -> Check:
    """Set a damaged store aside, and store what dead processes left in their journals. Raises `StoreError`."""
    directory, path = journal_directory(settings.store), path_of(settings.store)
    if exists(settings.store) and not path.is_dir():
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            mend(path, directory)
        except OSError as error:
            return Check("recover", False, error.strerror or str(error), StoreUnavailable.advice)
    before = waiting(directory)
    if before:
        open_store(settings.store).close()
        plugin.register(object(), settings=msgspec.structs.replace(settings, enabled=True, worker="thread")).close()
    left = waiting(directory)
    advice = "another process is draining them, or the store does not take them" if left else ""
    return Check("recover", not left, f"{before - left} of {before} waiting events stored", advice)


def rebuild(settings: Settings) -> Check:
    """Make the read models anew from the log and the ledger. Raises `StoreError`."""
    if not exists(settings.store):
        return Check("rebuild", True, "no store yet")
    return Check("rebuild", True, f"{plugin.rebuild(settings)} events read")


def _versions() -> Check:
    spark = importlib.metadata.version("spark-plugin")
    python = ".".join(map(str, sys.version_info[:3]))
    return Check("versions", True, f"spark-plugin {spark}, Python {python}, SQLite {sqlite3.sqlite_version}")


def _enabled(settings: Settings) -> Check:
    if settings.enabled:
        return Check("enabled", True, "yes")
    return Check("enabled", True, "no: nothing is captured", "set SPARK_ENABLED=true to capture")


def _journal(settings: Settings) -> Check:
    directory = journal_directory(settings.store)
    if not directory.is_dir():
        return Check("journal", True, "empty")
    left = waiting(directory)
    if left:
        return Check(
            "journal", False, f"{left} events wait", "a live process is storing them, or: spark doctor --recover"
        )
    return Check("journal", True, "nothing waits")


def _place(settings: Settings) -> Check:
    """Whether a store can be made where there is none."""
    place = next(parent for parent in path_of(settings.store).absolute().parents if parent.exists())
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Check("store", True, "not there yet", "it is made with the first event")
    return Check("store", False, f"not there yet, and {place} cannot be written", StoreUnavailable.advice)


def _permissions(settings: Settings) -> Iterator[Check]:
    """What agents write is for its owner alone."""
    store = path_of(settings.store)
    files = [journal_directory(settings.store), *(store.with_name(store.name + end) for end in ("", "-wal", "-shm"))]
    there = [file for file in files if file.exists()]
    open_to_others = [file for file in there if file.stat().st_uid == os.getuid() and file.stat().st_mode & 0o077]
    if there:
        advice = f"chmod go-rwx {' '.join(map(shlex.quote, map(str, open_to_others)))}" if open_to_others else ""
        named = ", ".join(file.name for file in open_to_others)
        found = f"others have rights to {named}" if open_to_others else "for the owner alone"
        yield Check("permissions", not open_to_others, found, advice)


def _worker(settings: Settings) -> Iterator[Check]:
    working = on_duty(journal_directory(settings.store))
    if working is not None:
        yield Check("worker", working.trouble is None, working.trouble or f"process {working.pid} drains for all")
    elif settings.worker == "external":
        yield Check("worker", False, "none drains this store", "run: spark worker")


def _of_store(store: Store) -> Iterator[Check]:
    wrong = store.check()
    yield Check("store", not wrong, "; ".join(wrong[:3]) or "sound", "spark doctor --recover" if wrong else "")
    position, known = store.position(), summary(store)
    projected = known["position"] if known else 0
    advice = "" if projected == position else "spark doctor --rebuild"
    yield Check("read models", projected == position, f"at position {projected} of {position}", advice)
    letters = store.dead_letters(limit=1)
    reason = f"{store.buried()} events could not be stored" if letters else "none"
    yield Check("dead letters", not letters, reason, f"the first: {letters[0].reason}" if letters else "")
    counters = store.counters()
    lost = counters.get("dropped", 0)
    yield Check("dropped", not lost, f"{lost} events", "see the receipts' reasons in the coordinator" if lost else "")
    errors = counters.get("plugin_errors", 0)
    yield Check("plugins", not errors, f"{errors} errors", "the coordinator's log names the plugins" if errors else "")
