"""How good the advice is: made streams with a known fault, and what `spark advise` says of them.

usage: advice.py [--streams 20] [--seed 1] [--tasks 1600] [--fall .45] [--docs]

A line of JSON per fault: recall (the share of streams in which the faulty one was named in time), precision over all
advice about agents and categories, false advice per stream, the median delay in outcomes (awards, auctions) of whoever
is at fault, and what each detector said. With `--docs` the table goes into docs/advisor.md.

A swarm of eight agents of equal skill bids for tasks of four categories; the lowest bid wins. At 60% of the stream
something happens: `fall` (an agent's success falls), `slight_fall` (to .65), `category` (an agent fails in one
category), `cartel` (three take turns close to the reserve), `hung` (an agent answers no more), or nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spark_hooks import Advisory
from spark_hooks.signals import SIGNALS
from spark_plugin import Settings, Spark, register

AGENTS = [f"worker-{n}" for n in range(8)]
CATEGORIES = ["api", "build", "copy", "data"]
USUAL, HARD, SLIGHT = 0.85, 0.25, 0.65
WITHIN = {"fall": 25, "slight_fall": 60, "category": 15, "cartel": 60, "hung": 12, "nothing": 0}
"""In how many of its outcomes (awards, auctions) the faulty one is to be found."""
BETWEEN = re.compile(r"(<!-- measured -->\n).*(<!-- end of measured -->)", re.DOTALL)


class Swarm:
    """A coordinator."""


@dataclass
class Truth:
    """What is wrong with a stream: whom advice should name, since which position, and where each of their turns was."""

    named: frozenset[str] = frozenset()
    since: int = 0
    turns: list[int] = field(default_factory=list)

    def delay(self, position: int) -> int:
        """Turns of the faulty one up to a position."""
        return sum(turn <= position for turn in self.turns)


def made(fault: str, seed: int, tasks: int, fall: float, truth: Truth) -> Iterator[tuple[str, dict[str, Any]]]:
    """The signals of a stream; `truth` is filled in on the way."""
    rng, position = random.Random(f"{fault} {seed}"), 0
    culprit, category, ring = rng.choice(AGENTS), rng.choice(CATEGORIES), rng.sample(AGENTS, 3)
    named = {"cartel": [*ring, category], "nothing": []}.get(fault, [culprit])
    for n in range(tasks):
        begun = n >= 0.6 * tasks
        if begun and not truth.since:
            truth.named, truth.since = frozenset(named), position + 1
        kind, clock = rng.choice(CATEGORIES), 1.75e9 + 150.0 * n
        rigged = begun and fault == "cartel" and kind == category
        bids = {agent: rng.gauss(50.0, 8.0) for agent in rng.sample(AGENTS, 4)}
        if rigged:
            others = [agent for agent in AGENTS if agent not in ring]
            bids = {agent: rng.uniform(95.0, 99.0) for agent in [*ring, rng.choice(others)]}
            bids[ring[len(truth.turns) % 3]] = rng.uniform(91.0, 93.0)
        winner = min(bids, key=bids.__getitem__)
        task: dict[str, Any] = {"task_id": f"{fault}-{seed}-{n}"}
        yield "task_posted", task | {"time": clock, "description": f"{kind} {n}", "category": kind,
                                     "candidates": sorted(bids), "reserve": 100.0}  # fmt: skip
        for k, (agent, bid) in enumerate(bids.items(), start=1):
            yield "bid_submitted", task | {"time": clock + k, "agent_id": agent, "bid": round(bid, 2)}
        yield "task_assigned", task | {"time": clock + 9, "agent_id": winner, "bid": round(bids[winner], 2)}
        position += 6
        his = begun and winner == culprit and fault in ("fall", "slight_fall", "hung")
        here = begun and winner == culprit and fault == "category" and kind == category
        if his or here or rigged:
            truth.turns.append(position + (fault != "hung"))
        if his and fault == "hung":
            continue
        rate = HARD if here else SLIGHT if his and fault == "slight_fall" else fall if his else USUAL
        took = rng.lognormvariate(4.0, 0.3)
        end = "task_completed" if rng.random() < rate else "task_failed"
        yield end, task | {"time": clock + 9 + took, "agent_id": winner, "duration_s": round(took, 1)}
        position += 1


def advised(fault: str, seed: int, tasks: int, fall: float) -> tuple[Truth, list[Advisory]]:
    """The truth about a stream, and all advice that was ever given on it."""
    truth, swarm = Truth(), Swarm()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/spark.db")
        with register(swarm, settings=settings) as spark:
            for n, (name, data) in enumerate(made(fault, seed, tasks, fall, truth), start=1):
                SIGNALS[name].send(swarm, **data)
                if n % 4000 == 0:
                    spark.flush(60)
        with Spark.open(settings=settings) as reader:
            return truth, reader.advisories.all(10**6)


def measured(fault: str, streams: int, seed: int, tasks: int, fall: float) -> dict[str, Any]:
    """How a number of streams with one fault came out."""
    found, true, false, delays, said = 0, 0, 0, [], Counter[str]()
    for n in range(streams):
        truth, advice = advised(fault, seed * 1000 + n, tasks, fall)
        about = [one for one in advice if one.category != "system_health"]
        right = [one for one in about if one.subject in truth.named and (one.created_position or 0) >= truth.since]
        first = min((one.created_position or 0 for one in right), default=None)
        true, false = true + len(right), false + len(about) - len(right)
        said.update(one.detector for one in about)
        if first is not None:
            delays.append(truth.delay(first))
            found += delays[-1] <= WITHIN[fault]
    return {
        "fault": fault,
        "streams": streams,
        "within": WITHIN[fault],
        "recall": None if fault == "nothing" else found / streams,
        "precision": true / (true + false) if true + false else None,
        "false_per_stream": false / streams,
        "median_delay": statistics.median(delays) if delays else None,
        "said": dict(sorted(said.items())),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The results in Markdown."""
    lines = [
        "| fault | to be found within | recall | precision | false a stream | median delay |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        shown = [
            "-" if row[name] is None else f"{row[name]:.2f}" for name in ("recall", "precision", "false_per_stream")
        ]
        delay = "-" if row["median_delay"] is None else f"{row['median_delay']:.0f}"
        lines.append(f"| `{row['fault']}` | {row['within'] or '-'} | {' | '.join(shown)} | {delay} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=1600)
    parser.add_argument("--fall", type=float, default=0.45)
    parser.add_argument("--docs", action="store_true")
    asked = parser.parse_args()
    rows = []
    for fault in WITHIN:
        rows.append(measured(fault, asked.streams, asked.seed, asked.tasks, asked.fall))
        print(json.dumps(rows[-1]), flush=True)
    if asked.docs:
        page = Path(__file__).parents[1] / "docs" / "advisor.md"
        options = f"--streams {asked.streams} --seed {asked.seed} --tasks {asked.tasks} --fall {asked.fall}"
        how = f"Printed by `benchmarks/advice.py {options}`:\n\n"
        page.write_text(
            BETWEEN.sub(lambda found: found[1] + how + table(rows) + found[2], page.read_text("utf-8")), "utf-8"
        )


if __name__ == "__main__":
    main()
