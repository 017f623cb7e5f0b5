"""``spark demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from spark_plugin.cli.common import JsonOption, console, print_json


def demo(
    seed: Annotated[int, typer.Option("--seed", help="Fixes the tasks.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """A live swarm doing real work on this machine, without and with advice."""
    from spark_plugin.demo import arms, report

    with report.progress_bar() as progress:
        result = arms.run(seed, progress)
    if as_json:
        print_json(report.as_json(result))
    else:
        report.render(result, console())
