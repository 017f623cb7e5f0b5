"""Mending a damaged store: what can be read goes back into the journal, the file goes aside, a new store begins.

What was read lies in the journal as if a process had died before it was stored, so that a crash in the middle of
mending loses nothing: whoever starts next drains it, and finds duplicates by source and id.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spark_plugin import codec, forks
from spark_plugin.capture.journal import Journal, JournalFull
from spark_plugin.capture.record import encode
from spark_plugin.errors import BadLine
from spark_plugin.store.damage import fenced, is_damaged, readable_events, set_aside

log = logging.getLogger("spark.capture")

FIRST_NAME = "0"
"""Begins the name of a set of salvaged events: it sorts before all others, so that what is oldest is stored first."""


def mend(path: Path, directory: Path) -> Path | None:
    """Set a damaged store aside, with what can be read of it back in the journal; return where it lies now.

    None when it is not damaged (any more): another process may have been quicker. Raises `OSError`.
    """
    with _alone(directory), forks.in_use(), fenced(path):
        if not path.exists() or not is_damaged(path):
            return None
        saved = _salvage(path, directory)
        aside = set_aside(path)
    log.error("the store %s is damaged; it lies now at %s, and %d of its events are stored anew", path, aside, saved)
    return aside


def _salvage(path: Path, directory: Path) -> int:
    sets = (Journal(directory, name_prefix=f"{FIRST_NAME}{n:06d}") for n in itertools.count())
    journal, saved = next(sets), 0
    for line in readable_events(path):
        try:
            record = encode(codec.restored(line))
        except (BadLine, ValueError):
            log.warning("an event of the damaged store cannot be read and is left there")
            continue
        try:
            journal.append(record)
        except JournalFull:
            journal.close(drained=False)
            journal = next(sets)
            journal.append(record)
        saved += 1
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
