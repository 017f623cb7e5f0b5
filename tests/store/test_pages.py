"""Events are found in a file's pages whatever became of the way to them."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.store import EventRow, Filter, open_store
from spark_plugin.store.damage import readable_events
from spark_plugin.store.pages import Pages

PAGE = 4096


def row(position: int, size: int) -> EventRow:
    line = b'{"$":"task_posted","id":"e%d","data":"%s"}' % (position, b"x" * size)
    return EventRow(position, "/swarm", f"e{position}", "custom", f"t{position}", None, position / 3, 0.5, line)


def filled(path: Path, sizes: list[int]) -> list[bytes]:
    """A store of events of these sizes; their lines."""
    rows = [row(position, size) for position, size in enumerate(sizes, start=1)]
    path.unlink(missing_ok=True)
    with closing(open_store(f"sqlite:///{path}")) as store:
        for row_ in rows:
            with store.transaction() as transaction:
                transaction.append([row_])
    return [row.data for row in rows]


sizes = st.lists(st.one_of(st.integers(0, 600), st.integers(3900, 4200), st.integers(0, 40_000)), max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes)
def test_every_event_is_found_in_the_pages(tmp_path: Path, sizes: list[int]) -> None:
    lines = filled(tmp_path / "spark.db", sizes)
    pages = Pages(tmp_path / "spark.db")
    assert pages.last == len(lines)
    assert [pages.line(position) for position in range(1, len(lines) + 1)] == lines
    assert pages.line(len(lines) + 1) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes, st.integers(0, 2**32))
def test_of_garbage_nothing_is_made(tmp_path: Path, sizes: list[int], seed: int) -> None:
    """Whatever is written over a file: no error, and no event that was not there."""
    rng = random.Random(seed)
    path = tmp_path / "spark.db"
    filled(path, sizes)
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 6)):
        start = rng.randrange(len(content))
        length = rng.choice([1, 8, 100, 5000])
        content[start : start + length] = rng.randbytes(len(content[start : start + length]))
    path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content) + 1)])])
    pages = Pages(path)
    found = [pages.line(position) for position in range(1, min(pages.last, 200) + 1)]
    assert all(line is None or line.startswith(b'{"$"') for line in found)


@pytest.mark.parametrize("lost", ["header", "first page", "root"])
def test_without_the_way_to_them_all_events_are_found_in_order(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "spark.db"
    lines = filled(path, [300] * 400)
    content = bytearray(path.read_bytes())
    if lost == "root":
        with closing(open_store(f"sqlite:///{path}")) as store:
            sql = "SELECT rootpage FROM sqlite_master WHERE name = 'events'"
            start = (store._rows(sql)[0][0] - 1) * PAGE
    else:
        start = 0
    content[start : start + (100 if lost == "header" else PAGE)] = bytes(100 if lost == "header" else PAGE)
    path.write_bytes(content)
    assert list(readable_events(path)) == lines


def test_what_is_in_the_log_alone_is_found(tmp_path: Path) -> None:
    path = tmp_path / "spark.db"
    filled(path, [])
    with closing(open_store(f"sqlite:///{path}")) as store:
        with store.transaction() as transaction:
            transaction.append([row(n, 500) for n in range(1, 50)])
        assert list(store.events(Filter(), limit=1))
        copy = tmp_path / "copy.db"
        copy.write_bytes(bytes(PAGE))
        copy.with_name("copy.db-wal").write_bytes(path.with_name("spark.db-wal").read_bytes())
    pages = Pages(copy)
    assert [pages.line(n) for n in range(1, 50)] == [row(n, 500).data for n in range(1, 50)]
