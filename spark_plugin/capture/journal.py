"""The journal: where an event is safe the moment `send` returns, until the store has it.

One set of files per process (and per coordinator in it), in a directory beside the store: ``<name>.lock`` and
``<name>.<number>.seg``. Whoever holds the lock owns the set; see `spark_plugin.capture.dead`. Who drains it while its
owner lives is written in the lock file: nobody else, or a worker; see `spark_plugin.capture.live`.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from spark_plugin.capture.counts import UNTOUCHED, Drained
from spark_plugin.capture.segment import FIRST, Make, MappedFile, Segment

SEGMENT_BYTES = 8 << 20
MAX_RECORD = SEGMENT_BYTES // 2
MIN_SEGMENTS = 2
"""One to write to and one to read from: a journal cannot be smaller."""
BLOCK_S = 0.05
NO_ROOM_S = 1.0
"""How long a disk without room for a segment is left alone: to find that out takes milliseconds, in a sender's way."""
FOR_A_WORKER, DURABLE = "worker", "power"
"""What the lock file of a set may say: that a worker drains it; that what it holds must outlast a power cut."""


class RecordTooLarge(ValueError):
    """A record is longer than half a segment."""


class JournalSealed(ValueError):
    """The journal takes no more records; the text says so."""

    def __init__(self) -> None:
        super().__init__("closed")


class JournalFull(ValueError):
    """The journal has reached its bound, and the store takes nothing."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the journal has reached its bound of {max_bytes} bytes")


class JournalTerms(NamedTuple):
    """What a journal promises.

    It takes up to `max_bytes` of disk (two segments at least); when they are used up, `append` raises `JournalFull`, or
    waits with `on_full` "block". With `durable`, `append` returns when the record is on the disk; senders that wait at
    the same time share one sync (group commit: DeWitt et al., SIGMOD 1984). `for_a_worker`: another process drains it.
    """

    durable: bool = False
    max_bytes: int = 1 << 30
    on_full: Literal["drop", "block"] = "drop"
    for_a_worker: bool = False


DEFAULT_TERMS = JournalTerms()


class Journal:
    """This process's own set: `append` is for senders, the rest for the drainer. Raises `OSError` from the disk."""

    def __init__(
        self, directory: Path, terms: JournalTerms = DEFAULT_TERMS, *, make: Make = MappedFile, name_prefix: str = ""
    ) -> None:
        _make_directory(directory, durable=terms.durable)
        self.directory = directory
        self.appended = 0
        """Records ever taken in."""
        self._name = f"{name_prefix}{time.time_ns() // 1_000_000:011x}{secrets.token_hex(4)}"
        self._lock_file = _own(directory, self._name, terms)
        self._terms = terms
        self._most = max(MIN_SEGMENTS, terms.max_bytes // SEGMENT_BYTES)
        self._make = make
        self._lock = threading.RLock()  # a signal's handler may send in the middle of a send
        self._segments: deque[Segment] = deque()
        self._spare: Segment | None = None
        self._numbers = itertools.count(1)  # asked by several threads at a time
        self._no_room: OSError | None = None  # why no segment could be made
        self._no_room_until = 0.0
        self._sealed = False
        self._read_to = FIRST  # in the oldest segment
        self._reads: int | None = None  # the thread that makes room
        self._gone = UNTOUCHED  # of the segments that are gone
        try:
            self._segments.append(self._new_segment())
        except OSError:
            lock_path(directory, self._name).unlink(missing_ok=True)
            os.close(self._lock_file)
            raise

    def append(self, payload: bytes, *, wait: bool = True) -> None:
        """Take one record in. Raises `RecordTooLarge`, `JournalFull`, `JournalSealed`, or `OSError` from the disk.

        Without `wait`, it does not wait for room, whatever the journal's terms are; neither does the thread that drains
        it, where a plugin sends.
        """
        if len(payload) > MAX_RECORD:
            raise RecordTooLarge(f"{len(payload)} bytes, at most {MAX_RECORD} are kept")
        while (place := self._taken_in(payload)) is None:
            if self._terms.on_full == "drop" or not wait or self._reads == threading.get_ident():
                raise JournalFull(self._terms.max_bytes)
            time.sleep(BLOCK_S)  # until the drainer has made room, or the journal is sealed
        if self._terms.durable:
            segment, end = place
            segment.sync(end)

    def prepare(self) -> None:
        """Have the next segment ready before it is needed: reserving one takes longer than a sender should wait."""
        self._segments[-1].keep_at_hand()
        with self._lock:
            wanted = self._spare is None and not self._sealed and self._segments[-1].end > SEGMENT_BYTES // 4
            wanted = wanted and len(self._segments) < self._most
        if not wanted:
            return
        spare = self._new_segment()
        spare.keep_at_hand()
        with self._lock:
            late = self._sealed or spare.path < self._segments[-1].path  # a sender could not wait and made its own
            if not late:
                self._spare = spare
        if late:
            spare.remove()

    def forget(self) -> None:
        """Let go of the segments that a worker has drained; it does not remove what others may still write to."""
        with self._lock:
            self._forget()

    @property
    def drained(self) -> Drained:
        """What a worker has drained, and what became of it."""
        with self._lock:
            found = self._gone
            for segment in tuple(self._segments):
                found = found.plus(segment.drained)
            return found

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """Up to `limit` of the oldest records, and where they end, for `release`; they stay until released."""
        self._reads = threading.get_ident()
        with self._lock:
            segment = self._segments[0]
            written = segment.end
            if self._read_to == written and len(self._segments) > 1:
                self._segments.popleft().remove()
                self._no_room = None  # there may be, now
                segment = self._segments[0]
                self._read_to, written = FIRST, segment.end
        payloads: list[bytes] = []
        end = self._read_to
        for payload, following in segment.records(end, written):
            payloads.append(payload)
            end = following
            if len(payloads) >= limit:
                break
        return payloads, end

    def release(self, end: int) -> None:
        """The records up to `end` are stored: forget them. Senders do not wait for it: they write behind them."""
        self._segments[0].release(self._read_to, end, durable=self._terms.durable)
        self._read_to = end

    @property
    def is_gone(self) -> bool:
        """Whether others cannot find the set any more: its files were removed."""
        return not lock_path(self.directory, self._name).exists()

    @property
    def interrupted(self) -> bool:
        """Whether this very thread is in the middle of taking a record in: a signal's handler asks.

        Whoever drains needs the lock that the interrupted frame holds, so the handler must not wait for it.
        """
        owned: bool = self._lock._is_owned()  # type: ignore[attr-defined]  # what `threading.Condition` asks, too
        return owned

    def seal(self) -> None:
        """Take no more records: after this, what is in the journal is all there will be."""
        with self._lock:
            self._sealed = True

    def close(self, *, drained: bool) -> None:
        """Give up the set; its files go when everything in them was stored, else they wait for whoever starts next."""
        with self._lock:
            self._sealed = True
            if self._spare is not None:
                self._spare.remove()
                self._spare = None
            for segment in self._segments:
                self._gone = self._gone.plus(segment.drained)
                segment.remove() if drained else segment.close()
            self._segments.clear()
            if drained:
                lock_path(self.directory, self._name).unlink(missing_ok=True)
            os.close(self._lock_file)

    def disown(self) -> None:
        """In a child process after a fork: the set is the parent's; let go of our copies without a word to the files.

        No lock is taken: the thread that may hold it is not here. What it was in the middle of is no reason to fail.
        """
        for segment in (*self._segments, *([self._spare] if self._spare else [])):
            with suppress(OSError, BufferError):
                segment.close()
        with suppress(OSError):
            os.close(self._lock_file)

    def _taken_in(self, payload: bytes) -> tuple[Segment, int] | None:
        """Copy a record in; return its segment and where it ends there, None when there is no room for it now."""
        with self._lock:
            if self._sealed:
                raise JournalSealed
            segment = self._segments[-1]
            end = segment.append(payload)
            if end is None and self._roll(segment):
                segment = self._segments[-1]
                end = segment.append(payload)
            if end is None:
                return None
            self.appended += 1
            return segment, end

    def _roll(self, full: Segment) -> bool:
        """Go on in the next segment; False when the bound is reached."""
        if len(self._segments) >= self._most:
            self._forget()
            if len(self._segments) >= self._most:
                return False
        spare, self._spare = self._spare, None
        following = spare or self._new_segment()
        if self._segments[-1] is full:
            self._segments.append(following)
        else:  # a signal's handler that sends was quicker
            following.remove()
        return True

    def _forget(self) -> None:
        if self._terms.for_a_worker:
            while len(self._segments) > 1 and self._segments[0].released >= self._segments[0].end:
                self._gone = self._gone.plus(self._segments[0].drained)
                self._segments.popleft().remove()
                self._no_room = None  # there may be, now

    def _new_segment(self) -> Segment:
        if (why := self._no_room) is not None and time.monotonic() < self._no_room_until:
            raise OSError(*why.args)
        try:
            segment = Segment(self.directory / f"{self._name}.{next(self._numbers):08d}.seg", SEGMENT_BYTES, self._make)
        except OSError as error:
            self._no_room, self._no_room_until = error, time.monotonic() + NO_ROOM_S
            raise
        if self._terms.durable:
            try:
                segment.sync()
                _sync_directory(self.directory)
            except OSError:
                segment.remove()
                raise
        return segment


def lock_path(directory: Path, name: str) -> Path:
    """The lock file of a set."""
    return directory / f"{name}.lock"


def terms_of(directory: Path, name: str) -> frozenset[str]:
    """What the lock file of a set says; nothing when it is gone."""
    with suppress(OSError):
        return frozenset(lock_path(directory, name).read_text("utf-8", "replace").split())
    return frozenset()


def _own(directory: Path, name: str, terms: JournalTerms) -> int:
    """Make the set's lock file and hold it. It gets its name only when it is held, or others would take it for dead."""
    unnamed = directory / f"{name}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    says = [word for word, holds in ((FOR_A_WORKER, terms.for_a_worker), (DURABLE, terms.durable)) if holds]
    os.write(descriptor, " ".join(says).encode())
    unnamed.rename(lock_path(directory, name))
    return descriptor


def _make_directory(directory: Path, *, durable: bool) -> None:
    """With `durable`, its name outlasts a power cut, and those of the directories above that are made with it."""
    made = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if durable:
        for one in dict.fromkeys((*made, directory)):  # it may be there because of somebody who is not so careful
            _sync_directory(one.parent)


def _sync_directory(directory: Path) -> None:
    """A new file's name, too, must outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
