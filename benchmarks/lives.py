"""Whole task lives as signals, and times as quantiles: what the benchmarks have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("SPARK_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""The folder with the real streams."""

LIFE = 6
"""Signals in a life."""


def lives(n: int, *, agents: int = 8, first: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """About `n` signals: each task is posted with eight candidates, bid for three times, awarded, and ends.

    One agent in ten fails at most of its tasks, the others now and then.
    """
    for i in range(first, first + n // LIFE):
        candidates = [f"agent-{(i * 7 + k) % agents}" for k in range(8)]
        task, winner = f"task-{i}", candidates[i % 8]
        data = {"description": "Fix the login bug", "candidates": candidates, "reserve": 100.0}
        yield "task_posted", {"task_id": task, "category": f"category-{i % 20}", **data}
        for k in range(3):
            yield "bid_submitted", {"task_id": task, "agent_id": candidates[(i + k) % 8], "bid": 40.0 + k}
        yield "task_assigned", {"task_id": task, "agent_id": winner, "bid": 40.0}
        bad = int(winner.removeprefix("agent-")) % 10 == 0
        done = "task_failed" if (i % 13 > 2 if bad else i % 13 == 0) else "task_completed"
        yield done, {"task_id": task, "agent_id": winner, "duration_s": 3.0}


def quantiles(took: Sequence[float]) -> dict[str, float]:
    """Median, tail and worst, in the unit of the input."""
    ordered = sorted(took)
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    found = {name: ordered[min(len(ordered) - 1, int(len(ordered) * q))] for name, q in at.items()}
    return {name: round(value, 2) for name, value in {**found, "max": ordered[-1]}.items()}


def ratios(found: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """`found` in units of `base`."""
    return {name: round(found[name] / base[name], 2) for name in found}
