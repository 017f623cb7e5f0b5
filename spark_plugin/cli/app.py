"""The commands put together, and every error turned into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from spark_hooks import SparkError
from spark_plugin.cli import advice, ask, export, read, replay, show, upkeep
from spark_plugin.cli.common import BadInput, note
from spark_plugin.errors import SettingsError

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def build() -> typer.Typer:
    """The application, with every command in the order of the help."""
    app = typer.Typer(
        name="spark",
        help="The learning layer for swarms of agents: it hears, predicts, grades itself, and advises.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for command in (
        show.demo,
        replay.replay,
        read.status,
        read.timeline,
        read.predictions,
        read.memories,
        advice.advise,
        advice.ack,
        advice.dismiss,
        advice.follow,
        ask.predict,
        ask.recommend,
        export.export,
        upkeep.worker,
        upkeep.doctor,
        upkeep.config,
    ):
        app.command()(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    try:
        code = build()(list(arguments) or ["--help"], prog_name="spark", standalone_mode=False)
        sys.stdout.flush()
    except (BadInput, SettingsError) as error:
        return _failed(error, BAD_USAGE)
    except SparkError as error:
        return _failed(error, FAILED)
    except BrokenPipeError:  # whoever read us has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        explain = getattr(error, "format_message", None)  # the command-line parser's own errors
        if explain is None:
            raise
        return _failed(f"{str(explain()).rstrip('.')}; see `spark --help`", BAD_USAGE)
    if code == INTERRUPTED:  # the parser turns the interrupt into a code of its own
        return _failed("interrupted; what was taken in is kept, and doing it again goes on from there", INTERRUPTED)
    return code if isinstance(code, int) else DONE


def _failed(error: object, code: int) -> int:
    note(" ".join(str(error).split()))
    return code
