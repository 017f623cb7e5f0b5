"""What the auctions of a category look like to somebody who suspects that the bidders have agreed.

Bid rotation and identical bids are the classical marks of collusion (Porter & Zona, "Detection of Bid Rigging in
Procurement Auctions", JPE 101, 1993); that bids lie ever closer together is another (Imhof, "Detecting
Bid-Rigging Cartels with Descriptive Statistics", Journal of Competition Law & Economics 15, 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from spark_advisor.levels import Level
from spark_eidos.bounds import forget_oldest

PERIODS = range(2, 7)
"""Sizes of rings whose members take turns."""
KEPT = 0.9
"""How often a ring keeps to its turns."""
MOST = 24.0
"""Evidence is not piled up beyond this many nats: a ring that breaks up is let go after a few auctions."""
MAX_BIDDERS = 200


@dataclass(slots=True)
class Auctions:
    """A category's sealed bids. `rotation`: nats that speak for rings of each size in `PERIODS`."""

    held: int = 0
    tied: int = 0
    """Auctions in which two bids were equal."""
    bidders: dict[str, list[int]] = field(default_factory=dict)
    """By agent: auctions it bid in, and those it won."""
    winners: list[str] = field(default_factory=list)
    rotation: list[float] = field(default_factory=lambda: [0.0] * len(PERIODS))
    turns: list[int] = field(default_factory=lambda: [0] * len(PERIODS))
    """Auctions that went by turns, since the ring of each size is suspected."""
    rings: list[list[str]] = field(default_factory=lambda: [[] for _ in PERIODS])
    """Who took the turns, by size."""
    spread: Level = field(default_factory=Level)
    """Standard deviation by mean of the bids of an auction of three or more."""
    recent_ties: list[str] = field(default_factory=list)

    def observe(self, bids: Mapping[str, float], winner: str, position: int, threshold: float) -> bool:
        """Take in an auction of two or more bids; True when two of them were equal."""
        self.held += 1
        self._look_for_turns(bids, winner)
        for agent in bids:
            seen = self.bidders.setdefault(agent, [0, 0])
            seen[0] += 1
            seen[1] += agent == winner
        forget_oldest(self.bidders, MAX_BIDDERS)
        self.winners = [*self.winners[-PERIODS[-1] + 1 :], winner]
        amounts = sorted(bids.values())
        if len(amounts) >= 3 and amounts[0] < amounts[-1] and amounts[0] > 0:
            mean = math.fsum(amounts) / len(amounts)
            variance = math.fsum((bid / mean - 1.0) ** 2 for bid in amounts) / len(amounts)
            self.spread.observe(math.sqrt(variance), position, threshold)
        tied = any(one == other for one, other in pairwise(amounts))
        self.tied += tied
        return tied

    def _look_for_turns(self, bids: Mapping[str, float], winner: str) -> None:
        for n, period in enumerate(PERIODS):
            turn = self.winners[-period:]
            if len(turn) < period or turn[0] not in bids or len(set(turn)) < period:
                continue
            offered, won = self.bidders.get(turn[0], (0, 0))
            usual = min(max((won + 1.0) / (offered + 2.0), 1.0 / len(bids)), 0.8)
            kept = winner == turn[0]
            step = math.log(KEPT / usual) if kept else math.log((1.0 - KEPT) / (1.0 - usual))
            self.rotation[n] = min(max(0.0, self.rotation[n] + step), MOST)
            self.turns[n] = self.turns[n] + kept if self.rotation[n] else 0
            if kept:
                self.rings[n] = turn
