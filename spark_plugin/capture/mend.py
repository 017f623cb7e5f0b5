"""Mending a damaged store: what can be read goes back into the journal, the file goes aside, a new store begins.

What was read lies in the journal as if a process had died before it was stored, so that a crash in the middle of
mending loses nothing: whoever starts next drains it, and finds duplicates by source and id.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spark_plugin import codec
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.record import encode
from spark_plugin.errors import BadLine
from spark_plugin.store.damage import is_damaged, readable_events, set_aside

log = logging.getLogger("spark.capture")

FIRST_NAME = "0"
"""Begins the name of a set of salvaged events: it sorts before all others, so that what is oldest is stored first."""


def mend(path: Path, directory: Path) -> Path | None:
    """Set a damaged store aside, with what can be read of it back in the journal; return where it lies now.

    None when it is not damaged (any more): another process may have been quicker. Raises `OSError`.
    """
    with _alone(directory):
        if not path.exists() or not is_damaged(path):
            return None
        saved = _salvage(path, directory)
        aside = set_aside(path)
    log.error("the store %s is damaged; it lies now at %s, and %d of its events are stored anew", path, aside, saved)
    return aside


def _salvage(path: Path, directory: Path) -> int:
    journal = Journal(directory, name_prefix=FIRST_NAME)
    saved = 0
    for line in readable_events(path):
        try:
            journal.append(encode(codec.restored(line)))
            saved += 1
        except (BadLine, ValueError):
            log.warning("an event of the damaged store cannot be read and is left there")
    journal.close(drained=saved == 0)
    return saved


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process mends at a time."""
    descriptor = os.open(directory / "mending", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
