"""F20: whatever is advised, the whole log bears it out: counted again by brute force, number by number."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import groupby

import msgspec
import pytest

from spark_advisor import Regret, Trend
from spark_advisor.detectors import failing_agents, standing, struggling_agents
from spark_advisor.records import share
from spark_hooks import Advisory
from spark_hooks.events import Event
from spark_plugin.projection import published
from tests.faults.matrix import size
from tests.oracle import History, figures, wrong
from tests.projection.swarmlog import Run, assigned, bid, completed, failed, posted, stamped

HISTORIES = size(1000)
AGENTS = ("ada", "bo", "cy", "di", "ed", "fay")


def swarm(rng: random.Random) -> list[Event]:
    """Agents of any skill, some of which change, at tasks of up to three categories, with bids or without."""
    agents = rng.sample(AGENTS, rng.randint(2, len(AGENTS)))
    categories = rng.choice([[None], ["db"], ["db", "docs", "ui"]])
    skill = {(a, c): rng.choice([0.1, 0.5, 0.8, 0.9, 1.0]) for a in agents for c in categories}
    tasks = rng.randint(40, 240)
    turns = {agent: rng.randint(0, 2 * tasks) for agent in agents}
    log: list[Event] = []
    for n in range(tasks):
        task, category = f"t{n}", rng.choice(categories)
        bids = {agent: round(rng.uniform(40, 99), 1) for agent in agents if rng.random() < 0.8}
        winner = min(bids, key=bids.__getitem__) if bids else rng.choice(agents)
        price = bids.get(winner)
        chance = skill[winner, category] if n < turns[winner] else 1.0 - skill[winner, category]
        end = completed if rng.random() < chance else failed
        log.append(posted(task, agents, category=category, reserve=100.0))
        log += [bid(task, agent, amount) for agent, amount in bids.items()]
        log += [assigned(task, winner, price), end(task, winner, cost=rng.choice([None, 60.0, 150.0]))]
    return stamped(log)


def judge(seed: int, histories: int) -> tuple[int, int]:
    """(advisories, numbers) that were counted again; fails at the first that is wrong."""
    counted = numbers = 0
    for n in range(histories):
        events = swarm(random.Random(seed + n))
        run = Run().take(events)
        kinds = (published.ADVISORY, published.ADVISORY_RETIRED)
        found = [msgspec.json.decode(data, type=Advisory) for kind in kinds for data in run.store.models(kind).values()]
        found.sort(key=lambda advisory: advisory.updated_position or 0)
        for upto, some in groupby(found, key=lambda advisory: advisory.updated_position or 0):
            history = History(enumerate(events[:upto], start=1))
            for advisory in some:
                assert wrong(history, advisory) == [], (seed + n, advisory)
                counted += 1
                numbers += len(figures(history, advisory) or {})
    return counted, numbers


@pytest.mark.fault("F20")
def test_advice_is_borne_out_by_the_whole_log(seed, reached):
    counted, numbers = judge(seed, HISTORIES)
    assert counted > HISTORIES // 2
    reached(f"{HISTORIES} histories: {counted} advisories, {numbers} numbers counted again, 0 wrong")


def counted_twice(patch: pytest.MonkeyPatch) -> None:
    observe = Trend.observe

    def twice(trend: Trend, succeeded: bool, *more: object) -> None:
        observe(trend, succeeded, *more)  # type: ignore[arg-type]
        trend.failures += trend.outcomes % 9 == 0

    patch.setattr(Trend, "observe", twice)


def of_the_newest_only(patch: pytest.MonkeyPatch) -> None:
    observe = Trend.observe

    def windowed(trend: Trend, succeeded: bool, *more: object) -> None:
        observe(trend, succeeded, *more)  # type: ignore[arg-type]
        if trend.outcomes > 12:
            trend.successes, trend.failures = min(trend.successes, 6), min(trend.failures, 6)

    patch.setattr(Trend, "observe", windowed)


def taken_for_its_opposite(patch: pytest.MonkeyPatch) -> None:
    observe = Trend.observe
    patch.setattr(Trend, "observe", lambda trend, succeeded, *more: observe(trend, not succeeded, *more))


def narrow(patch: pytest.MonkeyPatch) -> None:
    def shifted(s: int, n: int, t: int, m: int) -> tuple[float, float, float]:
        effect = s / n - t / m
        return effect, effect + 0.01, effect + 0.02

    patch.setattr(standing, "difference", shifted)
    patch.setattr(failing_agents, "difference", shifted)


def never_forgotten(patch: pytest.MonkeyPatch) -> None:
    observe = Regret.observe

    def grown(regret: Regret, succeeded: bool, *more: object) -> None:
        observe(regret, succeeded, *more)  # type: ignore[arg-type]
        regret.outcomes += regret.outcomes > 3

    patch.setattr(Regret, "observe", grown)


def promised_twice(patch: pytest.MonkeyPatch) -> None:
    for module in (failing_agents, struggling_agents):
        patch.setattr(module, "share", lambda outcomes, view: 2.0 * share(outcomes, view))


BROKEN = [counted_twice, of_the_newest_only, taken_for_its_opposite, narrow, never_forgotten, promised_twice]


@pytest.mark.mutant("F20", "the numbers are not those of the log")
@pytest.mark.parametrize("broken", BROKEN)
def test_numbers_that_are_none_are_found(seed, monkeypatch, broken: Callable[[pytest.MonkeyPatch], None]):
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        judge(seed, 60)
