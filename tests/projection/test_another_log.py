"""A store was set aside and another begun in its place: the state of the first is not carried on in the second."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec

from spark_plugin import codec
from spark_plugin.store import Filter, Store, open_store
from tests.projection.swarmlog import FAIR, Run, random_log, record, stamped


def contents_of_one_that_heard_it_all(store: Store) -> dict[str, object]:
    return Run().take(codec.restored(row.data) for row in store.events(Filter())).contents()


def test_a_state_is_read_anew_from_a_log_that_is_another(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path / 'spark.db'}", tmp_path / "spark.db"
    with closing(open_store(url)) as store:
        one, other = Run(store), Run(store)
        one.take(random_log(1))
        other.take([])
        path.rename(tmp_path / "aside.db")
        one.take(random_log(2))
        other.take(stamped(record("ada", FAIR), writer="x"))
        assert store.position() > 0
        assert Run(store).contents() == contents_of_one_that_heard_it_all(store)
        assert one.take([]).dump() == other.take([]).dump()


def test_the_other_may_be_longer_than_the_first(tmp_path: Path) -> None:
    """Positions alone do not tell one from the other."""
    path = tmp_path / "spark.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        one = Run(store).take(random_log(1, tasks=10))
        path.rename(tmp_path / "aside.db")
        Run(store).take(msgspec.structs.replace(event, id=f"other {event.id}") for event in random_log(2))
        one.take(stamped(record("ada", FAIR), writer="x"))
        assert Run(store).contents() == contents_of_one_that_heard_it_all(store)
