"""What `eidos.py` measured, as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def tables(found: dict[str, Any]) -> str:
    """All of them, with a line between."""
    parts = [success(found["streams"]), choices(found["streams"]), costs(found)]
    return "\n\n".join(part for part in parts if part)


def success(streams: dict[str, Any]) -> str:
    """A row per forecaster, three columns per stream."""
    with_it = {name: one["success"] for name, one in streams.items() if "success" in one}
    if not with_it:
        return ""
    head = ["forecaster of success"]
    for name in with_it:
        head += [f"{name}: log loss, all", "last quarter", "ECE (p99 by chance)"]
    rows = []
    for peer in next(iter(with_it.values())):
        row = [f"**{peer}**" if peer == "Spark" else peer]
        for scores in with_it.values():
            one = scores[peer]
            row += [f"{one['log_loss']:.3f}", f"{one['last_quarter']:.3f}"]
            row.append(f"{one['ece']:.3f} ({one['ece_fair_p99']:.3f})")
        rows.append(row)
    return table(head, rows)


def choices(streams: dict[str, Any]) -> str:
    """Who gets a task, and for what."""
    rows = []
    for name, one in streams.items():
        if "winner" in one:
            told = one["winner"]
            plain = f"by lot {told['by_lot_top1']:.3f}, best record {told['best_record_top1']:.3f}"
            rows.append([name, "winner: the likeliest was chosen", f"{told['top1']:.3f}", plain])
            uniform = f"uniform {told['uniform_log_loss']:.3f}"
            rows.append([name, "winner: log loss", f"{told['log_loss']:.3f}", uniform])
        if "bid" in one:
            told = one["bid"]
            quarters = ", ".join(f"{share:.3f}" for share in told["coverage_by_quarter"])
            rows.append(
                [name, "80% interval of the bid: coverage", f"{told['coverage']:.3f}", f"by quarter {quarters}"]
            )
            rows.append([name, "its width, in parts of the reserve", f"{told['width']:.3f}", ""])
    return table(["stream", "choice and price", "Spark", "beside"], rows) if rows else ""


def costs(found: dict[str, Any]) -> str:
    """What it takes."""
    rows = [
        [f"{what}, {name}", f"{took:.0f} µs"]
        for name, one in found["streams"].items()
        for what, took in one["microseconds_p50"].items()
    ]
    held = found["held"]
    rows += [
        ["forecast a task with 50 candidates, 10,000 agents known", f"{held['forecast_50_candidates_us_p50']:.0f} µs"],
        ["snapshot and restore the models", f"{held['snapshot_restore_ms']:.0f} ms"],
        [
            f"size of the snapshot after {held['tasks']:,} tasks of 10,000 agents (after half of them)",
            f"{held['snapshot_mib']:.1f} MiB ({held['snapshot_mib_halfway']:.1f})",
        ],
        ["memory that the process grew by", f"{held['resident_growth_mib']:.0f} MiB"],
    ]
    return table(["what it takes (median)", ""], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
