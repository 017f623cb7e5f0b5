"""Errors of the contract.

SparkError
├── InvalidEvent     an event that cannot be accepted: what field, and why
└── InvalidPlugin    a plugin that cannot be registered: which hook, and why
"""

from __future__ import annotations


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
