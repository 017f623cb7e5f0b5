"""Ranking: the best first, the same everywhere; and which advice is about whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_advisor import about, ranked
from spark_hooks import Advisory


def advisory(advisory_id: str, priority: float = 0.5, subject: str | None = None, **action: object) -> Advisory:
    return Advisory(
        id=advisory_id,
        category="failure_prevention",
        priority=priority,
        title="",
        detail="",
        suggested_action="",
        action=action,
        subject=subject,
        evidence=(),
        evidence_count=0,
    )


def names(advisories) -> list[str]:
    return [a.id for a in advisories]


def test_the_most_valuable_comes_first():
    assert names(ranked([advisory("a", 0.1), advisory("b", 0.9), advisory("c", 0.5)], 10)) == ["b", "c", "a"]


@settings(max_examples=100, deadline=None)
@given(st.permutations([advisory(f"a{n}", priority) for n, priority in enumerate([0.5, 0.5, 0.9, 0.1, 0.5])]))
def test_ties_are_broken_by_id_whatever_the_order(advisories):
    assert names(ranked(advisories, 10)) == ["a2", "a0", "a1", "a4", "a3"]


@pytest.mark.parametrize(("limit", "expected"), [(-1, []), (0, []), (2, ["a", "b"]), (9, ["a", "b", "c"])])
def test_no_more_than_asked_for(limit, expected):
    assert names(ranked(iter([advisory("a"), advisory("b"), advisory("c")]), limit)) == expected


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ({"ada"}, ["subject", "agent"]),
        (["db"], ["category", "category subject"]),
        (("ada", "db"), ["subject", "agent", "category", "category subject"]),
        ({"nobody"}, []),
        (set(), []),
    ],
)
def test_advice_is_about_its_subject_and_whom_its_action_names(subjects, expected):
    advisories = [
        advisory("subject", subject="ada"),
        advisory("agent", subject="bo", agent="ada"),
        advisory("category", subject="bo", category="db"),
        advisory("category subject", subject="db"),
        advisory("other", subject="bo", agent="cy", category="docs", note="ada"),
        advisory("nobody's"),
    ]
    assert names(about(advisories, subjects)) == expected


def test_an_action_that_names_nobody_readable_is_about_nobody():
    """An action is a plugin's own; one odd one must not silence the advice about everybody."""
    odd = [advisory("odd", agent=["ada"]), advisory("odder", category={"a": 1}), advisory("mine", subject="ada")]
    assert names(about(odd, {"ada"})) == ["mine"]
