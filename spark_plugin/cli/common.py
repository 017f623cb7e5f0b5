"""What the commands share: options, the settings behind them, and how answers are printed."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from spark_hooks import SparkError, fields
from spark_plugin import settings as settings_module
from spark_plugin.plugin import Spark
from spark_plugin.settings import Settings

StoreOption = Annotated[str | None, typer.Option("--store", help="URL of the store, instead of SPARK_STORE.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="Show at most this many rows.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only rows of this type.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Only rows of this agent.")]
TaskOption = Annotated[str | None, typer.Option("--task", help="Only rows of this task.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Only since a time (RFC 3339), or 90m, 24h, 7d ago.")]

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_json = msgspec.json.Encoder(order=None)


class BadInput(SparkError):
    """What the user gave cannot be used; the text says what, where and what to do. Exit code 2."""


def settings_for(store: str | None) -> Settings:
    """The settings in force, with `store` in place of theirs."""
    settings = settings_module.load()
    return msgspec.structs.replace(settings, store=store) if store else settings


def reading(store: str | None) -> Spark:
    """The read side of the store that was asked for. Says so when there is nothing there yet."""
    settings = settings_for(store)
    spark = Spark.open(settings=settings)
    if not spark.exists:
        note(f"no store at {settings.store} yet; `spark replay FILE` or a registered coordinator makes one")
    return spark


def moment(text: str | None) -> float | None:
    """A point in time from the command line, in seconds since 1970."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return time.time() - float(ago[1]) * _SECONDS[ago[2]]
    try:
        return fields.moment(text)
    except fields.Refused as refusal:
        raise BadInput(f"--since {text!r} {refusal}, or a while ago such as 24h") from None


def print_json(document: Any) -> None:
    """One document on one line."""
    sys.stdout.buffer.write(_json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


def print_json_lines(documents: Iterable[Any]) -> None:
    """A document a line."""
    write = sys.stdout.buffer.write
    for document in documents:
        write(_json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


def console() -> Console:
    """Where people read; nothing of what agents wrote is taken for markup."""
    return Console(markup=False, highlight=False, emoji=False)


def table(title: str, *columns: str) -> Table:
    """A table whose cells wrap instead of being cut; columns that end in ``#`` are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column.rstrip("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
    return made


def note(text: str) -> None:
    """One line for people, beside the answer."""
    print(f"spark: {text}", file=sys.stderr)


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; a dash where nothing was measured."""
    return "-" if value is None else f"{value:.{digits}f}"
