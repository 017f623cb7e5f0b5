"""Capture, measured: what senders pay, how fast events are stored, what a large store costs. One line of JSON.

usage: capture.py [--part hook_path,wake_ups,ingest,end_to_end,scale] [--events N] [--rounds N] [--rows N]
                  [--largest N] [--slow-us N]

All that is compared is measured in one run, in turns, because machines are noisy: look at the ratios. `--slow-us`
makes the projection work so much longer per event, and measures the hook path in thread mode beside it. The part
`scale` grows a store to 10,000,000 events, which takes minutes and some 10 GB of disk; `--largest` stops it earlier.
The real streams are looked for in `SPARK_DATA`; where they are absent that part is skipped, loudly.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from hook_path import hook_path, slowed, wake_ups
from lives import DATA
from scale import scale
from throughput import end_to_end, ingest

STREAMS = ("tsuchiura_procurement", "gastown_swarm", "swebench_verified_submissions")
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def main() -> None:
    """Measure, and print."""
    options = _options()
    if options.slow_us:
        slowed(options.slow_us)
        found = hook_path(options.events, options.rounds, workers=("thread",))
        print(json.dumps({"slow_us": options.slow_us, "hook_path": found}))
        return
    parts: dict[str, Callable[[], Any]] = {
        "hook_path": lambda: hook_path(options.events, options.rounds),
        "wake_ups": lambda: wake_ups(options.events // 4, options.rounds),
        "ingest": lambda: ingest(options.rows, 1000),
        "end_to_end": lambda: _streams(options.rounds),
        "scale": lambda: scale([size for size in SIZES if size <= options.largest]),
    }
    wanted = options.part.split(",") if options.part else list(parts)
    if unknown := set(wanted) - set(parts):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    print(json.dumps({name: parts[name]() for name in wanted}))


def _streams(rounds: int) -> dict[str, Any]:
    found = {}
    for name in STREAMS:
        path = DATA / f"{name}.jsonl.gz"
        if path.exists():
            found[name] = end_to_end(path, rounds)
        else:
            print(f"SKIPPED: no {path}; set SPARK_DATA", file=sys.stderr)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--part", default="")
    parser.add_argument("--events", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--slow-us", type=float, default=0.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
