"""The state as another process left it: for answers where the projection works elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from spark_plugin.projection.state import SNAPSHOT_VERSION, State, load
from spark_plugin.store import Reader

log = logging.getLogger("spark.projection")

REFRESH_S = 1.0

T = TypeVar("T")


class Replica:
    """The last snapshot of a store, read again at most once a second, and only when somebody asks.

    It may be behind the store, and never catches up by itself: the projector's work is done once, by the projector.
    """

    current = False

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self._reader = reader
        self._state = State()
        self._data: bytes | None = None
        self._next = 0.0

    def ask(self, question: Callable[[State], T]) -> T | None:
        """The answer to a question about the state. Raises `StoreError`."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REFRESH_S  # first: whoever else asks meanwhile makes do with what is there
            self._refresh()
        return question(self._state)

    def _refresh(self) -> None:
        data = self._reader().snapshot(SNAPSHOT_VERSION)
        if data is None or data == self._data:
            return
        self._data = data  # also when it cannot be read: to try it once is enough
        try:
            self._state = load(data)
        except msgspec.MsgspecError as error:
            log.warning("the snapshot cannot be read, answers come from the one before: %s", error)
