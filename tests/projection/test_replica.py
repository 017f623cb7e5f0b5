"""The state as another process left it: what cannot be read of it unlearns nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from spark_plugin.projection import Replica, State, replica
from spark_plugin.projection.state import SNAPSHOT_VERSION, dump
from spark_plugin.store import open_store


def test_a_snapshot_that_cannot_be_read_leaves_what_was_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "REFRESH_S", 0.0)
    with closing(open_store(f"sqlite:///{tmp_path / 'spark.db'}")) as store:
        known = Replica(lambda: store)
        found = []
        for data in (dump(State(position=7)), b"something else", dump(State(position=8))):
            with store.transaction() as transaction:
                transaction.save_snapshot(SNAPSHOT_VERSION, data)
            found.append(known.ask(lambda state: state.position))
        assert found == [7, 7, 8]
