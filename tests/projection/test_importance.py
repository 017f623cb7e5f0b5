"""Importance: base scores by type, boosts for the unusual, plugins' own word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_hooks import Hooks, hookimpl
from spark_hooks.events import AgentJoined, AgentLeft, CustomEvent, Event, ToolExecuted
from spark_hooks.plugins import Plugins
from spark_plugin.projection import Extensions, importance, ledger
from tests.projection.swarmlog import Run, assigned, bid, completed, failed, posted, random_log, record, stamped

USUAL = [
    *record("ada", [True] * 3, category="bug"),
    AgentJoined(agent_id="ada"),
    AgentLeft(agent_id="ada"),
    ToolExecuted(agent_id="ada", tool="grep", success=True),
    CustomEvent(type="moved"),
    posted("open", category="bug"),
    assigned("open", "ada"),
]
"""After these nothing of the kind is the first of its kind."""


def importance_of(event: Event, before: list[Event] | None = None) -> float:
    """Importance of an event in a swarm that has seen its like."""
    return Run().take(stamped([*(USUAL if before is None else before), event])).importance()[-1]


@pytest.mark.parametrize(
    ("event", "score"),
    [
        (posted("new", category="bug"), 0.4),
        (bid("new", "ada", 10.0), 0.2),
        (assigned("new", "ada"), 0.5),
        (completed("new", "ada"), 0.6),
        (failed("new", "ada"), 1.0),
        (AgentJoined(agent_id="ada"), 0.5),
        (AgentLeft(agent_id="ada"), 0.5),
        (ToolExecuted(agent_id="ada", tool="grep", success=True), 0.5),
        (CustomEvent(type="moved"), 0.5),
    ],
    ids=lambda value: value.type if isinstance(value, Event) else "",
)
def test_base_scores(event: Event, score: float) -> None:
    assert importance_of(event) == score
    assert importance.score(event.type) == score


def test_a_scored_prediction_has_its_own() -> None:
    run = Run().take(stamped(USUAL))
    scored = run.derived(ledger.SCORE)
    assert len(scored) == 3
    assert {row.importance for row in scored} == {0.7}
    assert {row.importance for kind in (ledger.FORECAST, ledger.AWARD) for row in run.derived(kind)} == {0.5}


@pytest.mark.parametrize(
    ("first", "usual"),
    [
        (posted("new", category="docs"), posted("new", category="bug")),
        (bid("open", "bo", 10.0), bid("open", "ada", 10.0)),
        (assigned("open", "bo"), assigned("open", "ada")),
        (CustomEvent(type="stood_still"), CustomEvent(type="moved")),
    ],
    ids=["category", "bidder", "assignee", "type"],
)
def test_a_first_time_counts_more(first: Event, usual: Event) -> None:
    assert importance_of(first) == pytest.approx(importance_of(usual) + 0.1)


def test_an_agents_first_outcome_in_a_category_counts_more() -> None:
    again = [posted("new", category="bug"), assigned("new", "ada")]
    elsewhere = [posted("new", category="docs"), assigned("new", "ada")]
    assert importance_of(completed("new", "ada"), [*USUAL, *again]) == 0.6
    assert importance_of(completed("new", "ada"), [*USUAL, *elsewhere]) == 0.7


def bids(amounts: list[float], reserve: float | None = 100.0) -> list[float]:
    """Importance of one bid after the other, each for a task of its own."""
    events = [
        event
        for n, amount in enumerate(amounts)
        for event in (posted(f"t{n}", category="bug", reserve=reserve), bid(f"t{n}", "ada", amount))
    ]
    return Run().take(stamped(events)).importance()[1::2]


@pytest.mark.parametrize("reserve", [100.0, None])
def test_an_unusually_large_bid_counts_more(reserve: float | None) -> None:
    usual = [50.0 + n % 5 for n in range(30)]
    scores = bids([*usual, 52.0, 400.0, 1.0], reserve)
    assert scores[0] == 0.3, "the first of its bidder"
    assert scores[-3] == 0.2
    assert scores[-2] == 0.5
    assert scores[-1] == 0.2, "a low bid is nothing to worry about"
    assert set(scores[1:30]) == {0.2}


def test_before_ten_bids_none_is_unusual() -> None:
    assert bids([50.0, 51.0, 52.0, 50.0, 51.0, 52.0, 50.0, 51.0, 5000.0])[-1] == 0.2


def test_what_is_large_is_judged_by_the_reserve() -> None:
    small = [posted(f"s{n}", category="bug", reserve=10.0) for n in range(12)]
    large = posted("large", category="bug", reserve=1000.0)
    offers = [bid(f"s{n}", "ada", 5.0 + n % 3 / 10) for n in range(12)]
    scores = Run().take(stamped([*small, large, *offers, bid("large", "ada", 520.0)])).importance()
    assert scores[-1] == 0.2


def test_a_surprise_counts_more() -> None:
    hopeless = record("bo", [False] * 20)
    expected = importance_of(
        completed("new", "ada"), [*record("ada", [True] * 20), posted("new"), assigned("new", "ada")]
    )
    surprise = importance_of(completed("new", "bo"), [*hopeless, posted("new"), assigned("new", "bo")])
    assert expected == 0.6
    assert 0.6 < surprise <= 0.9


def test_the_least_likely_outcome_counts_most() -> None:
    scores = [importance.score("task_completed", likelihood=p) for p in (0.001, 0.1, 0.2, 0.29, 0.3, 0.9)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 0.9
    assert scores[-2:] == [0.6, 0.6]


@given(
    st.sampled_from([*importance.BASE, "anything"]),
    st.booleans(),
    st.floats(allow_nan=False),
    st.floats(0, 1),
)
def test_it_is_bounded_to_two_decimals_and_never_below_its_base(
    kind: str, first: bool, deviations: float, likelihood: float
) -> None:
    score = importance.score(kind, first_time=first, deviations=deviations, likelihood=likelihood)
    assert importance.BASE.get(kind, importance.OTHER) <= score <= 1.0
    assert score == round(score, 2)


# what plugins say


def overridden(answer: Callable[[Event], object]) -> tuple[list[float], Plugins]:
    """Importance in a small swarm where a plugin has a word in it."""

    class Opinion:
        @hookimpl
        def score_importance(self, event: Event) -> object:
            return answer(event)

    plugins = Plugins()
    hooks = Hooks(plugins)
    hooks.register(Opinion(), "opinion")
    extensions = Extensions(score_importance=hooks.score_importance, failed=plugins.failed)
    return Run(extensions=extensions).take(stamped(USUAL[:3])).importance(), plugins


BUILT_IN = [0.5, 0.6, 0.7]  # of USUAL[:3]: a new category, a first assignment, a first success


def test_without_a_plugin_the_built_in_counts() -> None:
    assert Run().take(stamped(USUAL[:3])).importance() == BUILT_IN


def test_a_plugin_has_the_last_word() -> None:
    scores, _ = overridden(lambda event: 0.123 if event.type == "task_posted" else None)
    assert scores == [0.12, *BUILT_IN[1:]]


@pytest.mark.parametrize(
    ("said", "counts"),
    [(0, 0.0), (1, 1.0), (7.5, 1.0), (-3, 0.0), (0.999, 1.0), (10**400, 1.0)],
    ids=lambda value: str(value)[:6],
)
def test_a_plugins_word_is_held_in_bounds(said: float, counts: float) -> None:
    scores, plugins = overridden(lambda event: said)
    assert scores == [counts] * 3
    assert not plugins.errors


@pytest.mark.parametrize(
    "nonsense",
    ["high", float("nan"), float("inf"), [0.5], object(), 1j],
    ids=["text", "nan", "inf", "list", "object", "complex"],
)
def test_a_plugins_nonsense_is_ignored_and_counted(nonsense: object) -> None:
    scores, plugins = overridden(lambda event: nonsense)
    assert scores == BUILT_IN
    assert plugins.errors == {"opinion.score_importance": 3}


def test_a_plugin_that_raises_is_ignored_and_counted() -> None:
    def broken(event: Event) -> float:
        raise RuntimeError("no opinion")

    scores, plugins = overridden(broken)
    assert scores == BUILT_IN
    assert plugins.errors == {"opinion.score_importance": 3}


def test_a_log_of_everything_has_all_kinds_of_importance() -> None:
    assert {0.2, 0.4, 0.5, 0.6, 1.0} <= set(Run().take(random_log(2)).importance())
