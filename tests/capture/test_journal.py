"""The journal: many segments, one set per process, and what becomes of the sets of the dead."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture import waiting
from spark_plugin.capture.dead import dead_sets
from spark_plugin.capture.journal import Journal, JournalSealed, RecordTooLarge


def files(directory: Path, ending: str = "") -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.endswith(ending))


def read_all(journal: Journal, limit: int = 7) -> list[bytes]:
    """Read and release, as the drainer does, until nothing is left."""
    found: list[bytes] = []
    while True:
        payloads, end = journal.read(limit)
        if not payloads:
            return found
        found += payloads
        journal.release(end)


def left_behind(directory: Path, *records: bytes) -> None:
    """The set of a process that died."""
    journal = Journal(directory)
    for record in records:
        journal.append(record)
    journal.close(drained=False)


def some(n: int, size: int = 300) -> list[bytes]:
    return [f"{i:06d}".encode().ljust(size, b".") for i in range(n)]


def test_records_come_out_in_the_order_they_went_in(directory: Path) -> None:
    journal = Journal(directory)
    for record in some(20):
        journal.append(record)
    assert journal.appended == 20
    assert read_all(journal) == some(20)
    journal.close(drained=True)


def test_records_stay_until_they_are_released(directory: Path) -> None:
    journal = Journal(directory)
    for record in some(5):
        journal.append(record)
    payloads, end = journal.read(3)
    assert payloads == some(5)[:3]
    assert journal.read(3)[0] == payloads, "not stored yet: read again"
    assert waiting(directory) == 5
    journal.release(end)
    assert journal.read(9)[0] == some(5)[3:]
    assert waiting(directory) == 2
    journal.close(drained=False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=2048), max_size=8), max_size=6),
    st.integers(1, 9),
)
def test_order_holds_over_many_segments(
    directory: Path, small_segments: int, rounds: list[list[bytes]], limit: int
) -> None:
    journal = Journal(directory)
    try:
        found = []
        for records in rounds:
            for record in records:
                journal.append(record)
            found += read_all(journal, limit)
        assert found == [record for records in rounds for record in records]
        assert len(files(directory, ".seg")) == 1, "the segments before are gone"
    finally:
        journal.close(drained=True)


def test_it_rolls_over_and_unlinks_what_is_released(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    for record in some(40):
        journal.append(record)
    segments = files(directory, ".seg")
    assert len(segments) == 4
    assert all((directory / name).stat().st_size == small_segments for name in segments)
    released = []
    while len(released) < 39:
        payloads, end = journal.read(1)
        journal.release(end)
        released += payloads
    assert journal.read(1)[0] == some(40)[-1:]
    assert files(directory, ".seg") == segments[-1:]
    journal.close(drained=False)
    assert waiting(directory) == 1


def test_a_drained_journal_leaves_nothing(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    for record in some(40):
        journal.append(record)
    read_all(journal)
    journal.close(drained=True)
    assert files(directory) == []


def test_a_journal_that_is_not_drained_waits(directory: Path, small_segments: int) -> None:
    left_behind(directory, *some(40))
    assert waiting(directory) == 40
    [dead] = dead_sets(directory)
    assert list(dead.records()) == some(40)
    dead.release()


def test_only_their_owner_can_read_the_files(directory: Path) -> None:
    journal = Journal(directory)
    journal.append(b"secret")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert [name.rsplit(".")[-1] for name in files(directory)] == ["seg", "lock"]
    journal.close(drained=True)


def test_a_record_too_large_is_refused_and_the_next_one_taken(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    with pytest.raises(RecordTooLarge, match="2049 bytes"):
        journal.append(b"x" * 2049)
    journal.append(b"y" * 2048)
    assert journal.appended == 1
    assert read_all(journal) == [b"y" * 2048]
    journal.close(drained=True)


def test_a_journal_that_cannot_grow_says_so_and_goes_on_when_it_can(
    directory: Path, small_segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(directory)
    for record in some(13):
        journal.append(record)
    with monkeypatch.context() as disk:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        disk.setattr("os.posix_fallocate", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                journal.append(some(1)[0])
    journal.append(b"after")
    assert read_all(journal) == [*some(13), b"after"]
    assert journal.appended == 14
    journal.close(drained=True)
    assert files(directory) == []


def test_a_closed_journal_takes_nothing(directory: Path) -> None:
    journal = Journal(directory)
    journal.close(drained=True)
    with pytest.raises(JournalSealed):
        journal.append(b"late")


def test_a_sealed_journal_takes_nothing_and_gives_what_it_has(directory: Path) -> None:
    journal = Journal(directory)
    journal.append(b"early")
    journal.seal()
    with pytest.raises(JournalSealed, match="closed"):
        journal.append(b"late")
    assert journal.appended == 1
    assert read_all(journal) == [b"early"]
    journal.close(drained=True)
    assert files(directory) == []


def test_threads_append_while_it_is_read(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    done = threading.Event()
    found: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            found.extend(read_all(journal))
        found.extend(read_all(journal))

    def append(name: str) -> None:
        for n in range(500):
            journal.append(f"{name}{n:05d}".encode() * 3)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    done.set()
    reader.join(60)
    journal.close(drained=True)
    assert len(found) == 4 * 500
    for name in "abcd":
        own = [record for record in found if record.startswith(name.encode())]
        assert own == sorted(own), "each thread's records keep their order"
        assert len(set(own)) == 500


def test_the_set_of_the_living_is_never_taken(directory: Path) -> None:
    journal = Journal(directory)
    journal.append(b"mine")
    assert list(dead_sets(directory)) == []
    assert waiting(directory) == 1
    journal.close(drained=False)
    [dead] = dead_sets(directory)
    assert list(dead.records()) == [b"mine"]
    dead.remove()


def test_a_dead_set_in_hand_is_nobody_elses(directory: Path) -> None:
    left_behind(directory, b"one")
    [mine] = dead_sets(directory)
    assert list(dead_sets(directory)) == []
    mine.release()
    [again] = dead_sets(directory)
    assert list(again.records()) == [b"one"]
    again.remove()
    assert list(dead_sets(directory)) == []
    assert files(directory) == []


def test_dead_sets_are_found_oldest_first_and_left_alone_by_others(directory: Path) -> None:
    for name in (b"a", b"b", b"c"):
        left_behind(directory, name)
    living = Journal(directory)
    living.append(b"living")
    found = []
    for dead in dead_sets(directory):
        found += list(dead.records())
        dead.remove()
    assert sorted(found) == [b"a", b"b", b"c"]
    assert waiting(directory) == 1
    assert len(files(directory)) == 2
    living.close(drained=True)


def test_many_that_start_at_once_drain_each_set_exactly_once(directory: Path, small_segments: int) -> None:
    for n in range(10):
        left_behind(directory, *(f"{n}-{i}".encode() for i in range(50)))
    together = threading.Barrier(8)
    found: list[bytes] = []

    def drain() -> None:
        together.wait(30)
        for dead in dead_sets(directory):
            found.extend(dead.records())
            dead.remove()

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted(f"{n}-{i}".encode() for n in range(10) for i in range(50))
    assert files(directory) == []


def test_a_damaged_segment_costs_only_its_own_tail(directory: Path, small_segments: int) -> None:
    left_behind(directory, *some(40))
    second = directory / files(directory, ".seg")[1]
    content = bytearray(second.read_bytes())
    content[-600] ^= 0xFF
    second.write_bytes(content)
    [dead] = dead_sets(directory)
    found = list(dead.records())
    dead.release()
    assert found == sorted(found)
    assert 35 < len(found) < 40
    assert {*some(13), *some(40)[-5:]} <= set(found)


def test_no_directory_means_nothing_waits(directory: Path) -> None:
    assert waiting(directory) == 0
    assert list(dead_sets(directory)) == []


def test_a_journal_where_a_file_is_in_the_way_is_an_error_of_the_disk(directory: Path) -> None:
    directory.write_text("in the way")
    with pytest.raises(OSError, match="exists"):
        Journal(directory)
