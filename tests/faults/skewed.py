"""Histories whose clock jumps; also run as a process of its own, in which the clock itself is wrong.

``python -m tests.faults.skewed STORE SEED TASKS SKEW MUTANT``
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from spark_hooks import bridge, fields
from spark_hooks.events import Event
from spark_hooks.signals import SIGNALS
from spark_plugin import Settings, register
from spark_plugin.projection import clock
from tests.faults.telling import Swarm, by_fields
from tests.projection.swarmlog import (
    CATEGORIES,
    FAIR,
    SKILLS,
    assigned,
    bid,
    completed,
    failed,
    posted,
    record,
    stamped,
)

HOUR, DAY, YEAR = 3600.0, 24 * 3600.0, 365 * 24 * 3600.0
STEP = 60.0
START = datetime(2023, 10, 28, 22, tzinfo=UTC).timestamp()
"""Three hours before summer time ends in Central Europe."""
FAILURES = [False] * 12
ROUNDS = 30
SUMMER_ENDS = datetime(2023, 10, 29, 1, tzinfo=UTC).timestamp()
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
JUMPS = (-2 * HOUR, +2 * HOUR, +YEAR, -YEAR, +HOUR, -HOUR, +YEAR, -2 * HOUR)


class Moment(NamedTuple):
    """An event, when it happened, and when its sender says it did."""

    event: Event
    true: float
    shown: float


class Plan(NamedTuple):
    """A history under a wrong clock, and by how much that was set at each jump."""

    moments: list[Moment]
    jumps: list[float]


def plan(seed: int, tasks: int, *, name: str = "t", skew: float = 0.0, jumps: Sequence[float] = JUMPS) -> Plan:
    """Tasks one after the other, each told in any order; the clock jumps between two of them.

    Not within one: a leap may end the day for which what came early waits.
    """
    rng = random.Random(f"{seed} {name}")
    lives = [*records(name, False), *(life(rng, f"{name}{n}") for n in range(tasks)), *records(name, True)]
    leaps: list[float] = [0.0] * len(lives)
    for place, jump in zip(rng.sample(range(1, len(lives)), len(jumps)), rng.sample(jumps, len(jumps)), strict=True):
        leaps[place] = jump
    moments: list[Moment] = []
    shift = skew
    for one, leap in zip(lives, leaps, strict=True):
        shift += leap
        for event in one:
            true = START + STEP * len(moments)
            moments.append(Moment(event, true, true + shift))
    named = stamped([moment.event for moment in moments], writer=name)
    return Plan([moment._replace(event=event) for moment, event in zip(moments, named, strict=True)], list(jumps))


def records(name: str, rise: bool) -> list[list[Event]]:
    """Tasks of agents that fail until they are warned of, beside one like most; in the end one of them does well."""
    told = (
        {"fay": FAIR, "gus": [True] * 40} if rise else {"fay": FAIR, **dict.fromkeys(("gus", "hal", "ivy"), FAILURES)}
    )
    return [
        list(one)
        for agent, outcomes in told.items()
        for one in zip(*[iter(record(agent, outcomes, name=f"{name}{agent}{rise:d}"))] * 3, strict=True)
    ]


def life(rng: random.Random, task: str) -> list[Event]:
    """A task that is posted, bid for, and attempted once; told in any order."""
    agents = rng.sample(sorted(SKILLS), 3)
    events: list[Event] = [posted(task, agents, category=rng.choice(CATEGORIES), reserve=100.0)]
    events += [bid(task, agent, round(rng.uniform(10, 99), 2)) for agent in agents]
    end = completed if rng.random() < SKILLS[agents[0]] else failed
    events += [assigned(task, agents[0], 50.0), end(task, agents[0], cost=60.0)]
    return rng.sample(events, len(events))


def tell_at(swarm: object, event: Event, **when: Any) -> None:
    """Signal an event by its fields, its time told as `when` says."""
    told = {name: value for name, value in by_fields(event).items() if name != "time"}
    [(_, receipt)] = SIGNALS[event.type].send(swarm, **told | when)
    assert receipt.state == "journaled", receipt


def says(instant: float, n: int) -> dict[str, Any]:
    """A time in one of the ways in which senders give it: not at all, as a number, with a zone, as text, without."""
    zone = timezone(timedelta(hours=2 if instant < SUMMER_ENDS else 1))
    local, utc = datetime.fromtimestamp(instant, zone), datetime.fromtimestamp(instant, UTC)
    ways = ({}, {"time": instant}, {"time": local}, {"time": local.isoformat()}, {"time": utc.replace(tzinfo=None)})
    return ways[n % len(ways)]


def local_times() -> None:
    fields._seconds = lambda value: value.timestamp()


def ids_by_the_clock() -> None:
    given = bridge.Stamp.__call__

    def by_the_clock(stamp: bridge.Stamp) -> tuple[str, str]:
        _, writer = given(stamp)
        return f"{writer}-{time.time_ns()}", writer

    bridge.Stamp.__call__ = by_the_clock  # type: ignore[method-assign]


def one_clock_for_all() -> None:
    advance = clock.LogClock.advance
    clock.LogClock.advance = lambda self, writer, stamp: advance(self, "", stamp)


MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "local times": local_times,
    "ids by the clock": ids_by_the_clock,
    "one clock for all": one_clock_for_all,
}


def main(url: str, seed: int, tasks: int, skew: float, mutant: str) -> None:
    """Tell a plan under a clock that jumps. One that is wrong by `skew` all along has others beside it: it tells a part
    of its plan at each line it reads, and gives no ids."""
    alone = skew == 0.0
    wrong = plan(seed, tasks) if alone else plan(seed, tasks, name=f"s{skew:.0f}-", skew=skew, jumps=JUMPS[:2])
    now = wrong.moments[0].shown
    time.time = lambda: now
    time.time_ns = lambda: int(now * 1e9)
    MUTANTS[mutant]()
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url, batch=20), source="/swarm") as spark:
        for n, (event, true, shown) in enumerate(wrong.moments):
            if not alone and n % (len(wrong.moments) // ROUNDS) == 0:
                assert spark.flush(60)
                print("ready", flush=True)
                sys.stdin.readline()
            now = shown
            own = {} if alone else {"event_id": None, "true": true}
            tell_at(swarm, event, **says(shown, n) | own)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
