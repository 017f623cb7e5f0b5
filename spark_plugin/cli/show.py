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
    from spark_plugin import demo as live

    with live.progress_bar() as progress:
        result = live.run(seed, progress)
    if as_json:
        print_json(live.as_json(result))
    else:
        live.render(result, console())
