"""What every event store must do, as tests. A backend inherits `StoreContract` and says where a fresh store is.

class TestMyBackend(StoreContract):
    @pytest.fixture
    def store_url(self, tmp_path) -> str: ...
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_plugin.errors import StoreError, StoreUnavailable, UnfitRow
from spark_plugin.store import DeadLetter, DerivedRow, EventRow, Filter, Store, Transaction, open_store

OpenStore = Callable[[], Store]

TYPES, TASKS, AGENTS = ("posted", "assigned", "failed"), ("t1", "t2", None), ("ada", "bo", None)
IMPORTANCES = (0.2, 0.5, 1.0)

filters = st.builds(
    Filter,
    type=st.none() | st.sampled_from([*TYPES, "unheard"]),
    agent=st.none() | st.sampled_from(["ada", "bo", "nobody"]),
    task=st.none() | st.sampled_from(["t1", "t2", "t9"]),
    importance=st.none() | st.sampled_from([0.0, *IMPORTANCES]),
    since=st.none() | st.sampled_from([0.0, 10.0, 25.0, 1e9]),
    after=st.none() | st.integers(0, 61),
    before=st.none() | st.integers(0, 62),
)
limits = st.none() | st.integers(0, 70)
over_one_store = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def event(position: int, **columns: Any) -> EventRow:
    """An event row; what is not given follows from its position."""
    given_columns: dict[str, Any] = {
        "position": position,
        "source": "/swarm",
        "id": f"e{position}",
        "type": "task_posted",
        "task_id": None,
        "agent_id": None,
        "time": float(position),
        "importance": 0.5,
        "data": b"{}",
    }
    return EventRow(**given_columns | columns)


def derived(position: int, kind: str = "prediction", subject: str = "t1", **columns: Any) -> DerivedRow:
    """A derived row."""
    return DerivedRow(
        **{"data": b"{}", "importance": 0.5, "time": 1.0} | columns, position=position, kind=kind, subject=subject
    )


def append(store: Store, *rows: EventRow) -> None:
    """Append events in a transaction of their own."""
    with store.transaction() as transaction:
        transaction.append(rows)


def derive(store: Store, *rows: DerivedRow) -> None:
    """Add derived rows in a transaction of their own."""
    with store.transaction() as transaction:
        transaction.derive(rows)


def mixed_events(n: int = 60) -> list[EventRow]:
    """Events of every combination of columns, in no order of any of them."""
    rng = random.Random(20)
    return [
        event(
            position,
            type=rng.choice(TYPES),
            task_id=rng.choice(TASKS),
            agent_id=rng.choice(AGENTS),
            time=float(rng.randrange(40)),
            importance=rng.choice(IMPORTANCES),
        )
        for position in range(1, n + 1)
    ]


def mixed_derived(n: int = 60) -> list[DerivedRow]:
    """Derived rows of every combination of columns, several at one position."""
    rng = random.Random(21)
    rows = {}
    for _ in range(n):
        row = derived(
            rng.randrange(1, 30),
            rng.choice(TYPES),
            rng.choice(["s1", "s2"]),
            time=float(rng.randrange(40)),
            importance=rng.choice(IMPORTANCES),
            task_id=rng.choice(TASKS),
            agent_id=rng.choice(AGENTS),
        )
        rows[row.position, row.kind, row.subject] = row
    return list(rows.values())


def lets_through(which: Filter, row: EventRow | DerivedRow) -> bool:
    """What a filter means, in the plainest words."""
    kind = row.type if isinstance(row, EventRow) else row.kind
    return (
        which.type in (None, kind)
        and which.agent in (None, row.agent_id)
        and which.task in (None, row.task_id)
        and (which.importance is None or row.importance >= which.importance)
        and (which.since is None or row.time >= which.since)
        and (which.after is None or row.position > which.after)
        and (which.before is None or row.position < which.before)
    )


class Undone(Exception):
    """Raised by tests to undo a transaction."""


@contextmanager
def undone(store: Store) -> Iterator[Transaction]:
    """A transaction that is undone at its end."""
    with suppress(Undone), store.transaction() as transaction:
        yield transaction
        raise Undone


class StoreContract:
    """Inherit, and give the fixture `store_url`: the URL of a store that does not exist yet."""

    @pytest.fixture
    def store_url(self) -> str:
        raise NotImplementedError("say where a fresh store is")

    @pytest.fixture
    def opened(self, store_url: str) -> Iterator[OpenStore]:
        """Opens the store, as often as it is called; closes all when the test ends."""
        stores: list[Store] = []

        def open_one_more() -> Store:
            stores.append(open_store(store_url))
            return stores[-1]

        yield open_one_more
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, opened: OpenStore) -> Store:
        return opened()

    # events

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.position() == 0
        assert store.count(Filter()) == 0
        assert list(store.events(Filter())) == []
        assert list(store.derived(Filter())) == []
        assert list(store.tasks()) == []
        assert dict(store.models("agent")) == {}
        assert store.model("agent", "ada") is None
        assert dict(store.counters()) == {}
        assert list(store.dead_letters(100)) == []
        assert store.snapshot("1") is None
        assert store.check() == []

    def test_events_come_back_as_they_were_appended(self, store: Store) -> None:
        rows = [
            event(1, task_id="t1", agent_id="ada", time=1.25, importance=0.37, data=b'{"a":"\xc3\xa4"}'),
            event(2, source="/other", id="e1", type="custom.type", time=-3.5, data=b"\x00\xff"),
        ]
        append(store, *rows)
        assert list(store.events(Filter())) == rows

    def test_positions_are_counted_on_from_transaction_to_transaction(self, store: Store) -> None:
        for _ in range(3):
            with store.transaction() as transaction:
                first = transaction.position() + 1
                transaction.append([event(position) for position in range(first, first + 4)])
                assert transaction.position() == first + 3
        assert [row.position for row in store.events(Filter())] == list(range(1, 13))
        assert store.position() == store.count(Filter()) == 12

    def test_a_missing_position_is_told_by_check(self, store: Store) -> None:
        append(store, event(1), event(2))
        assert store.check() == []
        append(store, event(5))
        [complaint] = store.check()
        assert "2 positions are missing" in complaint

    def test_known_finds_by_source_and_id_together(self, store: Store) -> None:
        append(store, event(1, source="/a", id="x"), event(2, source="/b", id="x"), event(3, source="/a", id="y"))
        with store.transaction() as transaction:
            asked = {("/a", "x"), ("/a", "y"), ("/b", "y"), ("/c", "x"), ("x", "/a")}
            assert transaction.known(asked) == {("/a", "x"), ("/a", "y")}
            assert transaction.known(set()) == set()

    def test_known_sees_what_its_own_transaction_appended(self, store: Store) -> None:
        with store.transaction() as transaction:
            assert transaction.known({("/swarm", "e1")}) == set()
            transaction.append([event(1)])
            assert transaction.known({("/swarm", "e1")}) == {("/swarm", "e1")}

    def test_known_takes_thousands_of_keys_at_once(self, store: Store) -> None:
        append(store, *(event(position) for position in range(1, 2001)))
        with store.transaction() as transaction:
            keys = {("/swarm", f"e{position}") for position in range(1, 4001)}
            assert transaction.known(keys) == {("/swarm", f"e{position}") for position in range(1, 2001)}

    def test_tasks_heard_of_before_a_position(self, store: Store) -> None:
        append(store, *(event(n, task_id=f"t{n % 700}") for n in range(1, 1001)), event(1001, task_id=None))
        every = {f"t{n}" for n in range(1000)}
        assert store.heard_of(every, 2000) == {f"t{n}" for n in range(700)}
        assert store.heard_of(every, 3) == {"t1", "t2"}
        assert store.heard_of({"t5", "strange"}, 6) == {"t5"}
        assert store.heard_of({"t5"}, 5) == store.heard_of((), 2000) == set()
        with store.transaction() as transaction:
            transaction.append([event(1002, task_id="new")])
            assert transaction.heard_of({"new"}, 2000) == {"new"}

    @over_one_store
    @given(which=filters, limit=limits, newest_first=st.booleans())
    def test_filters_limits_and_order_of_events(
        self, store: Store, which: Filter, limit: int | None, newest_first: bool
    ) -> None:
        rows = mixed_events()
        if not store.position():
            append(store, *rows)
        expected = [row for row in rows if lets_through(which, row)]
        assert store.count(which) == len(expected)
        if newest_first:
            expected.reverse()
        assert list(store.events(which, limit=limit, newest_first=newest_first)) == expected[:limit]

    @over_one_store
    @given(which=filters, limit=limits, newest_first=st.booleans())
    def test_filters_limits_and_order_of_derived_rows(
        self, store: Store, which: Filter, limit: int | None, newest_first: bool
    ) -> None:
        rows = mixed_derived()
        if not store.derived(Filter(), limit=1):
            derive(store, *rows)
        expected = [row for row in rows if lets_through(which, row)]
        expected.sort(key=lambda row: (row.position, row.kind, row.subject), reverse=newest_first)
        assert list(store.derived(which, limit=limit, newest_first=newest_first)) == expected[:limit]

    def test_an_event_that_is_there_already_does_not_fit(self, store: Store) -> None:
        append(store, event(1))
        with pytest.raises(UnfitRow):
            append(store, event(2, id="e1"))
        with pytest.raises(UnfitRow):
            append(store, event(1, id="another"))
        assert list(store.events(Filter())) == [event(1)]

    @pytest.mark.parametrize(
        "bad",
        [
            {"data": None},
            {"type": None},
            {"time": None},
            {"id": "\ud800"},
            {"task_id": "\udfff"},
            {"time": 2**70},
            {"data": {"not": "bytes"}},
        ],
        ids=["no data", "no type", "no time", "surrogate id", "surrogate task", "huge number", "a dict"],
    )
    def test_a_row_that_cannot_be_stored_is_unfit_and_takes_its_batch_along(
        self, store: Store, bad: dict[str, Any]
    ) -> None:
        with pytest.raises(UnfitRow):
            append(store, event(1), event(2, **bad), event(3))
        assert store.position() == 0
        append(store, event(1), event(2))
        assert store.position() == 2

    def test_importance_is_set_by_position(self, store: Store) -> None:
        append(store, event(1), event(2), event(3))
        with store.transaction() as transaction:
            transaction.set_importance({1: 0.9, 3: 0.1})
        assert [row.importance for row in store.events(Filter())] == [0.9, 0.5, 0.1]

    # derived rows

    def test_derived_rows_are_append_only(self, store: Store) -> None:
        first = derived(1, data=b'"first"', importance=0.7, task_position=1, task_id="t1", agent_id="ada")
        derive(store, first)
        derive(store, derived(1, data=b'"second"', importance=0.1, task_position=2), derived(1, subject="t2"))
        assert list(store.derived(Filter())) == [first, derived(1, subject="t2")]

    def test_derived_rows_of_one_task(self, store: Store) -> None:
        one = [derived(n, kind, task_position=1) for n, kind in ((1, "prediction"), (3, "award"), (7, "scored"))]
        derive(store, one[2], derived(4, task_position=2), one[0], derived(5, task_position=None), one[1])
        assert list(store.derived_of_task(1)) == one
        assert list(store.derived_of_task(9)) == []

    def test_tasks_are_those_with_derived_rows(self, store: Store) -> None:
        derive(store, *(derived(n, task_position=n - n % 3) for n in range(3, 30)), derived(40, task_position=None))
        expected = list(range(3, 30, 3))
        assert list(store.tasks()) == expected
        assert list(store.tasks(limit=4)) == expected[::-1][:4]
        assert list(store.tasks(limit=0)) == []
        assert list(store.tasks(limit=100)) == expected[::-1]

    def test_tasks_by_the_thousand(self, store: Store) -> None:
        derive(store, *(derived(n, task_position=n) for n in range(1, 2501)))
        assert list(store.tasks()) == list(range(1, 2501))
        assert list(store.tasks(limit=2200)) == list(range(2500, 300, -1))

    # read models, snapshot, counters, dead letters

    def test_read_models_are_published_replaced_and_taken_away(self, store: Store) -> None:
        with store.transaction() as transaction:
            transaction.publish("agent", {"bo": b"1", "ada": b"2", "cy": b"3"})
            transaction.publish("category", {"bo": b"other"})
        with store.transaction() as transaction:
            transaction.publish("agent", {"bo": b"new", "cy": None, "nobody": None, "di": b"4"})
            assert transaction.model("agent", "bo") == b"new"
        assert list(store.models("agent").items()) == [("ada", b"2"), ("bo", b"new"), ("di", b"4")]
        assert store.model("agent", "cy") is None
        assert store.model("category", "bo") == b"other"

    def test_reset_models_drops_models_and_snapshot_and_nothing_else(self, store: Store) -> None:
        append(store, event(1))
        derive(store, derived(1))
        with store.transaction() as transaction:
            transaction.publish("agent", {"ada": b"1"})
            transaction.save_snapshot("1", b"state")
            transaction.count_up({"dropped": 2})
            transaction.bury([DeadLetter("/s", "x", "t", "why")])
        with store.transaction() as transaction:
            transaction.reset_models()
        assert dict(store.models("agent")) == {}
        assert store.snapshot("1") is None
        assert store.position() == 1
        assert len(store.derived(Filter())) == 1
        assert dict(store.counters()) == {"dropped": 2}
        assert len(store.dead_letters(100)) == 1

    def test_only_the_last_snapshot_is_kept_and_only_for_its_version(self, store: Store) -> None:
        with store.transaction() as transaction:
            transaction.save_snapshot("1", b"old")
            transaction.save_snapshot("1", b"new")
        assert store.snapshot("1") == b"new"
        assert store.snapshot("2") is None
        with store.transaction() as transaction:
            transaction.save_snapshot("2", b"newer")
        assert store.snapshot("1") is None
        assert store.snapshot("2") == b"newer"

    def test_counters_add_up(self, store: Store) -> None:
        for amounts in ({"dropped": 2}, {"dropped": 3, "rejected": 1}, {}):
            with store.transaction() as transaction:
                transaction.count_up(amounts)
        assert dict(store.counters()) == {"dropped": 5, "rejected": 1}

    def test_a_dead_letter_is_kept_once_with_its_first_reason(self, store: Store) -> None:
        with store.transaction() as transaction:
            transaction.bury([DeadLetter("/s", "x", "t", "why"), DeadLetter("/s", "y", "t", "how")])
        with store.transaction() as transaction:
            transaction.bury([DeadLetter("/s", "x", "t", "another reason")])
        assert list(store.dead_letters(100)) == [DeadLetter("/s", "x", "t", "why"), DeadLetter("/s", "y", "t", "how")]

    # transactions

    def test_an_undone_transaction_leaves_nothing(self, store: Store) -> None:
        append(store, event(1))
        with store.transaction() as transaction:
            transaction.publish("agent", {"ada": b"kept"})
            transaction.save_snapshot("1", b"kept")
        with undone(store) as transaction:
            transaction.append([event(2)])
            transaction.derive([derived(2)])
            transaction.publish("agent", {"ada": None, "bo": b"1"})
            transaction.set_importance({1: 0.9})
            transaction.save_snapshot("1", b"lost")
            transaction.count_up({"dropped": 1})
            transaction.bury([DeadLetter("/s", "x", "t", "why")])
        assert list(store.events(Filter())) == [event(1)]
        assert list(store.derived(Filter())) == []
        assert dict(store.models("agent")) == {"ada": b"kept"}
        assert store.snapshot("1") == b"kept"
        assert dict(store.counters()) == {}
        assert list(store.dead_letters(100)) == []

    def test_what_is_raised_inside_a_transaction_comes_out(self, store: Store) -> None:
        with pytest.raises(Undone), store.transaction():
            raise Undone

    def test_a_store_goes_on_after_an_undone_transaction(self, store: Store) -> None:
        with undone(store) as transaction:
            transaction.append([event(1)])
        append(store, event(1))
        assert store.position() == 1

    def test_readers_see_only_what_is_committed(self, store: Store) -> None:
        seen: list[int] = []

        def read() -> None:
            seen.append(store.position())

        with store.transaction() as transaction:
            transaction.append([event(1)])
            in_another_thread(read)
            assert transaction.position() == 1
        in_another_thread(read)
        assert seen == [0, 1]

    def test_readers_of_another_handle_see_only_what_is_committed(self, opened: OpenStore) -> None:
        writing, reading = opened(), opened()
        with writing.transaction() as transaction:
            transaction.append([event(1)])
            transaction.publish("agent", {"ada": b"1"})
            assert (reading.position(), dict(reading.models("agent"))) == (0, {})
        assert (reading.position(), dict(reading.models("agent"))) == (1, {"ada": b"1"})

    def test_the_second_handle_sees_what_the_first_committed(self, opened: OpenStore) -> None:
        stores = [opened(), opened()]
        for n in range(1, 7):
            with stores[n % 2].transaction() as transaction:
                assert transaction.position() == n - 1
                assert (("/swarm", f"e{n - 1}") in transaction.known({("/swarm", f"e{n - 1}")})) == (n > 1)
                transaction.append([event(n)])
        assert stores[0].check() == stores[1].check() == []

    def test_a_transaction_begins_when_that_of_the_other_handle_has_ended(self, opened: OpenStore) -> None:
        """It does not only write after it: what it reads first is newer as well."""
        one, other = opened(), opened()
        seen: list[int] = []

        def read_and_append() -> None:
            with other.transaction() as transaction:
                seen.append(transaction.position())
                transaction.append([event(transaction.position() + 1)])

        thread = threading.Thread(target=read_and_append)
        with one.transaction() as transaction:
            thread.start()
            thread.join(0.1)
            assert seen == []
            transaction.append([event(1)])
        thread.join(60)
        assert seen == [1]
        assert one.position() == 2

    def test_a_transaction_fences_off_every_other_handle(self, opened: OpenStore) -> None:
        """Writers in several threads, each with a handle of its own, read a position and append the next: no gap."""
        wrong: list[Exception] = []

        def write(store: Store, name: str) -> None:
            try:
                for n in range(20):
                    with store.transaction() as transaction:
                        transaction.append([event(transaction.position() + 1, id=f"{name}-{n}")])
            except Exception as error:
                wrong.append(error)

        stores = [opened() for _ in range(3)]
        threads = [threading.Thread(target=write, args=(store, str(n))) for n, store in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert [row.position for row in stores[0].events(Filter())] == list(range(1, 61))

    # opening and closing

    def test_a_store_opened_again_has_everything(self, opened: OpenStore) -> None:
        store = opened()
        append(store, event(1), event(2))
        derive(store, derived(2))
        with store.transaction() as transaction:
            transaction.publish("agent", {"ada": b"1"})
            transaction.save_snapshot("1", b"state")
            transaction.count_up({"dropped": 1})
        store.close()
        again = opened()
        assert list(again.events(Filter())) == [event(1), event(2)]
        assert list(again.derived(Filter())) == [derived(2)]
        assert dict(again.models("agent")) == {"ada": b"1"}
        assert again.snapshot("1") == b"state"
        assert dict(again.counters()) == {"dropped": 1}

    def test_closing_twice_is_the_same_as_once(self, opened: OpenStore) -> None:
        store = opened()
        append(store, event(1))
        store.close()
        store.close()
        assert opened().position() == 1

    def test_a_closed_store_does_not_call_itself_damaged(self, opened: OpenStore) -> None:
        store = opened()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.position()

    def test_many_open_a_fresh_store_at_once(self, opened: OpenStore) -> None:
        together = threading.Barrier(6)
        positions: list[int | str] = []

        def open_and_read() -> None:
            together.wait(30)
            try:
                positions.append(opened().position())
            except StoreError as error:
                positions.append(str(error))

        threads = [threading.Thread(target=open_and_read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert positions == [0] * 6

    def test_the_store_knows_its_url(self, store: Store, store_url: str) -> None:
        assert store.url == store_url


def in_another_thread(work: Callable[[], None]) -> None:
    """Do some work in a thread of its own, and wait for it."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
