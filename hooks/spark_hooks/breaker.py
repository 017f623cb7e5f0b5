"""The breaker: a plugin whose calls take too long is switched off, so that its slowness stays its own."""

from __future__ import annotations

from collections import deque

BUDGET_S = 0.02
"""What a plugin's calls may take, at the 99th percentile, where it does not say otherwise."""
WINDOW = 200
TOO_MANY = 3
"""With so many slow calls among the last `WINDOW`, their 99th percentile is above the budget."""


class Breaker:
    """Watches the calls of one plugin. `budget_s`: seconds, for the 99th percentile of its last `WINDOW` calls."""

    __slots__ = ("_calls", "_slow", "budget_s")

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self._calls = 0
        self._slow: deque[int] = deque(maxlen=TOO_MANY)

    def trips(self, seconds: float) -> bool:
        """Take in how long a call took; whether that was one slow call too many."""
        self._calls += 1
        if seconds <= self.budget_s:
            return False
        self._slow.append(self._calls)
        return len(self._slow) == TOO_MANY and self._slow[-1] - self._slow[0] < WINDOW
