"""Success rates that forget, by the swarm's own time: what came just now says most where outcomes come in bursts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spark_eidos.arithmetic import logit
from spark_eidos.bounds import forget_oldest
from spark_eidos.pace import faded
from spark_eidos.rules import clip

MAX_KEYS = 10_000


@dataclass(slots=True)
class Recent:
    """Outcomes and successes, faded to the moment `at`."""

    outcomes: float = 0.0
    successes: float = 0.0
    at: float = 0.0


@dataclass(slots=True)
class FadingRate:
    """One rate per key (an agent, a family of tasks, the swarm), each outcome weighing half as much per `half_life`.

    `half_life` is in the swarm's own time (see `pace`); `strength` in outcomes is what the prior rate is worth.

    >>> rate = FadingRate(half_life=1.0, strength=1.0)
    >>> for at in (0.0, 1.0, 2.0): rate.learn_one("ada", False, at)
    >>> rate.predict_one("ada", 0.5, 2.0) < rate.predict_one("ada", 0.5, 9.0) < 0.5
    True
    """

    half_life: float
    strength: float
    recent: dict[str, Recent] = field(default_factory=dict)

    def predict_one(self, key: str, prior: float, now: float) -> float:
        """The rate of `key` at `now`, drawn towards `prior`."""
        known = self.recent.get(key)
        if known is None:
            return prior
        left = faded(now - known.at, self.half_life)
        return (known.successes * left + self.strength * prior) / (known.outcomes * left + self.strength)

    def log_odds(self, keys: Sequence[str], prior: float, now: float) -> list[float]:
        """The rates of several keys, as log odds."""
        unknown, recent = logit(clip(prior)), self.recent
        return [logit(clip(self.predict_one(key, prior, now))) if key in recent else unknown for key in keys]

    def learn_one(self, key: str, succeeded: bool, now: float) -> None:
        """Take in one outcome at `now`."""
        known = self.recent.pop(key, None) or Recent(at=now)
        left = faded(now - known.at, self.half_life)
        known.outcomes = known.outcomes * left + 1.0
        known.successes = known.successes * left + succeeded
        known.at = max(known.at, now)
        self.recent[key] = known
        forget_oldest(self.recent, MAX_KEYS)
