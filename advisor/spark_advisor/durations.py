"""What is under way, and for how long: attempts of agents, tasks nobody has got yet. All time is the log's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from spark_eidos import Mean
from spark_eidos.bounds import forget_oldest

MAX_UNDER_WAY = 64
FOUNDED = 5
"""How often something was seen to end before it can be overdue."""
BEYOND = 4.0
"""Standard deviations of the logarithm."""
NARROWEST = 0.3


class Began(NamedTuple):
    """When something began, at which position, and by which event."""

    time: float
    position: int
    event_id: str


@dataclass(slots=True)
class UnderWay:
    """What has begun and not ended, by key, oldest first. `overdue` is part of it."""

    began: dict[str, Began] = field(default_factory=dict)
    overdue: dict[str, None] = field(default_factory=dict)

    def begin(self, key: str, began: Began) -> None:
        """Something begins; what began longest ago is forgotten beyond a bound."""
        self.began[key] = began
        for gone, _ in forget_oldest(self.began, MAX_UNDER_WAY):
            self.overdue.pop(gone, None)

    def end(self, key: str) -> Began | None:
        """It ends; None when it is not known to have begun."""
        self.overdue.pop(key, None)
        return self.began.pop(key, None)

    def late(self, key: str) -> bool:
        """It is past its time; True when it is under way still."""
        if key not in self.began:
            return False
        self.overdue[key] = None
        return True


@dataclass(slots=True)
class Durations:
    """How long something takes: log(seconds), and how often it took longer than was to be expected."""

    took: Mean = field(default_factory=Mean)
    late: int = 0

    def observe(self, seconds: float, was_late: bool) -> None:
        """Take in one that has ended."""
        self.took.add(math.log(max(seconds, 1.0)))
        self.late += was_late

    def limit(self, usual: Durations | None = None) -> float | None:
        """Seconds that hardly any takes; by what is `usual` while too little is known of one's own."""
        took = self.took
        if took.n < FOUNDED:
            return None if usual is None else usual.limit()
        spread = max(math.sqrt(took.m2 / (took.n - 1)) * (1.0 + 4.0 / took.n), NARROWEST)
        return math.exp(min(took.mean + BEYOND * spread, 21.0))

    @property
    def nats(self) -> float:
        """What one that is overdue says against chance: the logarithm of how few ever were."""
        return math.log((self.took.n + 20.0) / (self.late + 1.0))
