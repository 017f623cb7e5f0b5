"""Advisories in the log: issued, borne out, resolved, expired; and detectors that misbehave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from spark_advisor import built_in
from spark_advisor.book import TTL_S
from spark_hooks import Advisory, Finding, SwarmView, Touched
from spark_hooks.events import AgentJoined, CustomEvent, Event
from spark_plugin.projection import Extensions, published
from spark_plugin.store import Filter
from tests.projection.swarmlog import FAIR, NOON, Run, posted, record, stamped

OTHERS = {detector.name for detector in built_in()} - {"struggling_agents", "failing_agents"}
DAY = 24 * 3600.0
GOOD_AND_BAD = [*record("ada", FAIR), *record("bo", [False] * 12)]
BACK_AGAIN = record("bo", [True] * 60, name="better")


def advisories(run: Run, kind: str = published.ADVISORY) -> list[Advisory]:
    """Those that say who does worse than the others; strangers' too."""
    found = [msgspec.json.decode(data, type=Advisory) for data in run.store.models(kind).values()]
    return [one for one in found if one.detector not in OTHERS]


def about(run: Run, agent: str, kind: str = published.ADVISORY) -> set[str]:
    return {advisory.category for advisory in advisories(run, kind) if advisory.subject == agent}


def steps(run: Run) -> list[tuple[int, str, str]]:
    """(position, what, subject) of each step in the life of an advisory."""
    return [
        (row.position, row.kind.removeprefix("advisory_"), msgspec.json.decode(row.data)["subject"])
        for kind in ("advisory_issued", "advisory_resolved", "advisory_expired")
        for row in run.derived(kind)
        if msgspec.json.decode(row.data)["detector"] not in OTHERS
    ]


def finding(**fields: Any) -> Finding:
    usual: dict[str, Any] = {
        "category": "agent_performance",
        "title": "seen",
        "detail": "",
        "suggested_action": "",
        "action": {},
        "priority": 0.5,
        "evidence": (),
        "evidence_count": 1,
    }
    return Finding(**usual | fields)


class Finds:
    """A detector that finds the same thing about whoever is touched."""

    def __init__(self, name: str = "finds", **fields: Any) -> None:
        self.name = name
        self.fields = fields

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        yield finding(**{"agent": touched.agent} | self.fields)


class Raises(Finds):
    """A detector that raises when it is asked."""

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        raise RuntimeError("cannot see a thing")


class RaisesHalfway(Finds):
    """A detector that raises after its first finding."""

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        yield finding(agent=touched.agent)
        raise RuntimeError("lost the thread")


def test_a_failing_agent_is_found() -> None:
    run = Run().take(stamped(GOOD_AND_BAD))
    assert about(run, "bo") == {"failure_prevention"}
    assert run.summary()["advisories"] == len(run.store.models(published.ADVISORY)) > 0
    for advisory in advisories(run):
        assert 0.0 <= advisory.priority <= 1.0
        assert advisory.state == "issued"
        assert advisory.evidence
        assert advisory.created_position is not None


def test_an_advisory_is_issued_once_and_updated_in_place() -> None:
    run = Run().take(stamped(GOOD_AND_BAD))
    [before] = [advisory for advisory in advisories(run) if advisory.subject == "bo"]
    run.take(stamped(record("bo", [False] * 3, name="more"), writer="x"))
    [after] = [advisory for advisory in advisories(run) if advisory.subject == "bo"]
    assert after.id == before.id
    assert after.created_position == before.created_position
    assert after.evidence_count > before.evidence_count
    assert [what for _, what, subject in steps(run) if subject == "bo"] == ["issued"]


def test_issuing_is_a_derived_row_at_the_event_that_caused_it() -> None:
    run = Run().take(stamped(GOOD_AND_BAD))
    [row] = [row for row in run.derived("advisory_issued") if b"struggling" in row.data]
    [advisory] = [advisory for advisory in advisories(run) if advisory.subject == "bo"]
    assert (row.position, row.subject) == (advisory.created_position, advisory.id)
    assert row.task_position is None
    caused_by = run.store.events(Filter(after=row.position - 1), limit=1)[0]
    assert (caused_by.type, caused_by.agent_id) == ("task_failed", "bo")


def test_an_advisory_is_resolved_when_its_cause_is_gone() -> None:
    run = Run().take(stamped(GOOD_AND_BAD))
    run.take(stamped(BACK_AGAIN, writer="x"))
    assert about(run, "bo") == set()
    assert about(run, "bo", published.ADVISORY_RETIRED) == {"failure_prevention"}
    [retired] = [one for one in advisories(run, published.ADVISORY_RETIRED) if one.subject == "bo"]
    assert retired.state == "resolved"
    assert [what for _, what, subject in steps(run) if subject == "bo"] == ["issued", "resolved"]


def test_an_advisory_expires_in_the_time_of_the_log() -> None:
    run = Run().take(stamped(GOOD_AND_BAD))
    assert about(run, "bo")
    end = NOON + len(GOOD_AND_BAD) * 60.0
    days = int(TTL_S // DAY)
    days_pass = [CustomEvent(type="moved", id=f"day{n}") for n in range(days + 2)]
    run.take(stamped(days_pass[:days], start=end, step=DAY))
    assert about(run, "bo"), "its time has not come"
    run.take(stamped(days_pass[days:], start=end + days * DAY, step=DAY))
    assert advisories(run) == []
    assert {advisory.state for advisory in advisories(run, published.ADVISORY_RETIRED)} == {"expired"}
    assert {what for _, what, _ in steps(run)} == {"issued", "expired"}
    assert run.summary()["advisories"] == 0


def test_the_same_advice_comes_back_under_a_new_id() -> None:
    log = [*GOOD_AND_BAD, *BACK_AGAIN, *record("bo", [False] * 120, name="worse")]
    run = Run().take(stamped(log))
    ids = {key for kind in (published.ADVISORY, published.ADVISORY_RETIRED) for key in run.store.models(kind)}
    issued = [row.subject for row in run.derived("advisory_issued")]
    assert len(issued) == len(set(issued)) == len(ids)
    assert sum(subject == "bo" for _, what, subject in steps(run) if what == "issued") >= 2


def test_detectors_see_the_event_already_counted() -> None:
    seen: list[tuple[str, int, int]] = []

    class Looks(Finds):
        def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
            agent = view.agents.get(touched.agent or "")
            seen.append((touched.event_id, view.position, agent.outcomes if agent else 0))
            return ()

    Run(extensions=Extensions(detectors=[Looks()])).take(stamped(record("ada", [True] * 2)))
    assert seen == [("w1", 2, 0), ("w2", 3, 1), ("w4", 5, 1), ("w5", 6, 2)]


# detectors of strangers


@pytest.mark.parametrize("broken", [Raises("broken"), RaisesHalfway("broken")], ids=["raises", "raises halfway"])
def test_a_detector_that_raises_is_counted_and_stops_nobody(broken: Finds) -> None:
    told: list[tuple[str, str, str]] = []
    extensions = Extensions(
        detectors=[broken, *built_in()],
        failed=lambda plugin, hook, error: told.append((plugin, hook, str(error))),
    )
    run = Run(extensions=extensions).take(stamped(GOOD_AND_BAD))
    alone = Run().take(stamped(GOOD_AND_BAD))
    assert run.contents() == alone.contents()
    reviewed = 2 * len(GOOD_AND_BAD) // 3
    assert len(told) == reviewed
    assert {(plugin, hook) for plugin, hook, _ in told} == {("broken", "detect")}


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": float("nan")},
        {"priority": "high"},
        {"category": "gossip"},
        {"evidence": 7},
        {"title": "\ud800"},
        {"action": {"to": "\udfff"}},
        {"action": {"when": {1, 2}, "who": object()}},
        {"action": {"size": 2**70}},
        {"action": {"size": float("inf")}},
        {"evidence_count": 2**70},
        {"interval": (float("-inf"), float("nan"))},
    ],
    ids=lambda bad: next(iter(bad)) + " " + repr(next(iter(bad.values())))[:12].encode("ascii", "replace").decode(),
)
def test_a_finding_of_no_use_stops_nobody(bad: dict[str, Any]) -> None:
    """Whatever a detector hands over, the events are stored, the others' advice is given, and all can be read again."""
    extensions = Extensions(detectors=[Finds("odd", **bad), Finds("sound", title="sound advice")])
    run = Run(extensions=extensions, batch=2).take(stamped([AgentJoined(agent_id="ada"), AgentJoined(agent_id="bo")]))
    assert run.store.position() == 2
    assert {one.subject for one in advisories(run) if one.title == "sound advice"} == {"ada", "bo"}
    for _ in advisories(run, published.ADVISORY_RETIRED):
        pass
    assert run.restarted(snapshot=True).take([]).dump() == run.dump()


@pytest.mark.parametrize("answer", [None, 7, "text", [None], ["finding"], [finding, finding]], ids=repr)
def test_an_answer_that_is_no_finding_stops_nobody(answer: Any) -> None:
    class Answers(Finds):
        def detect(self, view: SwarmView, touched: Touched) -> Any:
            return answer

    extensions = Extensions(detectors=[Answers("odd"), Finds("sound")])
    run = Run(extensions=extensions).take(stamped([AgentJoined(agent_id="ada")]))
    assert [advisory.subject for advisory in advisories(run)] == ["ada"]


def test_a_detectors_name_of_any_kind_stops_nobody() -> None:
    extensions = Extensions(detectors=[Finds("\ud800"), Finds("sound")])
    run = Run(extensions=extensions).take(stamped([AgentJoined(agent_id="ada")]))
    assert run.store.position() == 1
    assert run.restarted(snapshot=True).take([]).dump() == run.dump()


def test_a_finding_about_somebody_else_is_not_this_events() -> None:
    extensions = Extensions(detectors=[Finds(agent="somebody else")])
    assert advisories(Run(extensions=extensions).take(stamped([AgentJoined(agent_id="ada")]))) == []


def test_a_priority_out_of_bounds_is_held_in_them() -> None:
    extensions = Extensions(detectors=[Finds("high", priority=9.0), Finds("low", priority=-9.0)])
    run = Run(extensions=extensions).take(stamped([AgentJoined(agent_id="ada")]))
    assert sorted(advisory.priority for advisory in advisories(run)) == [0.0, 1.0]


def test_detectors_that_come_later_look_from_then_on() -> None:
    events: list[Event] = [AgentJoined(agent_id="ada"), posted("t1"), AgentJoined(agent_id="bo")]
    run = Run(extensions=Extensions())
    run.take(stamped(events[:2]))
    run.extensions.detectors = [Finds()]
    run.take(stamped(events[2:], writer="x"))
    assert [advisory.subject for advisory in advisories(run)] == ["bo"]
