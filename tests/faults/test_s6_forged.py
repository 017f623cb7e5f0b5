"""S6: forged and compromised reports, up to a tenth of all events, turn no advice about anybody else."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from spark_advisor import stances
from spark_hooks import Advisory
from spark_hooks.events import Event
from spark_plugin.projection import published
from spark_plugin.projection.cards import Attempt, TaskCard
from tests.faults.matrix import size
from tests.projection.swarmlog import Run, assigned, completed, failed, posted, stamped

SCENARIOS = size(200)
TASKS = 240
SKILLS = {"ada": 0.97, "bo": 0.85, "cy": 0.85, "di": 0.2, "eve": 0.6}
FORGER = "eve"


def honest(rng: random.Random) -> list[list[Event]]:
    """Task after task, each from its posting to its outcome."""
    lives = []
    for n in range(TASKS):
        agent = rng.choice(sorted(SKILLS))
        end = completed if rng.random() < SKILLS[agent] else failed
        category = rng.choice(["db", "docs"])
        lives.append(
            [posted(f"t{n}", sorted(SKILLS), category=category), assigned(f"t{n}", agent), end(f"t{n}", agent)]
        )
    return lives


def forged(rng: random.Random, lives: list[list[Event]]) -> list[Event]:
    """The same with lies in it: of attempts that have ended, of tasks that somebody else has now, again and again."""
    log: list[Event] = []
    for n, life in enumerate(lives):
        log += life[:2]
        if rng.random() < 0.05:
            log.append(failed(f"t{n}", rng.choice(sorted(set(SKILLS) - {life[1].agent}))))
        log += life[2:]
        while rng.random() < 0.19 and len(log) > 3:
            victim, task = rng.choice(sorted(SKILLS)), f"t{rng.randint(max(0, n - 5), n)}"
            lie = failed if SKILLS[victim] > 0.5 else completed
            log.append(lie(task, victim))
    return log


def compromised(rng: random.Random, lives: list[list[Event]]) -> list[Event]:
    """The forger reports nothing but success of its own work."""
    return [
        completed(event.task or "", FORGER) if event.agent == FORGER and k == 2 and rng.random() < 0.9 else event
        for life in lives
        for k, event in enumerate(life)
    ]


def advice(log: list[Event]) -> tuple[dict[str, set[int]], dict[str, tuple[int, int]]]:
    """What is advised in the end: for whom (+1) and against whom (-1); and everybody's outcomes and successes."""
    run = Run().take(stamped(log))
    signs: dict[str, set[int]] = {}
    for data in run.store.models(published.ADVISORY).values():
        for stance in stances(msgspec.json.decode(data, type=Advisory).action)[:1]:
            signs.setdefault(stance.agent, set()).add(stance.sign)
    cards = {name: run.model(published.AGENT, name) for name in run.store.models(published.AGENT)}
    return signs, {name: (card["outcomes"], card["successes"]) for name, card in cards.items()}


def judge(seed: int, scenarios: int) -> tuple[int, int]:
    """(forged reports, pieces of advice about others that praise of oneself unsettled).

    A forged report must change nothing. Praise of one's own work counts, and it changes what is usual in the swarm: so
    another may stand out no longer, but nothing that was said of anybody may turn into its opposite.
    """
    lies = unsettled = 0
    for n in range(scenarios):
        rng = random.Random(seed + n)
        lives = honest(rng)
        truth, records = advice([event for life in lives for event in life])
        assert truth.get("di") == {-1}
        told = forged(rng, lives)
        lies += len(told) - 3 * TASKS
        assert len(told) - 3 * TASKS <= len(told) / 8
        signs, counted = advice(told)
        assert counted == records, "an outcome counts once, for the agent that had the task"
        assert signs == truth
        signs, counted = advice(compromised(rng, lives))
        others = set(SKILLS) - {FORGER}
        assert {name: counted[name] for name in others} == {name: records[name] for name in others}
        turned = [agent for agent in others for sign in signs.get(agent, set()) if -sign in truth.get(agent, set())]
        assert turned == [], (seed + n, turned)
        unsettled += sum(truth.get(agent) != signs.get(agent) for agent in others)
    return lies, unsettled


@pytest.mark.fault("S6")
def test_lies_turn_no_advice_about_anybody_else(seed, reached):
    lies, unsettled = judge(seed, SCENARIOS)
    reached(f"{SCENARIOS} scenarios, {lies} forged reports, none counted; 0 flips, by praise {unsettled} unsaid")


def closed_by_anybody(patch: pytest.MonkeyPatch) -> None:
    """Whoever speaks of a task is taken at their word."""
    closed: dict[int, Attempt] = {}

    def anybody(card: TaskCard, agent: str | None, succeeded: bool) -> Attempt | None:
        if card.open:
            closed[id(card)] = card.open[0]
            return card.end(card.open[0].number, succeeded)
        return closed.get(id(card))

    patch.setattr(TaskCard, "close", anybody)


def closed_again(patch: pytest.MonkeyPatch) -> None:
    """An attempt that has ended may end again."""
    end = TaskCard.end

    def stays_open(card: TaskCard, number: int, succeeded: bool) -> Attempt | None:
        attempt = end(card, number, succeeded)
        if attempt is not None:
            card.open.append(attempt)
        return attempt

    patch.setattr(TaskCard, "end", stays_open)


@pytest.mark.mutant("S6", "reports are believed that are none")
@pytest.mark.parametrize("broken", [closed_by_anybody, closed_again])
def test_without_the_rules_they_do(seed, monkeypatch, broken: Callable[[pytest.MonkeyPatch], None]):
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        judge(seed, 5)
