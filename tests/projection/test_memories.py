"""Memory consolidation: one memory per agent, that grows, changes its mind, and fades."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spark_plugin.projection import published
from spark_plugin.projection.cards import EVIDENCE, AgentCard, Record
from spark_plugin.projection.memories import Memory, consolidate
from tests.projection.swarmlog import Run, bid, record, stamped


def card(events: int, outcomes: int, successes: int) -> AgentCard:
    return AgentCard(events=events, outcomes=outcomes, successes=successes)


def memories(run: Run) -> dict[str, dict[str, Any]]:
    return {key: msgspec.json.decode(data) for key, data in run.store.models(published.MEMORY).items()}


@pytest.mark.parametrize(
    ("events", "outcomes", "successes", "kind"),
    [
        (5, 3, 3, "pattern"),
        (4, 3, 3, None),
        (50, 2, 2, None),
        (5, 3, 0, "anomaly"),
        (4, 3, 0, None),
        (50, 2, 0, None),
        (20, 10, 8, "pattern"),
        (20, 10, 7, None),
        (20, 10, 3, "anomaly"),
        (20, 10, 4, None),
    ],
)
def test_thresholds(events: int, outcomes: int, successes: int, kind: str | None) -> None:
    memory = consolidate("ada", card(events, outcomes, successes), None, 9)
    assert (memory.kind if memory else None) == kind
    if memory:
        assert (memory.state, memory.outcomes, memory.events) == ("held", outcomes, events)
        assert memory.created_position == memory.updated_position == 9


def test_an_agent_is_remembered_as_soon_as_enough_is_known() -> None:
    run = Run()
    kinds = []
    for n, event in enumerate(stamped(record("ada", [True] * 4))):
        run.take([event])
        if n % 3 == 2:
            kinds.append([memory["kind"] for memory in memories(run).values()])
    assert kinds == [[], [], ["pattern"], ["pattern"]]


def test_there_is_one_memory_per_agent_however_much_it_does() -> None:
    run = Run().take(stamped([*record("ada", [True] * 30), *record("bo", [False] * 30)]))
    assert set(memories(run)) == {"ada", "bo"}
    ada, bo = memories(run)["ada"], memories(run)["bo"]
    assert (ada["kind"], ada["success_rate"], ada["outcomes"]) == ("pattern", 1.0, 30)
    assert (bo["kind"], bo["success_rate"], bo["outcomes"]) == ("anomaly", 0.0, 30)
    assert ada["text"] == "ada reliably succeeds: 30 of 30 attempts succeeded"
    assert bo["text"] == "bo mostly fails: 0 of 30 attempts succeeded"


def test_a_memory_is_updated_in_place() -> None:
    run = Run().take(stamped(record("ada", [True] * 3)))
    [first] = memories(run).values()
    run.take(stamped(record("ada", [True] * 3, name="later"), writer="x"))
    [second] = memories(run).values()
    assert second["id"] == first["id"] == "memory:ada"
    assert second["created_position"] == first["created_position"] == 9
    assert (first["updated_position"], second["updated_position"]) == (9, 18)
    assert (first["outcomes"], second["outcomes"]) == (3, 6)


def test_a_memory_fades_when_the_record_no_longer_bears_it_out_and_comes_back_when_it_does() -> None:
    run = Run().take(stamped(record("ada", [True] * 4)))
    run.take(stamped(record("ada", [False] * 2, name="worse"), writer="x"))
    [faded] = memories(run).values()
    assert (faded["state"], faded["kind"], faded["success_rate"]) == ("faded", "pattern", 0.6667)
    assert "neither" in faded["text"]
    assert run.summary()["memories"] == 0, "only what holds is counted"
    run.take(stamped(record("ada", [True] * 6, name="better"), writer="y"))
    [held] = memories(run).values()
    assert (held["state"], held["kind"], held["created_position"]) == ("held", "pattern", 9)
    assert run.summary()["memories"] == 1


def test_a_memory_turns_into_its_opposite() -> None:
    run = Run().take(stamped(record("ada", [True] * 3)))
    run.take(stamped(record("ada", [False] * 20, name="worse"), writer="x"))
    [memory] = memories(run).values()
    assert (memory["kind"], memory["state"]) == ("anomaly", "held")


def test_the_evidence_is_the_newest_outcomes_of_the_kind() -> None:
    log = stamped(record("ada", [True] * 10))
    [memory] = memories(Run().take(log)).values()
    assert memory["evidence"] == [event.id for event in log[2::3]][-EVIDENCE:]
    log = stamped(record("bo", [True, *[False] * 9]))
    [memory] = memories(Run().take(log)).values()
    assert memory["evidence"] == [event.id for event in log[2::3]][-EVIDENCE:]


def test_bids_count_as_events_but_teach_no_memory() -> None:
    assert memories(Run().take(stamped([bid("t1", "ada", 1.0)] * 20))) == {}


def test_nothing_known_is_nothing_forgotten() -> None:
    old = consolidate("ada", card(5, 3, 3), None, 1)
    assert isinstance(old, Memory)
    assert consolidate("ada", card(5, 2, 1), old, 2) is old


def test_the_best_category_is_named() -> None:
    able = AgentCard(events=20, outcomes=10, successes=8)
    able.by_category = {"bug": Record(5, 5), "docs": Record(5, 3), "rare": Record(1, 1)}
    memory = consolidate("ada", able, None, 1)
    assert memory is not None
    assert memory.text.endswith("; best in bug (5 of 5)")


def test_no_category_is_called_best_in_which_all_failed() -> None:
    failing = AgentCard(events=20, outcomes=7, successes=1)
    failing.by_category = {"bug": Record(6, 0), "docs": Record(1, 1)}
    memory = consolidate("bo", failing, None, 1)
    assert memory is not None
    assert "best in bug" not in memory.text
