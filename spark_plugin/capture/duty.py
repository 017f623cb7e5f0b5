"""Whose duty it is to drain for all: one worker per directory of journals, found by a file lock.

The file says who that is and what troubles it, so that the processes it works for can say so.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import msgspec

FILE = "worker"


class OnDuty(msgspec.Struct, frozen=True):
    """The worker of a directory. `trouble`: why it stores nothing now, in words."""

    pid: int = 0
    trouble: str | None = None


class Duty:
    """The place of the worker of a directory; taken by one process at a time, free when that has died."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor = _opened(directory)
        self._said: OnDuty | None = None

    def taken(self) -> bool:
        """Take the place if it is free; whether it is ours now."""
        if not self._is_in_place():  # nobody else would see that it is ours
            try:
                fresh = _opened(self._directory)
            except OSError:
                return False
            os.close(self._descriptor)
            self._descriptor, self._said = fresh, None
        if self._said is None:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self.say(None)
        return True

    def say(self, trouble: str | None) -> None:
        """Let others know what troubles us."""
        on_duty = OnDuty(os.getpid(), trouble)
        if on_duty != self._said:
            text = msgspec.json.encode(on_duty)
            with suppress(OSError):  # a full disk: it is said later
                os.pwrite(self._descriptor, text, 0)
                os.ftruncate(self._descriptor, len(text))
                self._said = on_duty

    def leave(self) -> None:
        """Give the place up."""
        os.close(self._descriptor)

    def _is_in_place(self) -> bool:
        """Whether our file is still the one in the directory: that may have been removed, and made anew by others."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._directory / FILE))
        return False


def _opened(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(directory / FILE, os.O_RDWR | os.O_CREAT, 0o600)


def on_duty(directory: Path) -> OnDuty | None:
    """Who drains for all in a directory; None when nobody does."""
    try:
        descriptor = os.open(directory / FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        try:
            return msgspec.json.decode(os.pread(descriptor, 1 << 16, 0), type=OnDuty)
        except msgspec.MsgspecError:  # it is writing just now
            return OnDuty()
    else:
        return None
    finally:
        os.close(descriptor)
