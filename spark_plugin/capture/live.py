"""Journals of living processes that leave the draining to a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from spark_plugin.capture.counts import Drained
from spark_plugin.capture.journal import DURABLE, FOR_A_WORKER, terms_of
from spark_plugin.capture.segment import FIRST, ForeignSegment, NotReady


class LiveSet:
    """The set of another process, read while that writes. Its owner takes the files off the disk, not we."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self._directory = directory
        self.durable = DURABLE in terms_of(directory, name)
        """Whether its owner was promised that its events outlast a power cut."""
        self._segments: deque[ForeignSegment] = deque()
        self._newest = ""

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """Up to `limit` of the oldest records that are not stored, and where they end, for `release`."""
        self._look()
        while self._segments:
            segment, *others = self._segments
            complete = any(other.end > FIRST for other in others)
            segment.look()  # after seeing that a later one has begun: nothing comes behind what is seen now
            records = list(islice(segment.records(segment.released, segment.end), limit))
            if records or not complete:
                return [payload for payload, _ in records], records[-1][1] if records else segment.released
            self._segments.popleft().close()
        return [], FIRST

    def release(self, end: int, drained: Drained) -> None:
        """The records up to `end` are stored: note it for the owner, and wipe them."""
        segment = self._segments[0]
        segment.release(segment.released, end, drained, durable=self.durable)

    def close(self) -> None:
        """Let go of the files."""
        for segment in self._segments:
            segment.close()
        self._segments.clear()

    def _look(self) -> None:
        """Take in the segments that are new, and what is new in them."""
        for path in sorted(self._directory.glob(f"{self.name}.*.seg")):
            if path.name > self._newest:
                try:
                    self._segments.append(ForeignSegment(path))
                except NotReady:
                    break
                self._newest = path.name
        for segment in self._segments:
            segment.look()


def sets_for_a_worker(directory: Path) -> Iterator[str]:
    """Names of the sets that their owners, dead or alive, leave to a worker."""
    for path in sorted(directory.glob("*.lock")):
        with suppress(OSError):
            if FOR_A_WORKER in terms_of(directory, path.stem):
                yield path.stem
