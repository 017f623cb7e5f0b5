"""What this package raises."""

from __future__ import annotations


class Unfit(AssertionError):
    """A forecaster broke a rule of `checks`; the message says which, and by how much."""
