"""The detectors: each speaks when there is something to say, is silent otherwise, and says nothing that is untrue."""

from __future__ import annotations

import math
import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_advisor import AdvisoryBook, built_in, capture_health
from spark_advisor.detectors.agent_performance import ExcellingAgents
from spark_advisor.detectors.bid_optimization import DearCategories, Overruns
from spark_advisor.detectors.failure_prevention import FailingAgents, FailureStreaks
from spark_advisor.detectors.system_health import WorthlessForecasts
from spark_eidos import Eidos, Outcome, TaskFacts
from spark_hooks import Finding, Touched

FAILING, EXCELLING, STREAKS = FailingAgents(), ExcellingAgents(), FailureStreaks()
DEAR, OVERRUNS, WORTHLESS = DearCategories(), Overruns(), WorthlessForecasts()


@pytest.fixture
def swarm(new_swarm):
    """Others who succeed in 8 of 10, half of it database work."""
    swarm = new_swarm()
    for other in ("bo", "cy", "di"):
        swarm.outcomes_of(other, "db", 20, 5)
        swarm.outcomes_of(other, "docs", 20, 5)
    return swarm


def found(detector, view, touched) -> list[Finding]:
    """All findings, each of them sound."""
    findings = list(detector.detect(view, touched))
    assert findings == list(detector.detect(view, touched)), "a detector must be a pure function"
    topics = [(f.agent, f.task_category) for f in findings]
    assert len(set(topics)) == len(topics), "at most one finding per agent and category"
    for finding in findings:
        assert msgspec.convert(msgspec.to_builtins(finding), Finding) == finding
        assert (finding.agent, finding.task_category) in touched.topics()
        assert 0 <= finding.priority <= 1
        assert 0 < len(finding.evidence) <= 5
        assert finding.evidence_count > 0
        assert finding.title
        assert finding.detail
        assert finding.suggested_action
        assert finding.action["action"]
    return findings


def test_the_built_in_detectors_have_names_of_their_own():
    detectors = built_in()
    names = [detector.name for detector in detectors]
    assert len(set(names)) == len(names)
    for one in (FAILING, EXCELLING, STREAKS, DEAR, OVERRUNS, WORTHLESS):
        assert type(one) in {type(detector) for detector in detectors}


@pytest.mark.parametrize("detector", built_in(), ids=lambda detector: detector.name)
def test_of_an_empty_swarm_or_strangers_there_is_nothing_to_say(detector, new_swarm, swarm):
    for view in (new_swarm(), swarm):
        for touched in (Touched("e", None, None), Touched("e", "nobody", "nothing"), Touched("e", "nobody", None)):
            assert found(detector, view, touched) == []


# --- failing and excelling agents ------------------------------------------------------------------------------------


def test_an_agent_that_fails_more_than_the_others_is_found(swarm):
    touched = swarm.outcomes_of("ada", None, 3, 12)
    [finding] = found(FAILING, swarm, touched)
    assert (finding.category, finding.agent, finding.task_category) == ("failure_prevention", "ada", None)
    assert finding.evidence == tuple(swarm.agents["ada"].recent_failures)
    assert finding.evidence_count == 15
    assert finding.action == {"action": "avoid", "agent": "ada", "category": None}
    assert finding.title == "ada fails 12 of 15 tasks"
    low, high = finding.interval
    assert 0 <= low <= 3 / 15 <= high < 0.8
    assert "20%" in finding.detail
    assert finding.priority == pytest.approx(0.8 - 0.2, abs=0.02)


def test_an_agent_that_fails_in_one_category_is_found_there(swarm):
    swarm.outcomes_of("ada", "docs", 60, 0)
    touched = swarm.outcomes_of("ada", "db", 2, 10)
    findings = found(FAILING, swarm, touched)
    assert [(f.agent, f.task_category) for f in findings] == [("ada", "db")]
    assert findings[0].title.startswith("ada fails 10 of 12 ")
    assert "db" in findings[0].title
    assert findings[0].action["category"] == "db"
    assert found(FAILING, swarm, Touched("e", "ada", "docs")) == []


def test_an_agent_that_excels_is_found(swarm):
    touched = swarm.outcomes_of("ada", "db", 80, 0)
    overall, here = found(EXCELLING, swarm, touched)
    assert (overall.category, overall.agent, overall.task_category) == ("agent_performance", "ada", None)
    assert (here.agent, here.task_category) == ("ada", "db")
    assert here.title.startswith("ada succeeds in 80 of 80 ")
    assert "db" in here.title
    assert here.action == {"action": "prefer", "agent": "ada", "category": "db"}
    assert here.evidence == tuple(swarm.agents["ada"].recent_successes)
    assert 0.8 < here.interval[0] < here.interval[1] <= 1


@pytest.mark.parametrize("detector", [FAILING, EXCELLING], ids=lambda detector: detector.name)
@pytest.mark.parametrize(("successes", "failures"), [(16, 4), (15, 5), (17, 3), (40, 10), (8, 2)])
def test_of_an_agent_like_the_others_there_is_nothing_to_say(detector, swarm, successes, failures):
    assert found(detector, swarm, swarm.outcomes_of("ada", "db", successes, failures)) == []


@pytest.mark.parametrize(("detector", "successes", "failures"), [(FAILING, 0, 4), (EXCELLING, 7, 0)])
def test_of_a_beginner_there_is_nothing_to_say(detector, new_swarm, successes, failures):
    swarm = new_swarm()
    if detector is FAILING:
        swarm.outcomes_of("bo", "db", 500, 0)
    else:
        swarm.outcomes_of("bo", "db", 0, 500)
    assert found(detector, swarm, swarm.outcomes_of("ada", "db", successes, failures)) == []


@pytest.mark.parametrize("detector", [FAILING, EXCELLING], ids=lambda detector: detector.name)
def test_a_sure_but_tiny_difference_is_not_worth_a_word(detector, new_swarm):
    swarm = new_swarm()
    swarm.outcomes_of("bo", None, 80_000, 20_000)
    assert found(detector, swarm, swarm.outcomes_of("ada", None, 76_500, 23_500)) == []
    assert found(detector, swarm, Touched("e", "bo", None)) == []


def test_only_the_agent_at_hand_is_looked_at(swarm):
    swarm.outcomes_of("ada", None, 0, 20)
    assert found(FAILING, swarm, Touched("e", "bo", "db")) == []


@pytest.mark.parametrize("known", [0, 1, 4])
@pytest.mark.parametrize("category", ["db", None])
def test_an_agent_is_not_held_against_others_of_whom_too_little_is_known(new_swarm, known, category):
    """With nobody else in the swarm, or in the category, "the others succeed in 50%" is a number from nowhere."""
    swarm = new_swarm()
    swarm.outcomes_of("bo", category, 0, known)
    assert found(EXCELLING, swarm, swarm.outcomes_of("ada", category, 30, 0)) == []
    swarm.outcomes_of("di", category, 30 - known, 0)
    for finding in found(FAILING, swarm, swarm.outcomes_of("lone", "alone", 0, 12)):
        assert ("the others in" in finding.detail) == (finding.task_category is None)


def test_an_agent_that_fails_most_of_its_tasks_is_found_even_with_nobody_to_compare_it_with(new_swarm):
    swarm = new_swarm()
    assert found(FAILING, swarm, swarm.outcomes_of("ada", None, 8, 12)) == []
    [finding] = found(FAILING, swarm, swarm.outcomes_of("ada", None, 0, 20))
    assert finding.agent == "ada"
    assert "others in" not in finding.detail


def test_five_of_five_are_no_certainty(new_swarm):
    good, bad = new_swarm(), new_swarm()
    good.outcomes_of("bo", None, 5, 0)
    assert found(FAILING, good, good.outcomes_of("ada", None, 12, 8)) == []
    bad.outcomes_of("bo", None, 0, 5)
    assert found(EXCELLING, bad, bad.outcomes_of("ada", None, 6, 14)) == []


# --- streaks ---------------------------------------------------------------------------------------------------------


def streak(swarm, agent: str, length: int) -> Touched:
    for _ in range(length):
        touched = swarm.outcome(agent, None, False)
    return touched


def test_a_sudden_row_of_failures_is_found(swarm):
    swarm.outcomes_of("ada", None, 27, 3)
    touched = streak(swarm, "ada", 4)
    [finding] = found(STREAKS, swarm, touched)
    assert (finding.agent, finding.task_category, finding.evidence_count) == ("ada", None, 4)
    assert finding.title == "ada failed 4 times in a row"
    assert "failed 3 of 30" in finding.detail
    assert finding.interval[0] <= 0.1 <= finding.interval[1]
    assert finding.action == {"action": "pause", "agent": "ada"}


def test_the_evidence_of_a_row_is_the_row(swarm):
    swarm.outcomes_of("ada", None, 27, 3)
    [finding] = found(STREAKS, swarm, streak(swarm, "ada", 4))
    assert finding.evidence == tuple(swarm.agents["ada"].recent_failures[-4:])


def test_a_short_row_is_none(swarm):
    swarm.outcomes_of("ada", None, 29, 1)
    assert found(STREAKS, swarm, streak(swarm, "ada", 3)) == []


def test_a_row_that_is_nothing_new_is_none(swarm):
    swarm.outcomes_of("ada", None, 10, 20)
    assert found(STREAKS, swarm, streak(swarm, "ada", 6)) == []


def test_a_row_at_the_very_beginning_is_none(swarm):
    swarm.outcomes_of("ada", None, 4, 0)
    assert found(STREAKS, swarm, streak(swarm, "ada", 10)) == []


def test_a_row_ends_with_a_success(swarm):
    swarm.outcomes_of("ada", None, 30, 0)
    streak(swarm, "ada", 8)
    assert found(STREAKS, swarm, swarm.outcome("ada", None, True)) == []


def test_a_row_of_a_thousand_failures_is_found_too(swarm):
    """Its chance is less than the smallest number there is."""
    swarm.outcomes_of("ada", None, 24, 6)
    [finding] = found(STREAKS, swarm, streak(swarm, "ada", 1000))
    assert finding.evidence_count == 1000
    assert len(finding.detail) < 300


# --- bids ------------------------------------------------------------------------------------------------------------


def with_awards(swarm, mean_of, ratios) -> Touched:
    category = swarm.category("db")
    category.award_ratio = mean_of(ratios)
    category.recent_awards = ["w1", "w2"]
    return Touched("w2", "ada", "db")


def test_a_category_without_competition_is_found(new_swarm, mean_of):
    swarm = new_swarm()
    [finding] = found(DEAR, swarm, with_awards(swarm, mean_of, [0.98, 0.99, 1.0] * 6))
    assert (finding.category, finding.agent, finding.task_category) == ("bid_optimization", None, "db")
    assert finding.evidence == ("w1", "w2")
    assert finding.evidence_count == 18
    assert "99%" in finding.title
    assert finding.interval[0] < 0.99 < finding.interval[1]
    assert finding.action == {"action": "widen_bidding", "category": "db"}


@pytest.mark.parametrize(
    "ratios",
    [[0.99] * 9, [0.8] * 50, [0.94, 0.95] * 20, [0.6, 1.4] * 10, []],
    ids=["too few", "cheap", "at the bound", "unsure", "none"],
)
def test_of_other_categories_there_is_nothing_to_say(new_swarm, mean_of, ratios):
    swarm = new_swarm()
    touched = with_awards(swarm, mean_of, ratios or [0.0])
    if not ratios:
        swarm.category("db").award_ratio.n = 0
    assert found(DEAR, swarm, touched) == []


def with_efforts(swarm, mean_of, factors) -> Touched:
    agent = swarm.agent("ada")
    agent.overrun = mean_of(math.log(factor) for factor in factors)
    agent.recent_overruns = ["f1", "s2", "s5"]
    return Touched("s5", "ada", None)


def test_an_agent_that_costs_more_than_it_bids_is_found(new_swarm, mean_of):
    swarm = new_swarm()
    [finding] = found(OVERRUNS, swarm, with_efforts(swarm, mean_of, [1.8, 2.0, 2.2] * 3))
    assert (finding.category, finding.agent) == ("bid_optimization", "ada")
    assert finding.title == "ada costs 2.0 times what it bids"
    assert finding.action == {"action": "scale_bids", "agent": "ada", "factor": pytest.approx(1.99, abs=0.02)}
    assert 1.25 < finding.interval[0] < 2.0 < finding.interval[1]
    assert finding.evidence_count == 9


@pytest.mark.parametrize(
    "factors",
    [[2.0] * 4, [1.1] * 50, [0.5] * 50, [1.2, 1.3] * 20, [0.2, 9.0] * 5],
    ids=["too few", "a little", "less", "at the bound", "unsure"],
)
def test_of_other_costs_there_is_nothing_to_say(new_swarm, mean_of, factors):
    swarm = new_swarm()
    assert found(OVERRUNS, swarm, with_efforts(swarm, mean_of, factors)) == []


def test_costs_beyond_all_measure_raise_nothing(new_swarm, new_mean):
    """A cost of 1e308 after a bid of 1e-300 is a valid event; log(cost / bid) is then about 1400."""
    swarm = new_swarm()
    swarm.agent("ada").overrun = new_mean(5, 1400.0, 10.0)
    swarm.agent("ada").recent_overruns = ["f1"]
    found(OVERRUNS, swarm, Touched("f1", "ada", None))


# --- the health of Spark itself --------------------------------------------------------------------------------------


def with_forecasts(new_swarm, new_forecasts, excess) -> object:
    swarm = new_swarm()
    swarm.forecasts = new_forecasts(excess)
    return swarm


def test_forecasts_worse_than_the_base_rate_are_found(new_swarm, new_forecasts, mean_of):
    swarm = with_forecasts(new_swarm, new_forecasts, mean_of([0.2, 0.3, 0.4] * 100))
    [finding] = found(WORTHLESS, swarm, Touched("e9", "ada", "db"))
    assert (finding.category, finding.agent, finding.task_category) == ("system_health", None, None)
    assert finding.evidence == ("e9",)
    assert finding.evidence_count == 300
    assert "0.3000" in finding.detail
    assert 0.28 < finding.interval[0] < 0.3 < finding.interval[1] < 0.32


@pytest.mark.parametrize(
    "excess",
    [[0.3] * 49, [-0.1, -0.2] * 100, [0.0] * 200, [1.0, -0.9] * 100, [5.0] + [-0.01] * 100],
    ids=["too few", "better", "the same", "unsure", "one surprise"],
)
def test_of_other_forecasts_there_is_nothing_to_say(new_swarm, new_forecasts, mean_of, excess):
    swarm = with_forecasts(new_swarm, new_forecasts, mean_of(excess))
    assert found(WORTHLESS, swarm, Touched("e9", "ada", "db")) == []


def test_a_healthy_capture_needs_no_advice():
    assert capture_health(None, 0, {}) == []
    assert capture_health(None, 500, {"task_posted": 0}) == []


def test_a_stalled_capture_is_told():
    [advice] = capture_health("disk full", 12, {})
    assert (advice.category, advice.detail, advice.evidence_count) == ("system_health", "disk full", 12)
    assert "12" in advice.title
    assert advice.created_position is None
    assert advice.priority == 1.0


def test_dropped_events_are_told_by_kind():
    stalled, dropped = capture_health("locked", 3, {"task_posted": 2, "bid_submitted": 5})
    assert stalled.id != dropped.id
    assert dropped.evidence_count == 7
    assert "5 bid_submitted, 2 task_posted" in dropped.detail


# --- in a swarm where nothing is wrong -------------------------------------------------------------------------------

AGENTS, CATEGORIES, TASKS = [f"agent {n}" for n in range(8)], ["db", "docs", "tests"], 400
TOPICS = {
    "failing_agents": len(AGENTS) * (1 + len(CATEGORIES)),
    "excelling_agents": len(AGENTS) * (1 + len(CATEGORIES)),
    "failure_streaks": len(AGENTS),
    "overruns": len(AGENTS),
    "dear_categories": len(CATEGORIES),
    "worthless_forecasts": 1,
}
"""How many things each detector may have a word about."""


def healthy_life(new_swarm, new_mean, detectors, seed: int, rate: float) -> tuple[Counter[str], AdvisoryBook]:
    """A swarm whose agents are all alike, reviewed after each outcome; how often each detector spoke, and the book."""
    rng, swarm, book, eidos = random.Random(seed), new_swarm(), AdvisoryBook(), Eidos()
    swarm.forecasts = eidos.scoreboard
    issued: Counter[str] = Counter()
    for _ in range(TASKS):
        agent, category, succeeded = rng.choice(AGENTS), rng.choice(CATEGORIES), rng.random() < rate
        task = TaskFacts(tuple(AGENTS), category, None)
        eidos.observe_outcome(task, eidos.forecast_award(task, agent, 0.0), Outcome(succeeded), 0.0)
        touched = swarm.outcome(agent, category, succeeded)
        add(swarm.agents[agent].overrun, rng.gauss(0.0, 0.3))
        add(swarm.categories[category].award_ratio, rng.uniform(0.6, 1.0))
        swarm.categories[category].recent_awards = [touched.event_id]
        for detector in detectors:
            issued[detector.name] += sum(c.what == "issued" for c in book.review(detector, swarm, touched))
    return issued, book


def add(mean, value: float) -> None:
    mean.n += 1
    gap = value - mean.mean
    mean.mean += gap / mean.n
    mean.m2 += gap * (value - mean.mean)


@pytest.mark.parametrize("detector", built_in(), ids=lambda detector: detector.name)
@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_in_a_healthy_swarm_false_alarms_are_rare(new_swarm, new_mean, detector, rate):
    """At most one false word in 100 outcomes, and at the end at most one in 100 topics is under a false word."""
    lives = [healthy_life(new_swarm, new_mean, [detector], seed, rate) for seed in range(40)]
    issued = sum(spoken.total() for spoken, _ in lives)
    live = sum(len(book.live()) for _, book in lives)
    assert issued <= len(lives) * TASKS / 100
    assert live <= 1 + len(lives) * TOPICS.get(detector.name, 1) / 100


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ada", "bo"]), st.sampled_from(["db", None]), st.integers(0, 40), st.booleans()),
        max_size=12,
    )
)
def test_whatever_happens_what_is_said_is_sound_and_points_the_right_way(new_swarm, history):
    swarm = new_swarm()
    for agent, category, n, succeeded in history:
        for _ in range(n):
            swarm.outcome(agent, category, succeeded)
        touched = Touched("e", agent, category)
        for detector in (FAILING, EXCELLING, STREAKS):
            for finding in found(detector, swarm, touched):
                own, everybody = swarm.agents[agent], swarm
                if finding.task_category is not None:
                    own, everybody = own.by_category[category], swarm.categories[category]
                rate = own.successes / own.outcomes
                others = everybody.outcomes - own.outcomes
                if "the others in" in finding.detail:
                    gap = rate - (everybody.successes - own.successes) / others
                    assert gap < 0 if detector is FAILING else gap > 0
