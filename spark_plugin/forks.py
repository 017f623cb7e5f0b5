"""Forks: what must not be open while a process forks is let go of first, and what a child cannot use begins anew in it.

A child has one thread: what the parent's others held or were changing stays that way for ever. And SQLite forbids to
carry a connection across a fork (sqlite.org/howtocorrupt.html, section 2.6): the child would take its parent's locks
for its own, wait for them without end, or write where nobody expects it to.

The one state that modules here share, because a process forks as a whole.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE_S = 5.0
"""How long a fork waits at most for what is open to be let go of."""


class Open(Protocol):
    """What must not be open while the process forks."""

    def hold(self, seconds: float) -> bool:
        """Let go of what is open, and keep everybody away from it until `resume`; False when that takes too long."""
        ...

    def resume(self) -> None:
        """The fork is over, in the parent and in the child alike: what was let go of is opened when it is needed."""
        ...


class Renewable(Protocol):
    """What cannot go on in a child as it was."""

    def renew(self) -> None:
        """In a child, before anything else happens there: begin anew."""
        ...


class Lock:
    """A lock that no child finds taken: each process has its own. The handler of a signal may take it once more."""

    def __init__(self) -> None:
        self._locks: dict[int, threading.RLock] = {}

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._locks.setdefault(os.getpid(), threading.RLock()):
            yield


class _Use:
    """Something in use for a while, by one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def hold(self, seconds: float) -> bool:
        return self.lock.acquire(timeout=seconds)

    def resume(self) -> None:
        self.lock.release()


class _Forks:
    """What forks of this process concern."""

    def __init__(self) -> None:
        self.torn = False
        self._changing = threading.RLock()  # held while a fork is under way, too
        self._open: weakref.WeakSet[Open] = weakref.WeakSet()
        self._held: list[Open] = []
        self._lost: list[Open] = []  # the parent's; nobody may close them here
        self._renewable: weakref.WeakSet[Renewable] = weakref.WeakSet()
        self._listening = False

    def concern(self, *, open_: Open | None = None, renewable: Renewable | None = None) -> None:
        with self._changing:
            if open_ is not None:
                self._open.add(open_)
            if renewable is not None:
                self._renewable.add(renewable)
            if not self._listening and hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
                )
                self._listening = True

    def _before(self) -> None:
        """In the thread that forks: keep all others from using what is open, and from opening more.

        In this order, because who finds something closed opens it while using it; what was opened meanwhile is next.
        """
        end = time.monotonic() + PATIENCE_S
        held: list[Open] = []
        busy: list[Open] = []
        while True:
            self._changing.acquire()
            more = [one for one in self._open if one not in held and one not in busy]
            if not more:
                self._held = held
                return
            self._changing.release()
            for one in more:
                (held if one.hold(max(0.0, end - time.monotonic())) else busy).append(one)

    def _after_in_parent(self) -> None:
        self._resume()
        self._changing.release()

    def _after_in_child(self) -> None:
        self._lost += [one for one in self._open if one not in self._held]
        self.torn = self.torn or len(self._lost) > 0
        self._changing = threading.RLock()
        self._resume()
        for one in list(self._renewable):
            one.renew()

    def _resume(self) -> None:
        while self._held:
            self._held.pop().resume()


_forks = _Forks()


@contextmanager
def in_use() -> Iterator[None]:
    """While something is open that must not be open at a fork: forks wait, and in the end do without."""
    use = _Use()
    with use.lock:
        let_go(use)
        yield


def is_torn() -> bool:
    """Whether this is a child of a parent in which something was open at the fork: it must not be opened here."""
    return _forks.torn


def let_go(one: Open) -> None:
    """Have something let go of before each fork, for as long as it is there."""
    _forks.concern(open_=one)


def renew(one: Renewable) -> None:
    """Have something begin anew in each child, for as long as it is there."""
    _forks.concern(renewable=one)
