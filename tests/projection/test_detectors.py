"""The detectors on logs: each speaks when there is something to say, in time, and is silent otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest

from spark_advisor import Prior, Trend, built_in
from spark_advisor.detectors.capture_health import LAGGING, capture_health, plugin_health
from spark_advisor.trends import OVERALL, Falls
from spark_hooks import Advisory
from spark_hooks.events import AgentLeft, Event
from spark_plugin.projection import published
from spark_plugin.store import Filter
from tests.projection.swarmlog import FAIR, Run, assigned, attempt, bid, completed, failed, posted, record, stamped

AGENTS = ("ada", "bo", "cy", "di")
Chance = Callable[[int, str, str], float]


def everything(run: Run) -> list[Advisory]:
    kinds = (published.ADVISORY, published.ADVISORY_RETIRED)
    return [msgspec.json.decode(data, type=Advisory) for kind in kinds for data in run.store.models(kind).values()]


def said(run: Run, detector: str) -> list[Advisory]:
    """All that a detector ever said, oldest first."""
    return sorted((one for one in everything(run) if one.detector == detector), key=lambda a: a.created_position or 0)


def tasks(n: int, chance: Chance, *, seed: int = 1, categories: Sequence[str | None] = ("db", "docs")) -> list[Event]:
    """A swarm's work: each task goes to any of four agents, and succeeds with a chance that may depend on all of it."""
    rng = random.Random(seed)
    events: list[Event] = []
    for k in range(n):
        agent, category = rng.choice(AGENTS), rng.choice(categories)
        succeeded = rng.random() < chance(k, agent, category or "")
        events += attempt(f"t{k}", agent, succeeded, candidates=AGENTS, category=category)
    return events


def auctions(n: int, bids: Callable[[int, random.Random], dict[str, float]], category: str = "db") -> list[Event]:
    """Sealed bids for tasks of one category; the lowest wins, and succeeds."""
    rng = random.Random(2)
    return [event for k in range(n) for event in auction(f"{category}-{k}", bids(k, rng), category)]


def auction(task: str, bids: dict[str, float], category: str) -> Iterator[Event]:
    winner = min(bids, key=bids.__getitem__)
    yield posted(task, sorted(bids), category=category, reserve=100.0)
    for agent, amount in bids.items():
        yield bid(task, agent, amount)
    yield assigned(task, winner, bids[winner])
    yield completed(task, winner)


def fair_bids(_: int, rng: random.Random) -> dict[str, float]:
    return {agent: round(rng.uniform(40, 70), 2) for agent in AGENTS}


# who fails, who does well


def test_of_a_swarm_whose_agents_are_alike_hardly_anything_is_said() -> None:
    false = 0
    for seed in range(6):
        run = Run().take(stamped(tasks(700, lambda *_: 0.8, seed=seed)))
        false += sum(one.category != "system_health" for one in everything(run))
    assert false <= 3


def test_a_fall_is_found_in_an_agents_own_record_and_its_recovery_too() -> None:
    def chance(k: int, agent: str, _: str) -> float:
        return 0.3 if agent == "bo" and 500 <= k < 800 else 0.85

    run = Run().take(stamped(tasks(1400, chance)))
    [fallen] = [one for one in said(run, "failing_agents") if one.subject == "bo"]
    assert 1500 < (fallen.created_position or 0) < 1500 + 25 * 12
    assert fallen.state == "resolved"
    assert fallen.action == {"action": "avoid", "agent": "bo", "category": None}
    assert fallen.interval is not None and fallen.effect is not None and fallen.saves is not None
    assert fallen.interval[0] <= fallen.effect <= fallen.interval[1]


def test_who_falls_from_the_top_to_where_the_others_are_is_warned_of_no_more_than_they() -> None:
    def chance(k: int, agent: str, _: str) -> float:
        return 0.6 if agent != "bo" or k >= 400 else 1.0

    run = Run().take(stamped(tasks(900, chance)))
    assert run.state.agents["bo"].trend.fell
    assert all(one.subject != "bo" for one in said(run, "failing_agents"))


def fell(ends: Sequence[bool], falls: Falls, nats: float = 6.2) -> bool:
    trend = Trend()
    for position, succeeded in enumerate(ends, start=1):
        trend.observe(succeeded, position, Prior(0.85, 100.0), nats, falls)
    return trend.fell


def test_a_short_run_of_failures_is_no_fall() -> None:
    usual = [False, True, True, True, True, True] * 20
    assert not fell(usual + [False] * (OVERALL.fewest - 1), OVERALL)
    assert fell(usual + [False] * OVERALL.fewest, OVERALL)


def test_a_young_record_falls_only_plainly() -> None:
    ends = [True] * 20 + [False, True] * 8
    assert len(ends) < OVERALL.young
    assert fell(ends, OVERALL._replace(young=0), 4.5) and not fell(ends, OVERALL, 4.5)
    assert fell([True] * 20 + [False] * 12, OVERALL)


def test_a_category_that_turns_hard_for_one_agent_is_told_of_that_category() -> None:
    def chance(k: int, agent: str, category: str) -> float:
        return 0.1 if (agent, category) == ("cy", "docs") and k >= 600 else 0.85

    run = Run().take(stamped(tasks(900, chance)))
    found = [one for one in said(run, "failing_agents") if (one.created_position or 0) > 1800]
    assert [(one.subject, one.action["category"]) for one in found] == [("cy", "docs")]


def test_old_failures_far_beyond_the_newest_events_are_found() -> None:
    run = Run().take(stamped([*record("bad", [False] * 200), *record("ada", FAIR * 20)]))
    assert run.store.position() > 10 * 100
    [found] = [one for one in said(run, "struggling_agents") if one.subject == "bad"]
    assert found.state == "issued"
    assert found.figures["outcomes"] == 200


def test_the_successes_of_one_do_not_hide_the_failures_of_another() -> None:
    log = [*record("ada", FAIR * 6), *record("bo", [False] * 12), *record("cy", [True] * 120)]
    run = Run().take(stamped(log))
    assert [one.state for one in said(run, "struggling_agents") if one.subject == "bo"] == ["issued"]
    assert not any(one.subject == "cy" for one in said(run, "struggling_agents"))


def test_900_of_1000_are_no_struggle_and_4_of_404_no_excellence() -> None:
    log = [*record("able", [True] * 9 + [False], name="a")] * 1
    log = [event for n in range(100) for event in record("able", [True] * 9 + [False], name=f"a{n}")]
    log += record("poor", [n % 101 == 0 for n in range(404)], name="p")
    run = Run().take(stamped(log))
    assert {one.subject for one in said(run, "struggling_agents")} == {"poor"}
    assert {one.subject for one in said(run, "excelling_agents")} <= {"able"}


def test_a_streak_that_chance_does_not_explain_is_told() -> None:
    log = [*record("fay", FAIR * 4), *record("bo", FAIR * 4), *record("bo", [False] * 9, name="worse")]
    run = Run().take(stamped(log))
    assert {one.subject for one in everything(run) if one.category == "failure_prevention"} == {"bo"}
    assert any(one.subject == "bo" for one in said(run, "failing_agents") + said(run, "failure_streaks"))


def test_work_that_another_would_do_better_is_told_with_a_name() -> None:
    run = Run().take(stamped(tasks(600, lambda _, agent, __: 0.2 if agent == "di" else 0.85)))
    [found] = [one for one in said(run, "misrouted_work") if one.action["category"] is None and one.state == "issued"]
    assert found.action["from"] == found.subject == "di"
    assert found.action["to"] in {"ada", "bo", "cy"}


# stuck, idle, overloaded


def silent(n: int) -> list[Event]:
    """An agent that has worked takes more tasks, and no word of them is heard; the others go on."""
    events = [*record("bo", FAIR * 4), *record("ada", FAIR * 4)]
    for k in range(n):
        events += [posted(f"hung-{k}"), assigned(f"hung-{k}", "bo"), *record("ada", [True] * 9, name=f"on-{k}")]
    return events


def test_an_agent_that_fell_silent_is_found_by_the_logs_time_alone() -> None:
    run = Run().take(stamped(silent(6)))
    [found] = said(run, "silent_agents")
    assert (found.subject, found.state, found.action["action"]) == ("bo", "issued", "reassign")
    assert set(found.action["tasks"]) <= {f"hung-{k}" for k in range(6)}  # type: ignore[arg-type]
    late = [completed(f"hung-{k}", "bo") for k in range(6)]
    run.take(stamped(late, start=1_700_500_000.0, writer="x"))
    assert [one.state for one in said(run, "silent_agents")] == ["resolved"]


def test_tasks_that_nobody_gets_are_told() -> None:
    waiting = [posted(f"left-{n}", category="db") for n in range(4)]
    log = [*tasks(200, lambda *_: 0.8, categories=("db",)), *waiting]
    log += [event for n in range(60) for event in attempt(f"later-{n}", "ada", True, category="db")]
    [found] = said(Run().take(stamped(log)), "unawarded_tasks")
    assert (found.subject, found.action["action"]) == ("db", "repost")
    assert set(found.evidence) <= {f"w{n}" for n in range(600, 604)}


def test_an_agent_with_far_more_under_way_than_the_others_is_told() -> None:
    log = tasks(200, lambda *_: 0.8)
    log += [event for n in range(12) for event in (posted(f"much-{n}"), assigned(f"much-{n}", "cy"))]
    [found] = said(Run().take(stamped(log, step=0.1)), "overloaded_agents")
    assert (found.subject, found.figures["under_way"] >= 5) == ("cy", True)


def test_an_agent_that_is_never_chosen_is_told_until_it_is() -> None:
    def bids(_: int, rng: random.Random) -> dict[str, float]:
        return fair_bids(_, rng) | {"dear": 99.0}

    log = auctions(150, bids)
    run = Run().take(stamped([*log, *auction("last", {"dear": 1.0, "bo": 2.0}, "db")]))
    [found] = said(run, "idle_agents")
    assert (found.subject, found.state) == ("dear", "resolved")
    gone = [AgentLeft(agent_id="dear"), *log]
    assert said(Run().take(stamped(gone)), "idle_agents") == []


# bids


def test_fair_auctions_raise_no_suspicion() -> None:
    run = Run().take(stamped([*auctions(200, fair_bids), *auctions(200, fair_bids, "docs")]))
    assert [one for one in everything(run) if one.category == "bid_optimization"] == []


def test_a_ring_that_takes_turns_close_to_the_reserve_is_found_in_each_of_its_marks() -> None:
    def bids(k: int, rng: random.Random) -> dict[str, float]:
        if k < 60:
            return fair_bids(k, rng)
        return {agent: round(rng.uniform(96, 99), 2) for agent in AGENTS} | {AGENTS[k % 3]: 93.0}

    run = Run().take(stamped(auctions(120, bids)))
    [turns] = said(run, "rotating_winners")
    assert (turns.subject, turns.action["agents"]) == ("db", ["ada", "bo", "cy"])
    [risen] = said(run, "risen_prices")
    [narrow] = said(run, "narrow_bids")
    for one in (turns, risen, narrow):
        assert 60 * 7 < (one.created_position or 0) <= 120 * 7, one.detector
        assert one.state == "issued"


def test_identical_bids_stand_out_where_they_are_rare_elsewhere() -> None:
    def same(k: int, rng: random.Random) -> dict[str, float]:
        return {agent: 60.0 if agent != AGENTS[k % 4] else round(rng.uniform(40, 59), 2) for agent in AGENTS}

    run = Run().take(stamped([*auctions(100, fair_bids, "docs"), *auctions(20, same)]))
    [found] = said(run, "identical_bids")
    assert (found.subject, found.figures["tied"]) == ("db", 20)


def test_a_category_at_the_reserve_is_dear() -> None:
    run = Run().take(stamped(auctions(20, lambda k, rng: {"ada": 99.0, "bo": rng.uniform(99.1, 99.9)})))
    [found] = said(run, "dear_categories")
    assert found.effect == pytest.approx(0.99)


def test_an_agent_that_costs_more_than_it_bids_is_told_with_the_factor() -> None:
    log = [
        e
        for n in range(12)
        for e in (posted(f"t{n}"), assigned(f"t{n}", "ada", 10.0), completed(f"t{n}", "ada", cost=20.0 + n % 2))
    ]
    [found] = said(Run().take(stamped(log)), "overruns")
    assert found.action["factor"] == pytest.approx(2.05, abs=0.01)


# the forecasts, the process


def test_forecasts_that_are_off_are_told() -> None:
    """The forecaster learns rates; an agent that does well and badly in turns, for long each, is beyond it."""
    log = [*record("ada", [True] * 300), *record("ada", [False] * 300, name="turned")]
    run = Run().take(stamped(log))
    found = [one for one in everything(run) if one.category == "system_health"]
    assert {one.action["action"] for one in found} == {"ignore_forecasts"}


def test_the_process_tells_of_its_own_trouble() -> None:
    assert capture_health(None, LAGGING - 1, {}) == []
    assert [one.id for one in capture_health(None, LAGGING, {})] == ["process:capture-lag"]
    assert [one.id for one in capture_health("locked", 3, {"task_posted": 2})] == [
        "process:capture-stalled",
        "process:capture-dropped",
    ]
    [off] = plugin_health({"pager": "25 ms"})
    assert off.action == {"action": "enable_plugin", "plugin": "pager"}


# all of them


def test_every_detector_is_named_once_and_in_the_documents() -> None:
    names = [detector.name for detector in built_in()]
    assert len(set(names)) == len(names)


def test_what_is_said_names_events_of_the_log_and_is_sound() -> None:
    log = [*tasks(400, lambda _, agent, __: 0.2 if agent == "di" else 0.85), *silent(4), failed("none", "nobody")]
    run = Run().take(stamped(log))
    ids = {row.id for row in run.store.events(Filter())}
    found = everything(run)
    assert found
    for one in found:
        assert set(one.evidence) <= ids
        assert 0.0 <= one.priority <= 1.0
        assert one.probability is None or 0.5 <= one.probability <= 1.0
        assert one.interval is None or one.interval[0] <= (one.effect or 0.0) <= one.interval[1]
        assert one.title and one.detail and one.suggested_action and one.action["action"]
