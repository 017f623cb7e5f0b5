"""A power cut, simulated: of what was not synced, each sector of the disk keeps the old or the new, as it pleases."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture import journal
from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.capture.segment import whole_records
from spark_plugin.store import sqlite

SECTOR = 512
DURABLE = JournalTerms(durable=True)


class Disk:
    """All files of a journal, as they are in memory and as they are on the disk."""

    def __init__(
        self, before_sync: Callable[[Path], None] = lambda path: None, *, kind: type[Volatile] | None = None
    ) -> None:
        self.files: dict[Path, Volatile] = {}
        self._before_sync = before_sync
        self._kind = kind or Volatile

    def make(self, path: Path, size: int) -> Volatile:
        self.files[path] = self._kind(size, partial(self._before_sync, path))
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

    def __init__(self, size: int, before_sync: Callable[[], None]) -> None:
        self._before_sync = before_sync
        self._memory = bytearray(size)
        self.on_disk = bytes(size)
        self.view = memoryview(self._memory)

    def sync(self) -> None:
        written = bytes(self._memory)
        self._before_sync()
        self.on_disk = written

    def populate(self, start: int, end: int) -> None: ...

    def close(self) -> None: ...

    def after_a_power_cut(self, rng: random.Random) -> bytes:
        return b"".join(
            bytes(rng.choice((self._memory, self.on_disk))[start : start + SECTOR])
            for start in range(0, len(self.on_disk), SECTOR)
        )


class Forgetful(Volatile):
    """What Linux does when a sync fails: what could not be written counts as written from then on. One more sync finds
    nothing to do and says that all is well (Rebello et al., "Can Applications Recover from fsync Failures?", 2020)."""

    def __init__(self, size: int, before_sync: Callable[[], None]) -> None:
        super().__init__(size, before_sync)
        self._clean = bytes(size)

    def sync(self) -> None:
        written, clean = bytes(self._memory), self._clean
        self._clean = written
        self._before_sync()
        dirty = (at for at in range(0, len(written), SECTOR) if written[at : at + SECTOR] != clean[at : at + SECTOR])
        on_disk = bytearray(self.on_disk)
        for at in dirty:
            on_disk[at : at + SECTOR] = written[at : at + SECTOR]
        self.on_disk = bytes(on_disk)

    def after_a_power_cut(self, rng: random.Random) -> bytes:
        return self.on_disk  # whatever else was written to the disk by chance: one cannot count on it


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


class Senders:
    """Threads that each send one record; what was acknowledged must be on the disk at that moment."""

    def __init__(self, journal: Journal, disk: Disk) -> None:
        self.acknowledged: list[bytes] = []
        self.missing: list[bytes] = []
        self._journal = journal
        self._disk = disk
        self._threads: list[threading.Thread] = []

    def send(self, *records: bytes) -> None:
        self._threads.append(threading.Thread(target=self._send, args=records))
        self._threads[-1].start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)

    def _send(self, *records: bytes) -> None:
        for record in records:
            with suppress(OSError):
                self._journal.append(record)
                self.acknowledged.append(record)
                if not any(record in file.on_disk for file in list(self._disk.files.values())):
                    self.missing.append(record)


def test_senders_that_wait_together_each_find_their_record_on_the_disk(directory: Path, small_segments: int) -> None:
    disk = Disk()
    journal = Journal(directory, DURABLE, make=disk.make)
    senders = Senders(journal, disk)
    for name in "abcd":
        senders.send(*(f"{name}-{n:04d}".encode() * 10 for n in range(60)))
    senders.join()
    assert (senders.missing, len(senders.acknowledged)) == ([], 240)
    journal.close(drained=True)


def test_who_waited_for_a_sync_that_failed_is_not_told_it_succeeded(
    directory: Path, small_segments: int, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """While one sync takes its time, two records follow into the same segment and one into the next. The sync for all
    of them fails once, as disks do."""
    syncs: Counter[str] = Counter()
    go_on = threading.Event()

    def before_sync(path: Path) -> None:
        syncs[path.name[-5:]] += 1
        if path.name.endswith("1.seg"):
            if syncs["1.seg"] == 2:  # after the one that made it
                assert go_on.wait(60)
            if syncs["1.seg"] == 3:
                raise OSError(5, "Input/output error")

    disk = Disk(before_sync)
    journal = Journal(directory, DURABLE, make=disk.make)
    senders = Senders(journal, disk)
    for n, record in enumerate([b"1" * 100, b"2" * 1000, b"3" * 1000, b"4" * 2000], start=1):
        senders.send(record)
        eventually(lambda n=n: journal.appended == n)
    go_on.set()
    senders.join()
    assert len(disk.files) == 2, "the last one went into the next segment"
    assert senders.missing == []
    journal.close(drained=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.integers(0, 2**32))
def test_after_a_sync_that_failed_nothing_is_acknowledged_that_may_be_lost(
    directory: Path, small_segments: int, story: list[str], seed: int
) -> None:
    assert lost_by_failing_syncs(directory, story, seed) == set()


def lost_by_failing_syncs(directory: Path, story: list[str], seed: int, one_in: int = 5) -> set[bytes]:
    """Acknowledged records that no store has and that a power cut, after some step, would have lost; some syncs fail,
    and the disk forgets what they should have written."""
    rng = random.Random(seed)
    failing = False

    def before_sync(path: Path) -> None:
        if failing and rng.randrange(one_in) == 0:
            raise OSError(5, "Input/output error")

    disk = Disk(before_sync, kind=Forgetful)
    journal = Journal(directory, DURABLE, make=disk.make)
    failing = True
    taken: list[tuple[bytes, bool]] = []  # (record, whether it was acknowledged)
    stored = 0
    missing: set[bytes] = set()
    for n, step in enumerate(story):
        if step == "append":
            before, record = journal.appended, f"{n:04d}".encode() * rng.randrange(1, 300)
            with suppress(OSError):
                journal.append(record)
                taken.append((record, True))
            if journal.appended > before and (not taken or taken[-1][0] != record):
                taken.append((record, False))
        elif step == "store":
            with suppress(OSError):
                payloads, end = journal.read(rng.randrange(1, 6))
                assert payloads == [record for record, _ in taken[stored : stored + len(payloads)]]
                journal.release(end)
                stored += len(payloads)
        else:
            with suppress(OSError):
                journal.prepare()
        found = disk.after_a_power_cut(rng)
        assert set(found) <= {record for record, _ in taken}, "never a record that nobody wrote"
        missing |= {record for record, acknowledged in taken[stored:] if acknowledged} - set(found)
    journal.close(drained=True)
    return missing


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_the_store_syncs_as_much_as_it_was_asked_to(tmp_path: Path, durable: bool, level: int) -> None:
    path = tmp_path / "spark.db"
    store = sqlite.SqliteStore(path, f"sqlite:///{path}", durable=durable)
    with store.transaction() as transaction:
        assert transaction._rows("PRAGMA synchronous") == [(level,)]
    store.close()


def test_new_directories_are_on_the_disk_before_anything_in_them_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(journal, "_sync_directory", synced.append)
    place = tmp_path / "new" / "newer" / "spark.db.capture"
    Journal(place, DURABLE).close(drained=True)
    assert set(synced) == {tmp_path, tmp_path / "new", tmp_path / "new" / "newer", place}
