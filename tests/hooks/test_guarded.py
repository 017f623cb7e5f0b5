"""Detectors of others see everything and can change nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from spark_advisor import built_in
from spark_hooks import Finding
from spark_hooks.guarded import MAX_FINDINGS, Guarded, read_only
from spark_hooks.views import Touched
from spark_plugin.projection import Extensions
from tests.projection.swarmlog import FAIR, Run, fall_and_rise, random_log, record, stamped

TOUCHED = Touched("e", "ada", "bug")


class Named:
    """A detector that does what it is told to."""

    name = "named"

    def __init__(self, detect: Callable[[Any, Touched], Any]) -> None:
        self.detect = detect


def test_the_built_in_detectors_find_the_same_at_arms_length() -> None:
    log = stamped([*fall_and_rise(), *record("ada", FAIR, category="bug", reserve=10.0)]) + random_log(3)
    own = [Guarded(detector, detector.name, frozenset(detector.watches)) for detector in built_in()]
    guarded = Extensions(detectors=own)
    assert Run(extensions=guarded).take(log).contents() == Run().take(log).contents()


@pytest.mark.parametrize(
    "change",
    [
        lambda view: setattr(view, "position", 0),
        lambda view: delattr(view, "position"),
        lambda view: view.agents.clear(),
        lambda view: view.agents.pop("ada"),
        lambda view: view.agents.update(ada=None),
        lambda view: view.agents["ada"].recent_successes.append("forged"),
        lambda view: setattr(view.agents["ada"], "outcomes", 0),
        lambda view: view.agents["ada"].observe("forged", True),
        lambda view: view.agents["ada"].by_category["bug"].observe("forged", True),
        lambda view: setattr(view.forecasts, "evaluated", 0),
    ],
    ids=range(10),
)
def test_what_a_detector_looks_at_it_cannot_change(change: Callable[[Any], None]) -> None:
    run = Run().take(stamped(record("ada", FAIR, category="bug")))
    before = run.dump()
    with pytest.raises((AttributeError, TypeError)):
        run.projection.ask(lambda state: change(read_only(state)))
    assert run.dump() == before


def test_findings_without_end_come_to_one() -> None:
    finding = Finding("system_health", "", "", "", {}, 0.5, (), 0)
    endless = Guarded(Named(lambda view, touched: itertools.repeat(finding)), "endless")
    assert len(list(endless.detect(None, TOUCHED))) == MAX_FINDINGS  # type: ignore[arg-type]


def test_what_a_detector_raises_comes_through() -> None:
    def broken(view: Any, touched: Touched) -> Any:
        yield Finding("system_health", "", "", "", {}, 0.5, (), 0)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Guarded(Named(broken), "broken").detect(None, TOUCHED)  # type: ignore[arg-type]
