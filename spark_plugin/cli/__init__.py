"""The command line: ``spark`` and ``python -m spark_plugin`` are the same."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 bad usage or bad input."""
    from spark_plugin.cli.app import run

    sys.exit(run(sys.argv[1:]))
