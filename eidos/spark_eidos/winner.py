"""Who will get the task? A choice among the candidates: the conditional logit, learned online.

Each candidate has a score, and is chosen with the share its exponential has in the sum over all (McFadden, "Conditional
Logit Analysis of Qualitative Choice Behavior", 1974). The score is linear in a few features of its record, with weights
common to all (a normal belief with full covariance), plus an effect of its own and effects of the words of the task for
this candidate (hashed, diagonal). All are moved by Newton steps on the choice's log likelihood.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.bidding import Bidding
from spark_eidos.bounds import forget_oldest
from spark_eidos.pace import Pace, faded
from spark_eidos.tally import cell_key
from spark_eidos.task import SLOTS, TaskFacts, slot

MAX_AGENTS, MAX_CELLS, MAX_PAIRS = 20_000, 50_000, 100_000
FEATURES = (
    "since_win", "won_last", "price", "price_here", "record_here", "record_lately", "record_among", "load", "met",
    "knows",
)  # fmt: skip
_MET, _KNOWS = FEATURES.index("met"), FEATURES.index("knows")
FEATURE_VARIANCE, OWN_VARIANCE, WORD_VARIANCE, LEAST = 0.1, 0.1, 0.2, 1e-3
NEVER = 200.0
"""Units of pace since a win that never was."""
LOAD_HALF_LIFE = 0.5
KEEP = 0.9
"""What is left of an earlier award's weight, in the recent record, with each task a candidate is up for."""
MOST_TO_PAIR = 16
"""Candidates among whom it is counted who met whom: their pairs grow with the square."""
_SPREAD = 40_503
"""Odd number that spreads pairs of slots over the table (Knuth, "The Art of Computer Programming" 3, 6.4)."""


@dataclass(slots=True)
class Record:
    """Awards won, and awards due by lot."""

    won: float = 0.0
    due: float = 0.0

    def add(self, won: bool, share: float, keep: float = 1.0) -> None:
        self.won = self.won * keep + won
        self.due = self.due * keep + share

    def odds(self, prior: float) -> float:
        """Logarithm of won against due, both begun at `prior`."""
        return math.log((self.won + prior) / (self.due + prior))


_NO_RECORD = Record()


@dataclass(slots=True)
class Candidate:
    """What is kept of one candidate: its effect on the choice, its last win, and how much it was up for lately."""

    effect: float = 0.0
    variance: float = OWN_VARIANCE
    last_win: float | None = None
    load: float = 0.0
    at: float = 0.0
    won_last: bool = False
    lately: Record = field(default_factory=lambda: Record())


@dataclass(slots=True)
class WinnerModel:
    """Distribution over candidates.

    >>> model, task = WinnerModel(), TaskFacts(("ada", "bo"))
    >>> model.predict_one(task, 0.0, Bidding())
    {'ada': 0.5, 'bo': 0.5}
    >>> model.learn_one(task, "bo", 0.0, Bidding())
    >>> model.predict_one(task, 1.0, Bidding())["bo"] > 0.5
    True
    """

    pace: Pace = field(default_factory=Pace)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    here: dict[str, Record] = field(default_factory=dict)
    """By agent and category."""
    among: dict[str, Record] = field(default_factory=dict)
    """By agent and all who were candidates."""
    pairs: dict[str, int] = field(default_factory=dict)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(len(FEATURES)))
    information: np.ndarray = field(default_factory=lambda: np.eye(len(FEATURES)) / FEATURE_VARIANCE)
    words: np.ndarray = field(default_factory=lambda: np.zeros(SLOTS))
    known: np.ndarray = field(default_factory=lambda: np.ones(SLOTS))
    seen: np.ndarray = field(default_factory=lambda: np.zeros(SLOTS))

    def predict_one(self, task: TaskFacts, now: float, bidding: Bidding) -> dict[str, float]:
        """Probability of winning per candidate, in the order given, summing to 1; empty without candidates."""
        agents = task.candidates
        if len(agents) < 2:
            return dict.fromkeys(agents, 1.0)
        chances = self._chances(task, self._features(task, now, bidding), self._slots(task))
        return dict(zip(agents, chances.tolist(), strict=True))

    def learn_one(self, task: TaskFacts, winner: str, now: float, bidding: Bidding) -> None:
        """Take in one award; an award to somebody who was no candidate teaches nothing."""
        agents = task.candidates
        if winner not in agents:
            return
        self.pace.beat(now)
        if len(agents) > 1:
            self._move(task, winner, self._features(task, now, bidding), self._slots(task))
        share = 1.0 / len(agents)
        company = _company(agents)
        for agent in agents:
            self._remember(agent, share, agent == winner, now)
            for table, key in ((self.here, task.category), (self.among, company)):
                if key is not None:
                    table.setdefault(cell_key(agent, key), Record()).add(agent == winner, share)
        if len(task.words):
            self.seen[self._slots(task)] += share
        self._meet(agents)
        self._stay_bounded()

    def _chances(self, task: TaskFacts, features: np.ndarray, slots: np.ndarray) -> np.ndarray:
        own = np.array([known.effect if (known := self.candidates.get(one)) else 0.0 for one in task.candidates])
        scores = (features * self.weights).sum(axis=-1) + own + self.words[slots].sum(axis=-1) * _value(slots)
        worth = np.exp(scores - scores.max())
        chances: np.ndarray = worth / worth.sum()
        return chances

    def _features(self, task: TaskFacts, now: float, bidding: Bidding) -> np.ndarray:
        """Shape (candidates, features), centred over the candidates: only differences decide a choice."""
        agents = task.candidates
        unit, met = self.pace.unit, self._met(agents)
        company = _company(agents)
        table = np.array([self._row(agent, task.category, company, now, unit, bidding) for agent in agents])
        table[:, _MET] = met
        if len(task.words):
            table[:, _KNOWS] = np.log1p(self.seen[self._slots(task)]).mean(axis=-1)
        centred: np.ndarray = table - table.mean(axis=0)
        return centred

    def _row(
        self, agent: str, category: str | None, company: str, now: float, unit: float, bidding: Bidding
    ) -> tuple[float, ...]:
        """One candidate's features, in the order of `FEATURES`; the last two are filled in for all at once."""
        known = self.candidates.get(agent)
        since, load, lately = NEVER, 0.0, 0.0
        if known is not None:
            load = known.load * faded(now - known.at, LOAD_HALF_LIFE * unit)
            lately = known.lately.odds(1.0)
            if known.last_win is not None:
                since = max(now - known.last_win, 0.0) / unit
        here = self.here.get(cell_key(agent, category), _NO_RECORD) if category is not None else _NO_RECORD
        among = self.among.get(cell_key(agent, company), _NO_RECORD)
        return (
            math.log1p(since),
            float(known is not None and known.won_last),
            *bidding.standing(agent, category),
            here.odds(2.0),
            lately,
            among.odds(1.0),
            load,
            0.0,
            0.0,
        )

    def _met(self, agents: Sequence[str]) -> np.ndarray:
        """How well each candidate knows the others: mean log of how often they were up for the same task."""
        found = np.zeros(len(agents))
        if len(agents) > MOST_TO_PAIR:
            return found
        for n, one in enumerate(agents):
            for m in range(n):
                often = math.log1p(self.pairs.get(_pair(one, agents[m]), 0))
                found[n] += often
                found[m] += often
        return found / (len(agents) - 1)

    def _slots(self, task: TaskFacts) -> np.ndarray:
        """Where the words' effects for each candidate lie, shape (candidates, words)."""
        own = np.array([slot("agent", agent) for agent in task.candidates], dtype=np.int64)
        slots: np.ndarray = (own[:, None] * _SPREAD + task.slots) % SLOTS
        return slots

    def _move(self, task: TaskFacts, winner: str, features: np.ndarray, slots: np.ndarray) -> None:
        """Newton steps towards the choice that was made."""
        agents = task.candidates
        chances = self._chances(task, features, slots)
        surprise = np.array([float(agent == winner) for agent in agents]) - chances
        weighed = features * chances[:, None]
        middle = weighed.sum(axis=0)
        self.information = self.information + weighed.T @ features - np.outer(middle, middle)
        self.weights = self.weights + np.linalg.solve(self.information, (features * surprise[:, None]).sum(axis=0))
        known = [self.candidates.setdefault(agent, Candidate()) for agent in agents]
        value, own = _value(slots), np.array([one.variance for one in known])
        spread = self.known[slots] * WORD_VARIANCE
        curvature = chances * (1.0 - chances)
        damping = 1.0 + curvature * (spread.sum(axis=-1) * value * value + own)
        step, firm = surprise / damping, curvature / damping
        self.words[slots] += spread * value * step[:, None]
        self.known[slots] = np.maximum(spread - (spread * value) ** 2 * firm[:, None], LEAST) / WORD_VARIANCE
        for one, toward, firmer in zip(known, (own * step).tolist(), (own - own * own * firm).tolist(), strict=True):
            one.effect, one.variance = one.effect + toward, max(firmer, LEAST)

    def _remember(self, agent: str, share: float, won: bool, now: float) -> None:
        known = self.candidates.pop(agent, None) or Candidate(at=now)
        known.load = known.load * faded(now - known.at, LOAD_HALF_LIFE * self.pace.unit) + 1.0
        known.at, known.won_last = max(known.at, now), won
        known.lately.add(won, share, KEEP)
        if won:
            known.last_win = now
        self.candidates[agent] = known

    def _meet(self, agents: Sequence[str]) -> None:
        if len(agents) <= MOST_TO_PAIR:
            for n, one in enumerate(agents):
                for other in agents[:n]:
                    key = _pair(one, other)
                    self.pairs[key] = self.pairs.get(key, 0) + 1

    def _stay_bounded(self) -> None:
        forget_oldest(self.candidates, MAX_AGENTS)
        forget_oldest(self.here, MAX_CELLS)
        forget_oldest(self.among, MAX_CELLS)
        forget_oldest(self.pairs, MAX_PAIRS)


def _value(slots: np.ndarray) -> float:
    """Of each word, so that long texts count no more than short ones."""
    return 1.0 / math.sqrt(max(slots.shape[-1], 1))


def _company(agents: Sequence[str]) -> str:
    """Names all who are up for a task together."""
    return hashlib.blake2b("\0".join(agents).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _pair(one: str, other: str) -> str:
    return f"{one}\0{other}" if one < other else f"{other}\0{one}"
