"""A power cut, simulated: of what was not synced, each sector of the disk keeps the old or the new, as it pleases."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.capture.segment import whole_records
from spark_plugin.store import sqlite

SECTOR = 512
DURABLE = JournalTerms(durable=True)


class Disk:
    """All files of a journal, as they are in memory and as they are on the disk."""

    def __init__(self) -> None:
        self.files: dict[Path, Volatile] = {}

    def make(self, path: Path, size: int) -> Volatile:
        self.files[path] = Volatile(size)
        path.touch()
        return self.files[path]

    def after_a_power_cut(self, rng: random.Random) -> list[bytes]:
        """The whole records that a reader finds, in the order of the files."""
        return [
            record
            for path in sorted(self.files)
            if path.exists()
            for record in whole_records(self.files[path].after_a_power_cut(rng))
        ]


class Volatile:
    """A file whose writes stay in memory until it is synced."""

    def __init__(self, size: int) -> None:
        self._memory = bytearray(size)
        self.on_disk = bytes(size)
        self.view = memoryview(self._memory)

    def sync(self) -> None:
        self.on_disk = bytes(self._memory)

    def close(self) -> None: ...

    def after_a_power_cut(self, rng: random.Random) -> bytes:
        return b"".join(
            bytes(rng.choice((self._memory, self.on_disk))[start : start + SECTOR])
            for start in range(0, len(self.on_disk), SECTOR)
        )


steps = st.lists(st.sampled_from(["append", "append", "append", "store", "prepare"]), min_size=5, max_size=60)


def lost(directory: Path, terms: JournalTerms, story: list[str], seed: int) -> set[bytes]:
    """Acknowledged records that no store has and that some power cut, after some step, would have lost."""
    rng = random.Random(seed)
    disk = Disk()
    journal = Journal(directory, terms, make=disk.make)
    acknowledged: list[bytes] = []
    stored = 0
    missing: set[bytes] = set()
    for n, step in enumerate(story):
        if step == "append":
            acknowledged.append(f"{n:04d}".encode() * rng.randrange(1, 300))
            journal.append(acknowledged[-1])
        elif step == "store":
            payloads, end = journal.read(rng.randrange(1, 6))
            stored += len(payloads)
            journal.release(end)
        else:
            journal.prepare()
        for _ in range(3):
            found = disk.after_a_power_cut(rng)
            assert set(found) <= set(acknowledged), "never a record that nobody wrote"
            missing |= set(acknowledged[stored:]) - set(found)
    journal.close(drained=True)
    return missing


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.integers(0, 2**32))
def test_what_was_acknowledged_survives_a_power_cut(
    directory: Path, small_segments: int, story: list[str], seed: int
) -> None:
    assert lost(directory, DURABLE, story, seed) == set()


def test_without_syncing_it_would_not(directory: Path, small_segments: int) -> None:
    """The test above can fail."""
    assert lost(directory, JournalTerms(durable=False), ["append"] * 40, seed=1)


def test_senders_that_wait_together_each_find_their_record_on_the_disk(directory: Path, small_segments: int) -> None:
    disk = Disk()
    journal = Journal(directory, DURABLE, make=disk.make)
    missing: list[bytes] = []

    def send(name: str) -> None:
        for n in range(60):
            record = f"{name}-{n:04d}".encode() * 10
            journal.append(record)
            if not any(record in file.on_disk for file in list(disk.files.values())):
                missing.append(record)

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert missing == []
    assert journal.appended == 240
    journal.close(drained=True)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_the_store_syncs_as_much_as_it_was_asked_to(tmp_path: Path, durable: bool, level: int) -> None:
    path = tmp_path / "spark.db"
    store = sqlite.SqliteStore(path, f"sqlite:///{path}", durable=durable)
    with store.transaction() as transaction:
        assert transaction._rows("PRAGMA synchronous") == [(level,)]
    store.close()
