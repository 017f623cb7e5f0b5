"""The journal: many segments, one set per process, and what becomes of the sets of the dead."""

from __future__ import annotations

import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture import waiting
from spark_plugin.capture.dead import dead_sets
from spark_plugin.capture.journal import Journal, JournalFull, JournalSealed, JournalTerms, RecordTooLarge
from spark_plugin.capture.segment import MappedFile


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


# bounds


SMALL = JournalTerms(max_bytes=3 * 4096)


def fill(journal: Journal, size: int = 300) -> int:
    """Append until the journal is full; returns how many records it took."""
    for n in range(10_000):
        try:
            journal.append(some(1, size)[0])
        except JournalFull:
            return n
    raise AssertionError("it never was full")


def test_a_full_journal_refuses_and_takes_again_when_there_is_room(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, SMALL)
    taken = fill(journal)
    assert taken == journal.appended == 39
    assert len(files(directory, ".seg")) == 3
    with pytest.raises(JournalFull, match="12288 bytes"):
        journal.append(some(1)[0])
    assert len(read_all(journal)) == 39
    assert fill(journal) >= 26
    journal.close(drained=False)


def test_the_bound_holds_for_the_segment_made_ready_too(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, SMALL)
    most = 0
    for _ in range(60):
        journal.prepare()
        with suppress(JournalFull):
            journal.append(some(1)[0])
        most = max(most, len(files(directory, ".seg")))
    assert most == 3
    journal.close(drained=True)
    assert files(directory) == []


def test_a_full_journal_that_blocks_waits_for_room(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, SMALL._replace(on_full="block"))
    records = some(60)
    sender = threading.Thread(target=lambda: [journal.append(record) for record in records])
    sender.start()
    found: list[bytes] = []
    while len(found) < 60:
        found += read_all(journal)
    sender.join(60)
    assert found == records
    journal.close(drained=True)


def test_whoever_makes_room_does_not_wait_for_it(directory: Path, small_segments: int) -> None:
    """A plugin that the drainer calls may send: nobody else would ever make room."""
    journal = Journal(directory, SMALL._replace(on_full="block"))
    refused: list[type[Exception]] = []

    def drain() -> None:
        journal.read(1)
        try:
            while True:
                journal.append(some(1)[0])
        except JournalFull as error:
            refused.append(type(error))

    drainer = threading.Thread(target=drain, daemon=True)
    drainer.start()
    drainer.join(10)
    assert refused == [JournalFull]
    journal.close(drained=True)


def test_the_end_frees_who_waits_for_room(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, SMALL._replace(on_full="block"))
    ended: list[type[Exception]] = []

    def send() -> None:
        try:
            while True:
                journal.append(some(1)[0])
        except JournalSealed as error:
            ended.append(type(error))

    sender = threading.Thread(target=send)
    sender.start()
    while journal.appended < 39:
        pass
    journal.seal()
    sender.join(60)
    assert ended == [JournalSealed]
    assert len(read_all(journal)) == 39
    journal.close(drained=True)


# the segment that is made ready before it is needed


def test_the_next_segment_is_made_ready_once_it_will_be_needed(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    journal.prepare()
    assert len(files(directory, ".seg")) == 1, "not yet"
    for record in some(5):
        journal.append(record)
    journal.prepare()
    journal.prepare()
    assert len(files(directory, ".seg")) == 2
    for record in some(20):
        journal.append(record)
    assert len(files(directory, ".seg")) == 2, "it was there"
    assert read_all(journal) == [*some(5), *some(20)]
    journal.close(drained=True)
    assert files(directory) == []


def test_a_dead_process_may_leave_an_empty_segment(directory: Path, small_segments: int) -> None:
    journal = Journal(directory)
    for record in some(5):
        journal.append(record)
    journal.prepare()
    journal.disown()
    assert len(files(directory, ".seg")) == 2
    [dead] = dead_sets(directory)
    assert list(dead.records()) == some(5)
    dead.remove()
    assert files(directory) == []


def test_order_holds_when_a_segment_is_full_before_the_next_one_is_ready(directory: Path, small_segments: int) -> None:
    """Making it ready takes long: meanwhile a sender makes one of its own. Also a reader of the dead has the order."""
    slow, go_on = threading.Event(), threading.Event()

    def make(path: Path, size: int) -> MappedFile:
        if threading.current_thread().name == "preparing":
            slow.set()
            assert go_on.wait(60)
        return MappedFile(path, size)

    journal = Journal(directory, make=make)
    preparing = threading.Thread(target=journal.prepare, name="preparing")
    records = some(60)
    for record in records[:5]:
        journal.append(record)
    preparing.start()
    assert slow.wait(60)
    for record in records[5:20]:
        journal.append(record)
    go_on.set()
    preparing.join(60)
    for record in records[20:]:
        journal.append(record)
    journal.disown()
    [dead] = dead_sets(directory)
    assert list(dead.records()) == records
    dead.remove()
