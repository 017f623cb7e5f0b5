"""One batch, one transaction: each event once, a poison row alone, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from spark_hooks.events import Event, TaskPosted
from spark_plugin.capture.ingest import Ingested, ingest
from spark_plugin.errors import StoreUnavailable, UnfitRow
from spark_plugin.store import DeadLetter, EventRow, Filter, Store, Transaction, open_store
from spark_plugin.store.sqlite import SqliteTransaction


def event(event_id: str, source: str = "/swarm") -> Event:
    return TaskPosted(task_id=event_id, description="", id=event_id, source=source, time=1.0, writer="w")


class Watched:
    """A projection that notes what it is told, and forgets what was undone."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self._taken: list[tuple[int, str]] = []

    def begin(self, transaction: Transaction, events: Sequence[Event]) -> None:
        self.calls.append("begin")
        self._taken = []

    def project(self, position: int, event: Event) -> float:
        self._taken.append((position, event.id))
        return 0.25

    def finish(self, transaction: Transaction) -> None:
        self.calls.append("finish")
        self.kept += self._taken

    def abort(self) -> None:
        self.calls.append("abort")
        self.kept = [one for one in self.kept if one not in self._taken]

    def rest(self, transaction: Transaction) -> None:
        self.calls.append("rest")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as store:
        yield store


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ids of events that no store would take."""
    ids: set[str] = set()
    append = SqliteTransaction.append

    def picky(transaction: SqliteTransaction, rows: Sequence[EventRow]) -> None:
        for row in rows:
            if row.id in ids:
                raise UnfitRow("here", f"{row.id} is poison")
        append(transaction, rows)

    monkeypatch.setattr(SqliteTransaction, "append", picky)
    return ids


def stored(store: Store) -> list[tuple[int, str]]:
    return [(row.position, row.id) for row in store.events(Filter())]


def test_a_batch_is_stored_and_projected_in_order(store: Store, watched: Watched) -> None:
    assert ingest(store, [event("a"), event("b")], watched) == Ingested(stored=2)
    assert ingest(store, [event("c")], watched) == Ingested(stored=1)
    assert stored(store) == watched.kept == [(1, "a"), (2, "b"), (3, "c")]
    assert {row.importance for row in store.events(Filter())} == {0.25}
    assert watched.calls == ["begin", "finish"] * 2


def test_duplicates_are_found_by_source_and_id(store: Store, watched: Watched) -> None:
    batch = [event("a"), event("a"), event("a", "/other"), event("b"), event("a")]
    assert ingest(store, batch, watched) == Ingested(stored=3, duplicates=2)
    assert ingest(store, [event("b"), event("c")], watched) == Ingested(stored=1, duplicates=1)
    assert [name for _, name in stored(store)] == ["a", "a", "b", "c"]
    assert watched.kept == stored(store), "a duplicate is not projected"


def test_an_empty_batch_catches_up_and_stores_nothing(store: Store, watched: Watched) -> None:
    assert ingest(store, [], watched) == Ingested()
    assert watched.calls == ["begin", "finish"]


@pytest.mark.parametrize("bad", ["a", "c", "e"])
def test_a_poison_event_is_buried_alone(store: Store, watched: Watched, poison: set[str], bad: str) -> None:
    poison.add(bad)
    names = list("abcde")
    assert ingest(store, [event(name) for name in names], watched) == Ingested(stored=4, dead_letters=1)
    names.remove(bad)
    assert stored(store) == watched.kept == list(enumerate(names, start=1))
    assert store.dead_letters(100) == [DeadLetter("/swarm", bad, "task_posted", f"{bad} is poison")]
    assert store.check() == []


def test_a_whole_batch_of_poison_is_buried_and_the_next_one_stored(
    store: Store, watched: Watched, poison: set[str]
) -> None:
    poison |= {"a", "b"}
    assert ingest(store, [event("a"), event("b")], watched) == Ingested(dead_letters=2)
    assert ingest(store, [event("c")], watched) == Ingested(stored=1)
    assert stored(store) == [(1, "c")]
    assert len(store.dead_letters(100)) == 2


def test_a_store_that_fails_keeps_nothing_and_says_so(
    store: Store, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("here", "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteTransaction, "append", full)
        with pytest.raises(StoreUnavailable):
            ingest(store, [event("a")], watched)
    assert (stored(store), watched.kept, watched.calls) == ([], [], ["begin", "abort"])
    assert ingest(store, [event("a")], watched) == Ingested(stored=1)


@pytest.mark.parametrize("step", ["begin", "project", "finish"])
def test_a_projection_that_fails_undoes_the_batch(
    store: Store, watched: Watched, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> float:
        raise RuntimeError(step)

    with monkeypatch.context() as patch:
        patch.setattr(watched, step, broken)
        with pytest.raises(RuntimeError, match=step):
            ingest(store, [event("a")], watched)
    assert stored(store) == watched.kept == []
    assert watched.calls[-1] == "abort"
    ingest(store, [event("a")], watched)
    assert stored(store) == [(1, "a")]


def test_a_commit_that_fails_undoes_the_projection_too(
    store: Store, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = store.transaction

    @contextmanager
    def fails_at_its_very_end() -> Iterator[Transaction]:
        with transaction() as open_transaction:
            yield open_transaction
            raise StoreUnavailable("here", "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "transaction", fails_at_its_very_end)
        with pytest.raises(StoreUnavailable):
            ingest(store, [event("a")], watched)
    assert (stored(store), watched.kept, watched.calls[-1]) == ([], [], "abort")


def test_counts_add_up() -> None:
    assert Ingested(1, 2, 3).plus(Ingested(10, 20, 30)) == Ingested(11, 22, 33)
