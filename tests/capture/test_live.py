"""A journal read by another process while it is written: all of it, once, in order, whatever happens in between."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture import waiting
from spark_plugin.capture.counts import Drained, Ingested
from spark_plugin.capture.journal import Journal, JournalFull, JournalTerms
from spark_plugin.capture.live import LiveSet, sets_for_a_worker
from spark_plugin.capture.segment import ForeignSegment, NotReady

FOR_A_WORKER = JournalTerms(for_a_worker=True)
steps = st.lists(
    st.tuples(st.sampled_from(["append", "append", "append", "prepare", "read", "forget"]), st.integers(1, 1500)),
    max_size=80,
)


def live_set(directory: Path) -> LiveSet:
    [name] = sets_for_a_worker(directory)
    return LiveSet(directory, name)


def read(live: LiveSet, limit: int) -> list[bytes]:
    payloads, end = live.read(limit)
    live.release(end, Drained(len(payloads), Ingested(stored=len(payloads)))) if payloads else None
    return payloads


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_everything_comes_out_once_and_in_order(
    directory: Path, small_segments: int, story: list[tuple[str, int]]
) -> None:
    journal = Journal(directory, FOR_A_WORKER)
    live = live_set(directory)
    written: list[bytes] = []
    found: list[bytes] = []
    for n, (step, size) in enumerate(story):
        if step == "append":
            written.append(f"{n:06d}".encode().ljust(size, b"."))
            journal.append(written[-1])
        elif step == "read":
            found += read(live, size % 7 + 1)
        else:
            journal.prepare() if step == "prepare" else journal.forget()
    while more := read(live, 5):
        found += more
    assert found == written
    assert journal.drained == (len(written), Ingested(stored=len(written)))
    journal.forget()
    assert waiting(directory) == 0
    live.close()
    journal.close(drained=True)
    assert list(directory.iterdir()) == []


def test_while_another_thread_writes(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, FOR_A_WORKER)
    live = live_set(directory)
    records = [f"{n:05d}".encode() * (n % 60 + 1) for n in range(3000)]
    writer = threading.Thread(target=lambda: [journal.append(record) for record in records])
    writer.start()
    found: list[bytes] = []
    while writer.is_alive() or len(found) < len(records):
        found += read(live, 100)
        journal.prepare()
        journal.forget()
    writer.join(60)
    assert found == records
    live.close()
    journal.close(drained=True)


def test_what_is_not_released_is_read_again(directory: Path) -> None:
    journal = Journal(directory, FOR_A_WORKER)
    for record in (b"a", b"b", b"c"):
        journal.append(record)
    first = live_set(directory)
    assert first.read(2)[0] == [b"a", b"b"]
    first.close()
    again = live_set(directory)
    assert read(again, 1) == [b"a"]
    again.close()
    assert read(live_set(directory), 9) == [b"b", b"c"]
    journal.close(drained=True)


def test_a_full_journal_has_room_again_when_a_worker_has_drained_it(directory: Path, small_segments: int) -> None:
    journal = Journal(directory, FOR_A_WORKER)
    journal._most = 2
    for _ in range(8):
        journal.append(b"." * 1000)
    with pytest.raises(JournalFull):
        journal.append(b"." * 1000)
    live = live_set(directory)
    while read(live, 1):
        pass
    journal.append(b"room")
    assert read(live, 9) == [b"room"]
    live.close()
    journal.close(drained=True)


def test_a_set_that_its_owner_drains_is_not_for_a_worker(directory: Path) -> None:
    journal = Journal(directory)
    assert list(sets_for_a_worker(directory)) == []
    journal.close(drained=True)


@pytest.mark.parametrize("content", [b"", bytes(4096)])
def test_a_segment_that_is_only_being_made_is_left_for_later(directory: Path, content: bytes) -> None:
    directory.mkdir()
    path = directory / "x.00000001.seg"
    path.write_bytes(content)
    with pytest.raises(NotReady):
        ForeignSegment(path)
    with pytest.raises(NotReady):
        ForeignSegment(directory / "gone.seg")
    assert LiveSet(directory, "x").read(5)[0] == []
