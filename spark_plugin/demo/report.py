"""What a person sees of a demo, and what a program gets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from spark_plugin.demo.records import ArmResult, DemoResult

_LABELS: Mapping[str, str] = {
    "without": "without advice",
    "with": "with Spark's advice",
    "shuffled": "with shuffled advice",
}


def as_json(result: DemoResult) -> dict[str, object]:
    """The result for ``--json``: plain values only."""
    plain: dict[str, object] = {"seed": result.seed}
    plain |= {name: msgspec.to_builtins(arm) for name, arm in result.arms.items()}
    return plain | {
        "predictions": dict(result.predictions),
        "advisories": msgspec.to_builtins(result.advisories),
        "calibration": msgspec.to_builtins(result.calibration),
        "store": result.store,
        "seconds": result.seconds,
    }


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A function to be told (tasks done, tasks in all), which shows a bar on stderr where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        line = bar.add_task("looking for files", total=None)

        def show(done: int, total: int) -> None:
            bar.update(line, description="tasks in three arms", completed=done, total=total)

        yield show


def render(result: DemoResult, console: Console) -> None:
    """The result in tables and words."""
    tasks = result.arms["with"].tasks
    console.print(f"{tasks} tasks, each done once in each of three swarms of real compressors (seed {result.seed}).")
    console.print(_arms(result.arms))
    console.print(_verdict(result.arms), highlight=False)
    console.print(_categories(result.arms))
    console.print(_forecasts(result))
    _print_advisories(result, console)
    _print_further(result, console)


def _arms(arms: Mapping[str, ArmResult]) -> Table:
    table = _table("Success and cost, measured", "", "success", "second half", "ms per task", "ms per success")
    for name, arm in arms.items():
        per_success = f"{arm.cost / arm.success:.1f}" if arm.success else "-"
        table.add_row(_LABELS[name], f"{arm.success:.0%}", f"{arm.late_success:.0%}", f"{arm.cost:.1f}", per_success)
    return table


def _table(title: str, label: str, *figures: str) -> Table:
    """A table with one column of words and the others of figures."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column(label)
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _verdict(arms: Mapping[str, ArmResult]) -> str:
    advised, control = (100 * (arms[name].success - arms["without"].success) for name in ("with", "shuffled"))
    return (
        "The lowest bid wins: without advice among all, with it among those recommended.\n"
        f"Spark's advice changed the success rate by {advised:+.0f} points; the same advice about the wrong agents, "
        f"by {control:+.0f}.\n"
    )


def _categories(arms: Mapping[str, ArmResult]) -> Table:
    table = _table("Success by category of file", "", *(_LABELS[name] for name in arms))
    for category in arms["with"].by_category:
        table.add_row(category, *(f"{arm.by_category[category]:.0%}" for arm in arms.values()))
    return table


def _forecasts(result: DemoResult) -> Table:
    found = result.predictions
    table = _table("What Spark forecast, and what happened", "forecast", "attempts", "mean forecast", "succeeded")
    for row in result.calibration:
        span = f"{row.low:.0%} to {row.high:.0%}"
        table.add_row(span, str(row.attempts), f"{row.forecast:.0%}", f"{row.happened:.0%}")
    table.caption = (
        f"{found.get('evaluated')} forecasts scored: log loss {_figure(found.get('log_loss'))}, "
        f"always saying the base rate {_figure(found.get('base_rate_log_loss'))}, skill {_figure(found.get('skill'))}"
    )
    return table


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "not measured"


def _print_advisories(result: DemoResult, console: Console) -> None:
    """Titles come from what the swarm said, so they are printed as they are, never as markup."""
    console.print("Its advice now, most valuable first:" if result.advisories else "It has no advice to give yet.")
    for advisory in result.advisories:
        console.print(Text(f"  {advisory.title}", style="bold"))
        console.print(Text(f"    {advisory.detail} {advisory.suggested_action}"))


def _print_further(result: DemoResult, console: Console) -> None:
    console.print("\nThe store is kept. Look further:")
    for command in ("timeline", "predictions", "advise", "status"):
        console.print(Text(f"  spark {command} --store {result.store}"), soft_wrap=True)
