"""The fault matrix: what Spark survives, row by row, with the figure each row has to reach."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

FULL = os.environ.get("SPARK_FAULTS") == "full"
"""Whether the sizes are the stated ones; else a tenth of them."""

ROWS = {
    "F1": ("`kill -9` under load, 4 threads", "200 kills: 0 acknowledged lost, 0 twice, read models equal a rebuild"),
    "F2": ("power cut", "2,000 crash points with `power`: 0 acknowledged lost; with sync off some are"),
    "F3": ("8 processes, one store", "10,000 events each: 0 errors, 0 lost, counters exact, hook p99 unchanged"),
    "F4": ("slow disk, 10 ms a sync", "0 dropped, hook p99 unchanged"),
    "F5": ("hostile values", "1,000,000 events: 0 uncaught, good ones stored within 1 s; readers of garbage too"),
    "F6": ("random histories against a model", "10,000 steps: 0 violations, every planted mutant found"),
    "F7": ("redelivery and disorder", "each event up to 5 times, shuffled within its task: all as told once, in order"),
    "F8": ("disk full, later freed", "0 exceptions, worst send 50 ms, nothing acknowledged missing afterwards"),
    "F9": ("a sync fails now and then", "nothing acknowledged missing; the connection is opened again"),
    "F10": ("store locked by a stranger, 30 s", "hook p99 unchanged, stored 1 s after; no loop stalls above 50 ms"),
    "F11": ("store corrupt, 5 ways", "sender undisturbed 5 of 5; set aside, named, rebuilt as far as possible"),
    "F12": ("1,000,000 events, no store", "memory +64 MiB at most, disk bounded, every refusal counted by kind"),
    "F14": ("clock -2 h, +1 year, DST", "answers of a steady clock; expiry moves 24 h a step at most"),
    "F17": ("`kill -9` at each step of the drainer's transaction", "read models equal a rebuild, 0 twice"),
    "F19": ("Spark raising at each step; bad plugins", "0 exceptions in the coordinator, its results unchanged"),
    "F20": ("advice against the whole log", "1,000 histories: 0 wrong signs, every number within its stated interval"),
    "F21": ("fork while sending, with threads", "a journal each: 0 lost, 0 overwritten, no deadlock"),
    "S5": ("1,000 secrets, 20 kinds, 5 places", "recall .99 by look, .95 by name, at most .5% false, found nowhere"),
    "S6": ("forged or compromised reports, a tenth of all", "200 scenarios: advice about others flips in none"),
}  # fmt: skip
"""(fault, figure to reach at the stated size) by row."""


def size(stated: int) -> int:
    """The stated size with ``SPARK_FAULTS=full``, else a tenth of it."""
    return stated if FULL else max(1, stated // 10)


@dataclass
class Result:
    """What a row came to."""

    figures: list[str] = field(default_factory=list)
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    mutants: int = 0
    survived: int = 0
    seconds: float = 0.0
    tests: int = 0
    seeds: list[int] = field(default_factory=list)
    run: str = ""
    """Date and commit."""


def table(results: dict[str, Result]) -> str:
    """The matrix as a Markdown table."""
    return merged("", results)


def merged(old: str, results: dict[str, Result]) -> str:
    """The table `old` with its rows replaced by those of `results`."""
    lines = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("|")}
    lines.update((row, _line(row, result)) for row, result in results.items())
    head = ["| # | fault | to reach | reached | mutants caught | s | run |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *(lines[row] for row in ROWS if row in lines)]) + "\n"


def _line(row: str, result: Result) -> str:
    fault, figure = ROWS[row]
    return f"| {row} | {fault} | {figure} | {_reached(result)} | {_mutants(result)} | {result.run} |"


def _reached(result: Result) -> str:
    said = "; ".join(result.figures)
    if result.failed:
        return f"**MISSED** {said}".strip()
    return f"**SKIPPED** {said}".strip() if result.skipped and not result.passed else said or "yes"


def _mutants(result: Result) -> str:
    return f"{result.mutants - result.survived} of {result.mutants} | {result.seconds:.0f}"
