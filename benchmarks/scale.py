"""What a large store costs: answers and memory as the log grows."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from lives import LIFE, lives

from spark_hooks import signals
from spark_plugin import Settings, Spark, register

AGENTS = 500
AT_ONCE = 60_000
ASKED = 51


class Swarm:
    """A coordinator."""


def scale(sizes: list[int]) -> dict[str, Any]:
    """Latencies of answers in milliseconds, and the memory of the process in MiB, at each size of one growing store."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=f"sqlite:///{folder}/spark.db")
        swarm, sent = Swarm(), 0
        before = resident()
        with register(swarm, settings=settings) as spark:
            for size in sizes:
                started = time.perf_counter()
                while sent < size:
                    n = min(AT_ONCE, size - sent)
                    for name, data in lives(n, agents=AGENTS, first=sent // LIFE):
                        signals.SIGNALS[name].send(swarm, **data)
                    sent += n // LIFE * LIFE
                    assert spark.flush(600), spark.trouble
                    if n < LIFE:
                        break
                seconds = time.perf_counter() - started
                gc.collect()
                found[f"{size:,}"] = {
                    "events": spark.events.count(),
                    "ingest_s": round(seconds, 1),
                    "resident_mib": round(resident()),
                    "resident_over_import_mib": round(resident() - before),
                    "store_mib": round(Path(folder, "spark.db").stat().st_size / 2**20),
                    **answers(spark, settings),
                }
    first, last = (found[f"{size:,}"] for size in (sizes[0], sizes[-1]))
    found["last_to_first"] = {
        name: round(last[name] / first[name], 2) for name in first if name.endswith("_ms") and first[name]
    }
    return found


def answers(spark: Spark, settings: Settings) -> dict[str, float]:
    """Medians, in milliseconds: asked of a live Spark, and of a store opened for one question as the commands do."""

    def opened(question: Callable[[Spark], object]) -> Callable[[], object]:
        def ask() -> object:
            with Spark.open(settings=settings) as reader:
                return question(reader)

        return ask

    questions: dict[str, Callable[[], object]] = {
        "timeline_50_ms": opened(lambda reader: reader.events.timeline(limit=50)),
        "advise_ms": opened(lambda reader: reader.advisories.live(50)),
        "live_timeline_50_ms": lambda: spark.events.timeline(limit=50),
        "live_advisories_ms": lambda: spark.hooks.advisories(limit=10),
        "live_recommend_ms": lambda: spark.hooks.recommend("task-1"),
        "live_predict_ms": lambda: spark.hooks.predict("task-1"),
        "status_ms": spark.status,
    }
    return {name: _median_ms(question) for name, question in questions.items()}


def resident() -> float:
    """Resident memory of this process in MiB, mapped journal pages included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _median_ms(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(ASKED):
        started = time.perf_counter()
        ask()
        took.append((time.perf_counter() - started) * 1000)
    return round(median(took), 3)
