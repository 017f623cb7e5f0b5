"""Errors of the contract.

SparkError
├── InvalidEvent     an event that cannot be accepted: what field, and why
└── InvalidPlugin    a plugin that cannot be registered: which hook, and why
"""

from __future__ import annotations

import functools
import signal
import sys
from types import CodeType
from typing import Any


class SparkError(Exception):
    """Base of every error that Spark raises on purpose."""


class InvalidEvent(SparkError, ValueError):
    """An event was refused. ``event`` is its type, ``field`` the field at fault."""

    def __init__(self, event: str, field: str, reason: str) -> None:
        super().__init__(f"{event}: {field} {reason}")
        self.event = event
        self.field = field
        self.reason = reason


class InvalidPlugin(SparkError, TypeError):
    """A plugin was refused at registration. ``plugin`` is its name."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"plugin {plugin!r} was not registered: {reason}")
        self.plugin = plugin
        self.reason = reason


def meant_for_the_host() -> tuple[type[BaseException], ...]:
    """For an `except` clause: the class of the exception at hand if it only passes through, else none.

    An interrupt does, and whatever a signal's handler raises: it comes at any moment, in the middle of a send too, and
    is the host's way to end something (``sys.exit`` upon SIGTERM, a timeout upon SIGALRM).
    """
    error = sys.exception()
    if error is None or isinstance(error, KeyboardInterrupt):
        return (KeyboardInterrupt,)
    handlers = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    step = error.__traceback__ if handlers else None
    while step is not None:
        if step.tb_frame.f_code in handlers:
            return (type(error),)
        step = step.tb_next
    return ()


def _code(handler: Any) -> CodeType | None:
    """The code of a handler that is written in Python."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return code if isinstance(code, CodeType) else None
