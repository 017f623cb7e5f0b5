"""The main job, measured: replay of real streams, and the cost of advice on a large store. Prints one line of JSON.

usage: main_job.py [--rounds 5] [--events 1000000]

`SPARK_DATA` names the folder with the real streams (by default ../shared/data beside the checkout); where it is absent,
that part is skipped, loudly. Times are medians; advice is timed inside the process, start-up aside.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from spark_hooks import signals
from spark_plugin import Settings, Spark, register

DATA = Path(os.environ.get("SPARK_DATA", Path(__file__).parents[2] / "shared" / "data"))
STREAMS = ("gastown_swarm", "swebench_verified_submissions", "tsuchiura_procurement")


def replayed(stream: Path, rounds: int) -> dict[str, float]:
    """Events per second of `spark replay`, whole pipeline, by its own clock."""
    rates = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "spark_plugin", "replay", str(stream), "--json"]
            command += ["--store", f"sqlite:///{folder}/spark.db"]
            summary = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        rates.append(summary["events"] / summary["seconds"])
    return {"events_per_s": round(statistics.median(rates)), "skill": summary["predictions"]["skill"]}


def swarm(events: int) -> Iterator[tuple[str, dict[str, object]]]:
    """A made stream: 500 agents of different skill, 40 categories."""
    rng = random.Random(1)
    skill = {f"agent-{n:03d}": rng.betavariate(4, 2) for n in range(500)}
    names = sorted(skill)
    for n in range(events // 6):
        candidates = rng.sample(names, 3)
        task, winner = f"task-{n}", candidates[0]
        category = f"category-{rng.randrange(40)}"
        yield (
            "task_posted",
            {
                "task_id": task,
                "description": f"work item {n}",
                "category": category,
                "candidates": candidates,
            },
        )
        for agent in candidates:
            yield "bid_submitted", {"task_id": task, "agent_id": agent, "bid": rng.uniform(10, 20)}
        yield "task_assigned", {"task_id": task, "agent_id": winner}
        done = "task_completed" if rng.random() < skill[winner] else "task_failed"
        yield done, {"task_id": task, "agent_id": winner}


def advice(events: int, rounds: int) -> dict[str, float]:
    """Milliseconds to answer on a store of `events` events, and what it took to fill it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/spark.db")
        coordinator = argparse.Namespace()
        started = time.perf_counter()
        with register(coordinator, settings=settings) as spark:
            for n, (name, data) in enumerate(swarm(events)):
                signals.SIGNALS[name].send(coordinator, time=1.7e9 + n, **data)
                if n % 4000 == 0:
                    spark.flush()
            spark.flush()
            filled = time.perf_counter() - started
            live = milliseconds(lambda: spark.hooks.advisories(limit=10), rounds)
        return {
            "events": events,
            "fill_events_per_s": round(events / filled),
            "live_hook_ms": live,
            "advise_ms": milliseconds(lambda: read(settings), rounds),
            "timeline_ms": milliseconds(lambda: timeline(settings), rounds),
            "advisories": len(read(settings)),
        }


def read(settings: Settings) -> list[object]:
    """What `spark advise` does, from opening the store on."""
    with Spark.open(settings=settings) as spark:
        return list(spark.advisories.live(10))


def timeline(settings: Settings) -> int:
    """What `spark timeline --limit 50` does, from opening the store on."""
    with Spark.open(settings=settings) as spark:
        return len(spark.events.timeline(limit=50))


def milliseconds(work: object, rounds: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 3)


def importing(rounds: int) -> float:
    """Milliseconds of `import spark_plugin` in a fresh interpreter."""
    code = "import time; t = time.perf_counter(); import spark_plugin; print((time.perf_counter() - t) * 1000)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(rounds)]
    return round(statistics.median(float(run.stdout) for run in runs), 2)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    found: dict[str, object] = {"import_ms": importing(options.rounds)}
    for name in STREAMS:
        stream = DATA / f"{name}.jsonl.gz"
        if stream.exists():
            found[name] = replayed(stream, options.rounds)
        else:
            print(f"SKIPPED: no {stream}; set SPARK_DATA", file=sys.stderr)
    found["advice"] = advice(options.events, options.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
