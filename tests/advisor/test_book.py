"""The book of advisories: one per finding, kept up to date, and gone when its cause is gone."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_advisor import AdvisoryBook
from spark_advisor.book import TTL_S
from spark_hooks import Advisory, Touched

TOUCHED = Touched("e1", "ada", "db")


@pytest.fixture
def book():
    return AdvisoryBook()


@pytest.fixture
def swarm(new_swarm):
    return new_swarm(position=7, time=1000.0)


def whats(changes) -> list[str]:
    return [change.what for change in changes]


# --- one advisory's life ---------------------------------------------------------------------------------------------


def test_a_finding_becomes_an_advisory(book, swarm, scripted, finding):
    found = finding("ada", "db", priority=0.7, interval=(0.1, 0.9), evidence=("e0", "e1"), evidence_count=9)
    [(what, advisory)] = book.review(scripted(finds=[found]), swarm, TOUCHED)
    assert what == "issued"
    assert advisory == Advisory(
        id=advisory.id,
        category="failure_prevention",
        priority=0.7,
        title=found.title,
        detail=found.detail,
        suggested_action=found.suggested_action,
        action=found.action,
        subject="ada",
        evidence=("e0", "e1"),
        evidence_count=9,
        interval=(0.1, 0.9),
        state="issued",
        created_position=7,
        expires_at=1000.0 + TTL_S,
    )
    assert book.live() == [advisory]


@pytest.mark.parametrize(
    ("agent", "category", "subject"),
    [("ada", "db", "ada"), ("ada", None, "ada"), (None, "db", "db"), (None, None, None)],
)
def test_the_subject_is_the_agent_else_the_category(book, swarm, scripted, finding, agent, category, subject):
    [change] = book.review(scripted(finds=[finding(agent, category)]), swarm, TOUCHED)
    assert change.advisory.subject == subject


@pytest.mark.parametrize(("given", "kept"), [(-3.0, 0.0), (0.0, 0.0), (0.4, 0.4), (1.0, 1.0), (17, 1.0)])
def test_priority_is_held_between_0_and_1(book, swarm, scripted, finding, given, kept):
    [change] = book.review(scripted(finds=[finding(priority=given)]), swarm, TOUCHED)
    assert change.advisory.priority == kept


def test_found_again_it_is_brought_up_to_date_in_place(book, swarm, scripted, finding):
    [first] = book.review(scripted(finds=[finding("ada", title="old")]), swarm, TOUCHED)
    swarm.position, swarm.time = 8, 2000.0
    [second] = book.review(scripted(finds=[finding("ada", title="new", priority=0.9)]), swarm, TOUCHED)
    assert second.what == "updated"
    assert (second.advisory.id, second.advisory.created_position) == (first.advisory.id, 7)
    assert (second.advisory.title, second.advisory.priority) == ("new", 0.9)
    assert second.advisory.expires_at == 2000.0 + TTL_S
    assert book.live() == [second.advisory]


def test_found_no_more_it_is_resolved(book, swarm, scripted, finding):
    [issued] = book.review(scripted(finds=[finding("ada")]), swarm, TOUCHED)
    [(what, advisory)] = book.review(scripted(), swarm, TOUCHED)
    assert what == advisory.state == "resolved"
    assert advisory.id == issued.advisory.id
    assert book.live() == []
    assert book.review(scripted(), swarm, TOUCHED) == []


def test_found_again_later_it_is_another_advisory(book, swarm, scripted, finding):
    there, gone = scripted(finds=[finding("ada")]), scripted()
    ids = []
    for _ in range(3):
        [change] = book.review(there, swarm, TOUCHED)
        assert change.what == "issued"
        ids.append(change.advisory.id)
        book.review(gone, swarm, TOUCHED)
    assert len(set(ids)) == 3


def test_what_the_event_did_not_touch_stays(book, swarm, scripted, finding):
    book.review(scripted(finds=[finding("ada", "db"), finding("ada")]), swarm, TOUCHED)
    for untouched in (Touched("e2", "bo", "db"), Touched("e2", None, None), Touched("e2", "bo", None)):
        assert book.review(scripted(), swarm, untouched) == []
    assert len(book.live()) == 2
    [change] = book.review(scripted(), swarm, Touched("e3", "ada", "docs"))
    assert change.what == "resolved"
    assert [advisory.action for advisory in book.live()] == [{"action": "look"}]


def test_a_finding_about_something_else_is_not_taken(book, swarm, scripted, finding):
    """Nothing would ever put it to the test again."""
    for stranger in (finding("bo"), finding("ada", "docs"), finding(None, "docs")):
        assert book.review(scripted(finds=[stranger]), swarm, TOUCHED) == []
    assert book.live() == []


def test_one_event_may_bring_several(book, swarm, scripted, finding):
    several = [finding("ada", "db"), finding("ada"), finding(None, "db"), finding()]
    changes = book.review(scripted(finds=several), swarm, TOUCHED)
    assert whats(changes) == ["issued"] * 4
    assert len({change.advisory.id for change in changes}) == 4
    assert len(book.live()) == 4


def test_two_findings_about_the_same_are_one(book, swarm, scripted, finding):
    twice = [finding("ada", title="first"), finding("ada", title="second")]
    [change] = book.review(scripted(finds=twice), swarm, TOUCHED)
    assert change.advisory.title == "second"


def test_each_detector_has_advisories_of_its_own(book, swarm, scripted, finding):
    one, other = scripted("one", [finding("ada")]), scripted("other", [finding("ada")])
    book.review(one, swarm, TOUCHED)
    book.review(other, swarm, TOUCHED)
    assert len(book.live()) == 2
    one.finds = ()
    book.review(one, swarm, TOUCHED)
    assert len(book.live()) == 1
    assert book.review(other, swarm, TOUCHED)[0].what == "updated"


def test_an_agent_called_as_a_category_is_somebody_else(book, swarm, scripted, finding):
    changes = book.review(scripted(finds=[finding("x"), finding(None, "x")]), swarm, Touched("e1", "x", "x"))
    assert whats(changes) == ["issued", "issued"]


# --- time ------------------------------------------------------------------------------------------------------------


def test_what_nothing_bears_out_expires_in_the_logs_time(book, swarm, scripted, finding):
    book.review(scripted(finds=[finding("ada")]), swarm, TOUCHED)
    assert book.expire(1000.0 + TTL_S - 1) == []
    [(what, advisory)] = book.expire(1000.0 + TTL_S)
    assert what == advisory.state == "expired"
    assert book.live() == []
    assert book.expire(1e12) == []


def test_what_is_borne_out_lives_on(book, swarm, scripted, finding):
    detector = scripted(finds=[finding("ada")])
    book.review(detector, swarm, TOUCHED)
    swarm.time += TTL_S / 2
    book.review(detector, swarm, TOUCHED)
    assert book.expire(1000.0 + TTL_S) == []
    assert whats(book.expire(1000.0 + 1.5 * TTL_S)) == ["expired"]


def test_only_what_is_due_expires(book, swarm, scripted, finding):
    book.review(scripted("early", [finding("ada")]), swarm, TOUCHED)
    swarm.time += 100.0
    book.review(scripted("late", [finding("ada", title="late")]), swarm, TOUCHED)
    assert len(book.expire(1000.0 + TTL_S)) == 1
    assert [advisory.title for advisory in book.live()] == ["late"]
    assert len(book.expire(1100.0 + TTL_S)) == 1


def test_what_expired_may_come_back_under_another_id(book, swarm, scripted, finding):
    detector = scripted(finds=[finding("ada")])
    [first] = book.review(detector, swarm, TOUCHED)
    book.expire(1000.0 + TTL_S)
    [again] = book.review(detector, swarm, TOUCHED)
    assert again.what == "issued"
    assert again.advisory.id != first.advisory.id


def test_an_empty_book_has_nothing_to_expire(book):
    assert book.expire(1e12) == []


# --- detectors that misbehave ----------------------------------------------------------------------------------------

NONSENSE = {
    "raises": lambda finding: RuntimeError("no"),
    "raises after a good one": lambda finding: (
        part() for part in (lambda: finding("ada", title="good"), lambda: [][0])
    ),
    "answers None": lambda finding: None,
    "answers a number": lambda finding: 5,
    "finds text": lambda finding: ["text"],
    "finds None": lambda finding: [finding("ada", title="good"), None],
    "wrong category": lambda finding: [finding(category="gossip")],
    "priority in words": lambda finding: [finding(priority="high")],
    "priority NaN": lambda finding: [finding(priority=math.nan)],
    "priority infinite": lambda finding: [finding(priority=math.inf)],
    "priority None": lambda finding: [finding("ada", title="good"), finding(priority=None)],
    "title a number": lambda finding: [finding(title=5)],
    "evidence text": lambda finding: [finding(evidence="e1")],
    "evidence numbers": lambda finding: [finding(evidence=(1, 2))],
    "count in words": lambda finding: [finding(evidence_count="many")],
    "action a list": lambda finding: [finding(action=["look"])],
    "action with an object": lambda finding: [finding(action={"look": object()})],
    "interval of three": lambda finding: [finding(interval=(1.0, 2.0, 3.0))],
    "agent a number": lambda finding: [finding(agent=5)],
    "agent a list": lambda finding: [finding(agent=["ada"])],
    "category a number": lambda finding: [finding(task_category=5)],
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_detector_that_raises_or_talks_nonsense_changes_nothing(book, swarm, scripted, finding, kind):
    detector = scripted(finds=[finding("ada", title="before"), finding(title="before")])
    book.review(detector, swarm, TOUCHED)
    before = msgspec.to_builtins(book)
    swarm.position, swarm.time = 99, 9999.0
    detector.finds = NONSENSE[kind](finding)
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever a stranger's detector raises
        book.review(detector, swarm, TOUCHED)
    assert msgspec.to_builtins(book) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "a\ud800b"},
        {"detail": "\ud800"},
        {"suggested_action": "\udfff"},
        {"evidence": ("\ud800",)},
        {"action": {"\ud800": 1}},
        {"action": {"a": ["\ud800"]}},
        {"action": {"a": 2**70}},
        {"action": {"a": math.nan}},
        {"interval": (math.nan, math.inf)},
    ],
    ids=ascii,
)
def test_what_cannot_be_stored_does_not_get_into_the_book(book, swarm, scripted, finding, fields):
    """The book is part of the snapshot: one text of a plugin's that cannot be written would stop the projection."""
    try:
        book.review(scripted(finds=[finding("ada", **fields)]), swarm, TOUCHED)
    except Exception:
        assert book.live() == []
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=AdvisoryBook) == book
    assert msgspec.json.decode(msgspec.json.encode(book), type=AdvisoryBook) == book


def test_a_detectors_name_cannot_spoil_the_book_either(book, swarm, scripted, finding):
    book.review(scripted("a\ud800b", [finding("ada")]), swarm, TOUCHED)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=AdvisoryBook) == book


def test_an_advisory_does_not_share_what_the_detector_may_change(book, swarm, scripted, finding):
    action = {"action": "look", "list": [1]}
    book.review(scripted(finds=[finding("ada", action=action)]), swarm, TOUCHED)
    action["list"].append(2)
    assert [advisory.action for advisory in book.live()] == [{"action": "look", "list": [1]}]


# --- laws ------------------------------------------------------------------------------------------------------------

agents = st.sampled_from(["ada", "bo", None])
task_categories = st.sampled_from(["db", "docs", None])
topics = st.tuples(agents, task_categories)
steps = st.lists(
    st.tuples(st.sampled_from(["d1", "d2"]), topics, st.sets(topics, max_size=6), st.floats(0, TTL_S), st.booleans()),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_the_book_does_what_a_simple_model_of_it_does(new_swarm, scripted, finding, history):
    """The model: per (detector, agent, category), when it was last found; findings come, go and expire."""
    swarm, book, model, ever = new_swarm(), AdvisoryBook(), {}, {}
    for name, (agent, category), there, seconds, snapshot in history:
        swarm.step(seconds)
        assert sorted(whats(book.expire(swarm.time))) == ["expired"] * drop_old(model, swarm.time)
        touched = Touched(f"e{swarm.position}", agent, category)
        looked_at = set(touched.topics())
        expected = []
        for topic in looked_at:
            if topic in there:
                expected.append("updated" if (name, topic) in model else "issued")
                model[name, topic] = swarm.time
            elif model.pop((name, topic), None) is not None:
                expected.append("resolved")
        changes = book.review(scripted(name, [finding(*topic) for topic in there]), swarm, touched)
        assert sorted(whats(changes)) == sorted(expected)
        for change in changes:
            assert (change.advisory.id in ever) == (change.what != "issued")
            ever[change.advisory.id] = change
        assert len(book.live()) == len(model)
        assert len({advisory.id for advisory in book.live()}) == len(model)
        if snapshot:
            book = msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=AdvisoryBook)


def drop_old(model: dict, now: float) -> int:
    old = [topic for topic, last in model.items() if last + TTL_S <= now]
    for topic in old:
        del model[topic]
    return len(old)
