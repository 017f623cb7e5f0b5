"""Has something changed? Two cumulative sums of surprises, one each way (Page, "Continuous Inspection Schemes",
Biometrika 41, 1954): small ones wear off, those that go on the same way add up."""

from __future__ import annotations

from dataclasses import dataclass

SLACK = 0.5
"""Standard deviations a step that count as no change."""
BAR = 8.0
"""Sum, in standard deviations, at which a change is believed; by chance once in some thousand to some ten thousand
steps, the more lopsided the outcomes the oftener."""
MOST = 3.0
"""A single surprise counts for no more: one outcome is no change."""


@dataclass(slots=True)
class Change:
    """Watches a stream of standardised surprises.

    >>> change = Change()
    >>> any(change.saw(x) for x in [0.3, -0.3] * 50), any(change.saw(-1.5) for _ in range(20))
    (False, True)
    """

    up: float = 0.0
    down: float = 0.0
    bar: float = BAR

    def saw(self, surprise: float) -> bool:
        """Take in one surprise, in standard deviations; True when a change is to be believed. Then it begins anew."""
        step = min(max(surprise, -MOST), MOST)
        self.up = max(0.0, self.up + step - SLACK)
        self.down = max(0.0, self.down - step - SLACK)
        if max(self.up, self.down) < self.bar:
            return False
        self.up = self.down = 0.0
        return True
