"""``spark replay``: recorded event streams through the hooks."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spark_hooks.events import Event, changed
from spark_hooks.signals import SIGNALS, custom
from spark_plugin import codec
from spark_plugin.capture import Ingested
from spark_plugin.cli.common import BadInput, JsonOption, StoreOption, console, note, print_json, settings_for, table
from spark_plugin.cli.read import verdict
from spark_plugin.errors import BadLine, StoreUnavailable
from spark_plugin.plugin import Spark, register
from spark_plugin.store import open_store

AHEAD_LINES = 4000
AHEAD_BYTES = 4 << 20
"""What is read before the store must have caught up: the journal never comes near its bound."""
TRIES = 8
MAX_LINE = 64 << 20
GZIP_MAGIC = b"\x1f\x8b"

Tell = Callable[[], int]
Advance = Callable[[int], None]


class Replay:
    """The sender of a replay, and how many lines it refused."""

    def __init__(self) -> None:
        self.rejected = 0
        self._time = 0.0

    def send(self, event: Event) -> None:
        """Signal one event; without a time of its own it has that of the one before.

        Raises `BadLine` when it could not be kept.
        """
        if event.time is None:
            event = changed(event, time=self._time)
        self._time = event.time or 0.0
        for _, receipt in SIGNALS.get(event.type, custom).send(self, event=event):
            if receipt is not None and receipt.state != "journaled":
                raise BadLine(f"could not be kept: {receipt.reason}")


def replay(
    files: Annotated[list[str], typer.Argument(help="Event streams: .jsonl, .jsonl.gz, or - for standard input.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recorded event streams through the hooks; ends with a summary."""
    started = time.perf_counter()
    settings = settings_for(store)
    for name in files:
        if name != "-" and not Path(name).is_file():
            what = "is a directory" if Path(name).is_dir() else "no such file"
            raise BadInput(f"{name}: {what}; give a .jsonl or .jsonl.gz file, or - for standard input")
    if settings.enabled:
        open_store(settings.store).close()  # a store that cannot serve is said before anything is read
    else:
        note("SPARK_ENABLED is off: nothing is captured")
    sender = Replay()
    broken: BadInput | None = None
    with register(sender, settings=settings) as spark:
        spark.flush()  # what dead processes left is not this stream's
        before = spark.ingested
        try:
            for name in files:
                _stream(name, sender, spark)
        except BadInput as error:
            broken = error
        _caught_up(spark)
        summary = _summary(spark, sender, before, started)
    if as_json:
        print_json(summary)
    else:
        _show(summary, settings.store)
    if broken is not None:
        raise broken
    if summary["rejected"] == summary["events"] > 0:
        raise BadInput(f"{', '.join(files)}: not one line is an event; each was named above with its reason")


def _stream(name: str, sender: Replay, spark: Spark) -> None:
    ahead = 0
    with _opened(name) as (lines, tell, size), _bar(name, size) as advance:
        for number, line in enumerate(_lines(lines, name), start=1):
            ahead += len(line)
            if number % AHEAD_LINES == 0 or ahead > AHEAD_BYTES:
                _caught_up(spark)
                advance(tell())
                ahead = 0
            if not line.strip():
                continue
            try:
                if len(line) > MAX_LINE:
                    raise BadLine(f"is longer than {MAX_LINE} bytes")
                sender.send(codec.decode(line))
            except BadLine as error:
                sender.rejected += 1
                spark.count_rejected(str(error))
                print(f"{name}:{number}: {error}", file=sys.stderr)


def _caught_up(spark: Spark) -> None:
    """Wait for the store; one that is only busy is given several chances."""
    if not any(spark.flush() for _ in range(TRIES)):
        raise StoreUnavailable(spark.settings.store, spark.trouble or "does not take events")


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines of a stream; one that breaks off in the middle is said, and what came before it is kept."""
    try:
        while line := stream.readline(MAX_LINE + 1):
            while not line.endswith(b"\n") and (more := stream.readline(MAX_LINE)):
                line = line[: MAX_LINE + 1] + (
                    b"\n" if more.endswith(b"\n") else b""
                )  # too long: its rest is passed over
            yield line
    except (OSError, EOFError) as error:
        raise BadInput(f"{name}: cannot be read to its end: {error}; what came before is stored") from error


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, Tell, int]]:
    if name == "-":
        yield sys.stdin.buffer, lambda: 0, 0
        return
    path = Path(name)
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        size = path.stat().st_size
        if packed:
            with gzip.open(raw) as unpacked:
                yield cast(BinaryIO, unpacked), raw.tell, size
        else:
            yield raw, raw.tell, size


@contextmanager
def _bar(name: str, size: int) -> Iterator[Advance]:
    """A progress bar on a terminal's stderr; elsewhere nothing."""
    out = Console(stderr=True)
    if not out.is_terminal or not size:
        yield lambda done: None
        return
    percent = TextColumn("{task.percentage:>3.0f}%")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), percent, TimeRemainingColumn(), console=out, transient=True
    ) as progress:
        bar = progress.add_task(Path(name).name, total=size)

        def advance(done: int) -> None:
            progress.update(bar, completed=done)

        yield advance


def _summary(spark: Spark, sender: Replay, before: Ingested, started: float) -> dict[str, Any]:
    known, done = spark.status(), spark.ingested
    stored, duplicates = done.stored - before.stored, done.duplicates - before.duplicates
    rejected = sender.rejected + done.dead_letters - before.dead_letters
    return {
        "events": stored + duplicates + rejected,
        "ingested": stored,
        "duplicates": duplicates,
        "rejected": rejected,
        "seconds": round(time.perf_counter() - started, 3),
        "predictions": known["predictions"],
        "advisories": known["advisories"],
    }


def _show(summary: dict[str, Any], url: str) -> None:
    rows = table("Replayed", "what", "how many#")
    for name in ("events", "ingested", "duplicates", "rejected"):
        rows.add_row(name, f"{summary[name]:,}")
    rows.add_row("seconds", f"{summary['seconds']:.2f}")
    rows.add_row("live advisories", f"{summary['advisories']:,}")
    out = console()
    out.print(rows)
    out.print(verdict(summary["predictions"]))
    out.print(f"Look further: spark advise --store {url}", soft_wrap=True)
