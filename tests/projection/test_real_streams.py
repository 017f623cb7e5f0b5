"""The advice on real streams: bounded, free of contradictions, and its numbers those of the raw events."""

from __future__ import annotations

import gzip
import os
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from spark_advisor import opposed, stances
from spark_hooks import Advisory
from spark_hooks.events import Event
from spark_plugin import codec
from spark_plugin.projection import published
from spark_plugin.projection.advising import Advising
from tests.oracle import History, figures, wrong
from tests.projection.swarmlog import Run

DATA = Path(os.environ.get("SPARK_DATA", Path(__file__).parents[3] / "shared" / "data"))
STREAMS = ("gastown_swarm", "swebench_verified_submissions", "tsuchiura_procurement")
MOST = 15


@pytest.mark.parametrize("name", STREAMS)
def test_advice_on_a_real_stream(name, monkeypatch):
    path = DATA / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"SKIPPED, LOUDLY: there is no {path}; SPARK_DATA names the folder")
    with gzip.open(path) as lines:
        events = [codec.decode(line) for line in lines]
    most: list[int] = [0]
    settle = Advising.settle

    def watched(advising: Advising, event: Event) -> None:
        settle(advising, event)
        if advising.changes and advising.changes[-1].what == "issued":
            live = advising._state.book.live()
            most[0] = max(most[0], len(live))
            for one, other in combinations(live, 2):
                for sign in (1, -1):
                    assert not opposed(stances(one.action), stances(other.action), sign), (one.title, other.title)

    monkeypatch.setattr(Advising, "settle", watched)
    run = Run(batch=1000).take(events)
    assert most[0] <= MOST
    counted = 0
    for data in run.store.models(published.ADVISORY).values():
        advisory = msgspec.json.decode(data, type=Advisory)
        upto = advisory.updated_position or 0
        history = History(enumerate(events[:upto], start=1))
        assert wrong(history, advisory) == []
        counted += figures(history, advisory) is not None
    assert counted or name == "tsuchiura_procurement"
