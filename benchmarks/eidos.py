"""How good the forecasts are, beside others; what they cost; how much the models hold. Prints one line of JSON.

usage: eidos.py [--tasks 120000] [--write]

Real streams come from the folder that `SPARK_DATA` names (by default ../shared/data beside the checkout); an absent one
is skipped, loudly. Every forecaster is asked at each assignment and taught at its outcome, in the order of the stream.
Those of `river` take part where it is installed (`pip install .[bench]`). `--write` puts the tables into docs/eidos.md
and draws docs/reliability.svg.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from diagram import diagram
from peers import Attempt, Peer, peers
from tables import tables

from spark_eidos import Award, AwardForecast, Draft, Eidos, Forecast, Outcome, TaskFacts, facts
from spark_eidos.pace import own_time
from spark_plugin.projection.state import State, dump, load

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SPARK_DATA", ROOT.parent / "shared" / "data"))
STREAMS = ("gastown_swarm", "swebench_verified_submissions", "tsuchiura_procurement")
BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"
FLOOR, BINS = 1e-3, 15
T = TypeVar("T")


@dataclass
class Card:
    """A task, as far as it has come."""

    data: dict[str, Any]
    facts: TaskFacts
    posted_at: float
    forecast: Forecast
    draft: Draft
    bids: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    open: dict[str, tuple[int, AwardForecast]] = field(default_factory=dict)


@dataclass
class Run:
    """All that a stream brings: forecasts in the order of the assignments, what came, and times in microseconds."""

    eidos: Eidos = field(default_factory=Eidos)
    cards: dict[str, Card] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=peers)
    attempts: list[Attempt] = field(default_factory=list)
    said: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    winners: list[tuple[dict[str, float], str]] = field(default_factory=list)
    bids: list[tuple[bool, float]] = field(default_factory=list)
    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def timed(self, what: str, work: Callable[[], T]) -> T:
        begun = time.perf_counter_ns()
        found = work()
        self.took[what].append((time.perf_counter_ns() - begun) / 1e3)
        return found

    @property
    def now(self) -> float:
        """The swarm's own time."""
        return own_time(len(self.cards), self.eidos.success.rates.swarm.outcomes)

    def take(self, kind: str, data: dict[str, Any]) -> None:
        """One event of the stream."""
        card = self.cards.get(data.get("task_id", ""))
        if kind == "task_posted" and card is None:
            self.post(data)
        elif card is not None and kind == "bid_submitted":
            card.bids[data["agent_id"]] = data["bid"]
        elif card is not None and kind == "task_assigned":
            self.award(card, data)
        elif card is not None and kind in ("task_completed", "task_failed"):
            self.end(card, data, kind == "task_completed")

    def post(self, data: dict[str, Any]) -> None:
        now = own_time(len(self.cards) + 1, self.eidos.success.rates.swarm.outcomes)
        named = data.get("candidates", ())
        known = facts(data["task_id"], data.get("description", ""), named, data.get("category"), data.get("reserve"))
        forecast, draft = self.timed("forecast a task", lambda: self.eidos.forecast(known, now))
        self.cards[data["task_id"]] = Card(data, known, now, forecast, draft)

    def award(self, card: Card, data: dict[str, Any]) -> None:
        now, agent, bid = self.now, data["agent_id"], data.get("bid")
        made = self.timed("forecast an award", lambda: self.eidos.forecast_award(card.facts, agent, now, card.draft))
        if card.attempts == 0 and len(card.forecast.winner) > 1 and agent in card.forecast.winner:
            self.winners.append((card.forecast.winner, agent))
        if bid is not None and card.forecast.bid is not None:
            told = card.forecast.bid
            width = (told.high - told.low) / (card.facts.reserve or told.median or 1.0)
            self.bids.append((told.low <= bid <= told.high, width))
        award = Award(agent, card.posted_at, now, card.attempts == 0, bid, card.bids)
        self.timed("learn an award", lambda: self.eidos.observe_award(card.facts, card.forecast, award, card.draft))
        card.attempts += 1
        card.open[agent] = len(self.attempts), made
        attempt = Attempt(agent, card.data.get("description", ""), card.data.get("category") or "")
        self.attempts.append(attempt)
        self.said["Spark"].append(made.success)
        for name, peer in self.peers.items():
            self.said[name].append(peer.predict(attempt))

    def end(self, card: Card, data: dict[str, Any], succeeded: bool) -> None:
        agent = data.get("agent_id") or (next(iter(card.open)) if len(card.open) == 1 else "")
        if agent not in card.open:
            return
        at, made = card.open.pop(agent)
        outcome = Outcome(succeeded, data.get("duration_s"), data.get("cost"))
        self.timed("learn an outcome", lambda: self.eidos.observe_outcome(card.facts, made, outcome, self.now))
        self.attempts[at].succeeded = succeeded
        for peer in self.peers.values():
            peer.learn(self.attempts[at])


def events(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(type, data) of a stream."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            yield event["type"].removeprefix("swarm."), event["data"]


def replayed(path: Path) -> Run:
    run = Run()
    for kind, data in events(path):
        run.take(kind, data)
    return run


def measured(run: Run) -> dict[str, Any]:
    """The scores of a stream."""
    found: dict[str, Any] = {"microseconds_p50": {what: _p50(took) for what, took in run.took.items()}}
    done = [n for n, attempt in enumerate(run.attempts) if attempt.succeeded is not None]
    if done:
        came = np.array([run.attempts[n].succeeded for n in done], dtype=float)
        found["attempts"] = len(done)
        found["success"] = {
            name: success_scores(np.array([said[n] for n in done]), came) for name, said in run.said.items()
        }
        found["reliability"] = run.eidos.scoreboard.reliability()
    if run.winners:
        found["winner"] = winner_scores(run.winners)
    if run.bids:
        quarters = np.array_split(np.array([float(hit) for hit, _ in run.bids]), 4)
        found["bid"] = {
            "n": len(run.bids),
            "coverage": round(statistics.fmean(hit for hit, _ in run.bids), 3),
            "coverage_by_quarter": [round(float(quarter.mean()), 3) for quarter in quarters],
            "width": round(statistics.fmean(width for _, width in run.bids), 4),
        }
    return found


def success_scores(said: np.ndarray, came: np.ndarray) -> dict[str, float]:
    """Log loss over all and over the last quarter, and the calibration error beside what chance alone would show."""
    p = np.clip(said, FLOOR, 1.0 - FLOOR)
    losses = -np.log(np.where(came > 0.5, p, 1.0 - p))
    rng = np.random.default_rng(0)
    fair = [calibration_error(p, (rng.random(len(p)) < p).astype(float)) for _ in range(400)]
    scores = {
        "log_loss": losses.mean(),
        "last_quarter": losses[len(losses) * 3 // 4 :].mean(),
        "ece": calibration_error(p, came),
        "ece_fair_p99": np.quantile(fair, 0.99),
    }
    return {name: round(float(score), 4) for name, score in scores.items()}


def calibration_error(p: np.ndarray, came: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
    cells = np.minimum((p * BINS).astype(int), BINS - 1)
    gaps = np.bincount(cells, weights=p - came, minlength=BINS)
    return float(np.abs(gaps).sum() / len(p))


def winner_scores(choices: Sequence[tuple[dict[str, float], str]]) -> dict[str, float]:
    """Top-1 and log loss, beside a choice by lot and the candidate with the best record so far."""
    won, due = defaultdict(float), defaultdict(float)
    record, foreseen, losses, lot = [], [], [], []
    for told, chosen in choices:
        best = max(told, key=lambda agent: ((won[agent] + 1.0) / (due[agent] + 3.0), agent))
        record.append(best == chosen)
        foreseen.append(max(told, key=told.__getitem__) == chosen)
        losses.append(-math.log(max(told[chosen], FLOOR)))
        lot.append(len(told))
        won[chosen] += 1.0
        for agent in told:
            due[agent] += 1.0
    return {
        "n": len(choices),
        "top1": round(statistics.fmean(foreseen), 4),
        "by_lot_top1": round(statistics.fmean(1.0 / n for n in lot), 4),
        "best_record_top1": round(statistics.fmean(record), 4),
        "log_loss": round(statistics.fmean(losses), 4),
        "uniform_log_loss": round(statistics.fmean(math.log(n) for n in lot), 4),
    }


def held(tasks: int) -> dict[str, Any]:
    """A made swarm of 10,000 agents that never ends: how long answers take, and how much the models hold.

    Every table has a bound and all are met: half of the tasks take it to the size that all of them do.
    """
    rng, eidos, took = random.Random(1), Eidos(), defaultdict(list)
    agents, before, half = [f"agent-{n:05d}" for n in range(10_000)], resident(), 0
    for n in range(tasks):
        if n == tasks // 2:
            half = len(dump(State(eidos=eidos)))
        lived(eidos, rng, agents, n)
    after = resident()
    for n in range(200):
        task = facts(f"f-{n}.1", f"look into report {n} of the service", rng.sample(agents, 50), "category-3", 100.0)
        begun = time.perf_counter_ns()
        eidos.forecast(task, float(tasks + n))
        took["forecast"].append((time.perf_counter_ns() - begun) / 1e3)
    return {
        "agents": len(agents),
        "tasks": tasks,
        "forecast_50_candidates_us_p50": _p50(took["forecast"]),
        "snapshot_mib_halfway": round(half / 2**20, 2),
        "resident_growth_mib": round((after - before) / 2**20, 1),
        **snapshots(State(eidos=eidos)),
    }


def lived(eidos: Eidos, rng: random.Random, agents: Sequence[str], n: int) -> None:
    """One task of the made swarm, from its posting to its end."""
    candidates = rng.sample(agents, 3)
    category = f"category-{rng.randrange(40)}"
    task = facts(f"f-{n // 3}.{n}", f"work item {n} of the service", candidates, category, 100.0 if n % 2 else None)
    forecast, draft = eidos.forecast(task, float(n))
    agent, bids = candidates[0], {one: rng.uniform(60.0, 95.0) for one in candidates}
    made = eidos.forecast_award(task, agent, n + 0.2, draft)
    eidos.observe_award(task, forecast, Award(agent, float(n), n + 0.2, True, bids[agent], bids), draft)
    outcome = Outcome(rng.random() < 0.7, rng.lognormvariate(3.0, 0.5), rng.lognormvariate(0.0, 0.5))
    eidos.observe_outcome(task, made, outcome, n + 0.5)


def snapshots(state: State) -> dict[str, float]:
    """Milliseconds to make a snapshot and to restore it, and its size."""
    times, data = [], b""
    for _ in range(5):
        begun = time.perf_counter_ns()
        data = dump(state)
        load(data)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return {"snapshot_mib": round(len(data) / 2**20, 2), "snapshot_restore_ms": round(statistics.median(times), 1)}


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def in_a_new_process(tasks: int) -> dict[str, Any]:
    """`held`, where nothing else takes memory."""
    command = [sys.executable, __file__, "--held", str(tasks)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _p50(took: Sequence[float]) -> float:
    return round(statistics.median(took), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=120_000, help="of the made swarm; 1000000 takes ten minutes")
    parser.add_argument("--held", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    if options.held:
        print(json.dumps(held(options.held)))
        return
    found: dict[str, Any] = {"streams": {}}
    for name in STREAMS:
        path = DATA / f"{name}.jsonl.gz"
        if not path.exists():
            print(f"SKIPPED: no {path}; set SPARK_DATA", file=sys.stderr)
            continue
        found["streams"][name] = measured(replayed(path))
    found["held"] = in_a_new_process(options.tasks)
    print(json.dumps(found))
    if options.write:
        write(found)


def write(found: dict[str, Any]) -> None:
    """The tables and the diagram, into docs/."""
    page = ROOT / "docs" / "eidos.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{tables(found)}\n{END}{after}", "utf-8")
    curves = {name: one["reliability"] for name, one in found["streams"].items() if "reliability" in one}
    if curves:
        (ROOT / "docs" / "reliability.svg").write_text(diagram(curves), "utf-8")


if __name__ == "__main__":
    main()
