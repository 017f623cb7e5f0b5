"""One file of the journal: what goes in comes out, up to the first damage."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.capture.segment import FIRST, MAGIC, Segment, salvage

SIZE = 4096
HEAD = 8

payloads = st.lists(st.binary(min_size=1, max_size=200), max_size=15)
in_one_directory = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.seg"


def filled(path: Path, *records: bytes) -> Segment:
    """A fresh segment with these records in it."""
    path.unlink(missing_ok=True)
    segment = Segment(path, SIZE)
    for record in records:
        assert segment.append(record) is not None
    return segment


def left_behind(path: Path, *records: bytes) -> bytearray:
    """The content of a segment whose process died, to be damaged."""
    filled(path, *records).close()
    return bytearray(path.read_bytes())


@in_one_directory
@given(payloads)
def test_what_goes_in_comes_out_in_order(path: Path, records: list[bytes]) -> None:
    segment = filled(path, *records)
    try:
        read = list(segment.records(FIRST, segment.end))
        assert [payload for payload, _ in read] == records
        assert [end for _, end in read][-1:] == ([segment.end] if records else [])
        assert list(salvage(path)) == records, "also from outside, while it is written"
    finally:
        segment.remove()
    assert not path.exists()


@in_one_directory
@given(payloads, st.data())
def test_what_is_released_is_not_salvaged(path: Path, records: list[bytes], data: st.DataObject) -> None:
    segment = filled(path, *records)
    ends = [FIRST, *(end for _, end in segment.records(FIRST, segment.end))]
    stored = data.draw(st.integers(0, len(records)))
    segment.release(FIRST, ends[stored])
    segment.close()
    assert list(salvage(path)) == records[stored:]
    assert not any(path.read_bytes()[FIRST : ends[stored]]), "nothing of it is left in the file"


@in_one_directory
@given(payloads, st.integers(0, SIZE))
def test_a_torn_tail_is_cut(path: Path, records: list[bytes], length: int) -> None:
    content = left_behind(path, *records)
    path.write_bytes(content[:length])
    found = list(salvage(path))
    assert found == records[: len(found)]
    whole = FIRST
    for record in found:
        whole += HEAD + len(record)
    assert length >= whole or not found
    if len(found) < len(records):
        assert length < whole + HEAD + len(records[len(found)])


@in_one_directory
@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=8), st.data())
def test_a_flipped_bit_never_gives_a_record_that_was_not_written(
    path: Path, records: list[bytes], data: st.DataObject
) -> None:
    content = left_behind(path, *records)
    end = FIRST + sum(HEAD + len(record) for record in records)
    place = data.draw(st.integers(FIRST, end - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = list(salvage(path))
    assert set(found) <= set(records)
    start, before = FIRST, 0
    for record in records:
        start += HEAD + len(record)
        before += start <= place
    assert found[:before] == records[:before], "what lies before the damage is whole"


def test_half_a_record_is_not_read(path: Path) -> None:
    """The length is written last: payload and checksum without it are no record yet."""
    content = left_behind(path, b"whole", b"half")
    struct.pack_into("<I", content, FIRST + HEAD + len(b"whole"), 0)
    path.write_bytes(content)
    assert list(salvage(path)) == [b"whole"]


@pytest.mark.parametrize("content", [b"", b"SPARK", MAGIC, MAGIC + b"\0" * 4, b"OTHERJ01" + b"\x10" + b"\0" * 100])
def test_a_file_that_is_no_segment_has_no_records(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert list(salvage(path)) == []


def test_an_offset_beyond_the_end_is_taken_for_all_stored(path: Path) -> None:
    content = left_behind(path, b"one")
    struct.pack_into("<Q", content, len(MAGIC), 2**63)
    path.write_bytes(content)
    assert list(salvage(path)) == []


def test_it_takes_what_fits_and_no_more(path: Path) -> None:
    segment = Segment(path, SIZE)
    room = SIZE - FIRST - HEAD
    assert segment.append(b"x" * (room + 1)) is None
    assert segment.append(b"x" * room) == SIZE
    assert segment.append(b"") is None
    assert segment.end == SIZE
    segment.close()
    assert list(salvage(path)) == [b"x" * room]


def test_the_disk_blocks_are_taken_at_once(path: Path) -> None:
    segment = Segment(path, 1 << 20)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20
    segment.remove()


def test_without_fallocate_zeros_are_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.posix_fallocate")
    segment = Segment(path, (2 << 20) + 100)
    assert path.stat().st_size == (2 << 20) + 100
    assert path.stat().st_blocks * 512 >= 2 << 20
    segment.remove()


def test_only_its_owner_can_read_it(path: Path) -> None:
    segment = filled(path, b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    segment.close()


def test_a_file_that_is_there_is_never_overwritten(path: Path) -> None:
    path.write_bytes(b"somebody's")
    with pytest.raises(FileExistsError):
        Segment(path, SIZE)
    assert path.read_bytes() == b"somebody's"


def test_a_full_disk_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Segment(path, SIZE)
    assert not path.exists()
