"""``spark export``: the log as CloudEvents JSON Lines, in the order of the positions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from spark_plugin.cli.common import BadInput, StoreOption, note, reading

OutputOption = Annotated[Path | None, typer.Option("--output", help="Write to this file instead of standard output.")]
AfterOption = Annotated[int, typer.Option("--after", min=0, help="Begin behind this position.")]


def export(output: OutputOption = None, after: AfterOption = 0, store: StoreOption = None) -> None:
    """The events as CloudEvents JSON Lines; `spark replay` reads them back. Ends by saying where to go on from."""
    with reading(store) as spark:
        if after > (newest := spark.events.count()):
            reason = "was it set aside and begun anew? see `spark doctor`"
            raise BadInput(f"--after {after}: the store ends at position {newest}; {reason}")
        if output is None:
            last = _written(spark.events.export(after=after), sys.stdout.buffer, after)
        else:
            try:
                with output.open("wb") as file:
                    last = _written(spark.events.export(after=after), file, after)
            except OSError as error:
                raise BadInput(
                    f"--output {output}: {error.strerror or error}; name a file that can be written"
                ) from error
    note(f"exported up to position {last}; go on with --after {last}")


def _written(lines: Iterator[tuple[int, bytes]], file: BinaryIO, last: int) -> int:
    for position, line in lines:
        file.write(line + b"\n")
        last = position
    file.flush()
    return last
