"""Who will get the task? A choice among the candidates: the conditional logit, learned online.

Each candidate has a score, and is chosen with the share its exponential has in the sum over all (McFadden, "Conditional
Logit Analysis of Qualitative Choice Behavior", 1974). The score is linear in a few features of its record, with weights
common to all (a normal belief with full covariance), plus an effect of its own and effects of the words of the task for
this candidate (hashed, diagonal). All are moved by Newton steps on the choice's log likelihood.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_eidos.arithmetic import total
from spark_eidos.bidding import Bidding
from spark_eidos.bounds import forget_oldest
from spark_eidos.pace import faded
from spark_eidos.rules import FLOOR
from spark_eidos.tally import cell_key
from spark_eidos.task import SLOTS, TaskFacts, slot

MAX_AGENTS, MAX_CELLS, MAX_PAIRS = 10_000, 10_000, 20_000
FEATURES = (
    "since_win", "won_last", "price", "price_here", "record_here", "record_lately", "record_among", "load",
    "fresh_win", "turn", "met", "knows",
)  # fmt: skip
_TURN, _MET, _KNOWS = (FEATURES.index(name) for name in ("turn", "met", "knows"))
FEATURE_VARIANCE, OWN_VARIANCE, WORD_VARIANCE, LEAST = 0.1, 0.1, 0.2, 1e-3
NEVER = 200.0
"""Time since a win that never was."""
LOAD_HALF_LIFE = 3.0
WIN_HALF_LIFE = 10.0
KEEP = 0.85
"""What is left of an earlier award's weight, in the recent record, with each task a candidate is up for."""
MOST_TO_PAIR = 16
"""Candidates among whom it is counted who met whom: their pairs grow with the square."""
VIEWS = np.array([0.8, 0.1, 0.1])
"""Beforehand: the candidates' record tells who is chosen, it tells half, the choice is made by lot."""
BY_LOT, SELDOM = 0.999, 8
"""Once it is believed so far that choices are made by lot, one in so many is looked at."""
LEAST_SHARE = 1e-4
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
class Pair:
    """Two candidates: how often they were up for the same task, and who of them won when one of them last did."""

    met: int = 0
    won: str | None = None


@dataclass(slots=True)
class WinnerModel:
    """Distribution over candidates.

    >>> model, task, bidding = WinnerModel(), TaskFacts(("ada", "bo")), Bidding()
    >>> model.predict_one(task, model.features(task, 0.0, bidding))
    {'ada': 0.5, 'bo': 0.5}
    >>> for n in range(9): model.learn_one(task, "bo", float(n), n + 0.5, bidding)
    >>> model.predict_one(task, model.features(task, 9.0, bidding))["bo"] > 0.5
    True
    """

    awards: int = 0
    candidates: dict[str, Candidate] = field(default_factory=dict)
    here: dict[str, Record] = field(default_factory=dict)
    """By agent and category."""
    among: dict[str, Record] = field(default_factory=dict)
    """By agent and all who were candidates."""
    pairs: dict[str, Pair] = field(default_factory=dict)
    shares: np.ndarray = field(default_factory=VIEWS.copy)
    """How far each view is believed, summing to 1 (Bayes' rule)."""
    weights: np.ndarray = field(default_factory=lambda: np.zeros(len(FEATURES)))
    information: np.ndarray = field(default_factory=lambda: np.eye(len(FEATURES)) / FEATURE_VARIANCE)
    words: np.ndarray = field(default_factory=lambda: np.zeros(SLOTS))
    known: np.ndarray = field(default_factory=lambda: np.ones(SLOTS))
    seen: np.ndarray = field(default_factory=lambda: np.zeros(SLOTS))

    def features(self, task: TaskFacts, now: float, bidding: Bidding) -> np.ndarray:
        """What is known of the candidates at `now`, shape (candidates, `FEATURES`), centred over the candidates: only
        differences decide a choice."""
        agents = task.candidates
        if len(agents) < 2 or not self.looks_close:
            return np.zeros((len(agents), len(FEATURES)))
        company = _company(agents)
        table = np.array([self._row(agent, task.category, company, now, bidding) for agent in agents])
        table[:, _TURN], table[:, _MET] = self._met(agents)
        if task.words:
            table[:, _KNOWS] = total(np.log1p(self.seen[_slots(task)]), axis=-1) / (len(task.words) // 2)
        centred: np.ndarray = table - total(table) / len(agents)
        return centred

    @property
    def looks_close(self) -> bool:
        """Whether the next choice is looked at: all are, until the evidence has it that they are made by lot."""
        return self.shares[-1] < BY_LOT or self.awards % SELDOM == 0

    def predict_one(self, task: TaskFacts, features: np.ndarray) -> dict[str, float]:
        """Probability of winning per candidate, in the order given, summing to 1; empty without candidates."""
        agents = task.candidates
        if len(agents) < 2 or not self.looks_close:
            return dict.fromkeys(agents, 1.0 / max(len(agents), 1))
        views = self._views(task, features, _slots(task))
        return dict(zip(agents, total(views * self.shares[:, None]).tolist(), strict=True))

    def learn_one(
        self,
        task: TaskFacts,
        winner: str,
        posted_at: float,
        now: float,
        bidding: Bidding,
        features: np.ndarray | None = None,
    ) -> None:
        """Take in one award at `now` of a task posted at `posted_at`; `features` where they are known already.

        An award to somebody who was no candidate teaches nothing.
        """
        agents = task.candidates
        if winner not in agents:
            return
        close, slots = self.looks_close, _slots(task)
        if close and len(agents) > 1:
            self._move(task, winner, self.features(task, posted_at, bidding) if features is None else features, slots)
        self.awards += 1
        if not close:
            return
        share, company = 1.0 / len(agents), _company(agents)
        self.seen[slots] += share
        for agent in agents:
            self._remember(agent, share, agent == winner, now)
            for table, key in ((self.here, task.category), (self.among, company)):
                if key is not None:
                    table.setdefault(cell_key(agent, key), Record()).add(agent == winner, share)
        self._meet(agents, winner)
        self._stay_bounded()

    def _views(self, task: TaskFacts, features: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """The chances as each view has them, shape (`VIEWS`, candidates): the record tells, it tells half, it is by
        lot."""
        chances = self._chances(task, features, slots)
        lot = np.full(len(chances), 1.0 / len(chances))
        half = np.sqrt(chances)
        return np.array([chances, half / total(half), lot])

    def _chances(self, task: TaskFacts, features: np.ndarray, slots: np.ndarray) -> np.ndarray:
        own = np.array([known.effect if (known := self.candidates.get(one)) else 0.0 for one in task.candidates])
        scores = total(features * self.weights, axis=-1) + own + total(self.words[slots], axis=-1) * _value(slots)
        worth = np.exp(scores - scores.max())
        chances: np.ndarray = worth / total(worth)
        return chances

    def _row(self, agent: str, category: str | None, company: str, now: float, bidding: Bidding) -> tuple[float, ...]:
        """One candidate's features, in the order of `FEATURES`; the last three are filled in for all at once."""
        known = self.candidates.get(agent)
        since, load, lately, fresh = NEVER, 0.0, 0.0, 0.0
        if known is not None:
            load = known.load * faded(now - known.at, LOAD_HALF_LIFE)
            lately = known.lately.odds(1.0)
            if known.last_win is not None:
                since = max(now - known.last_win, 0.0)
                fresh = faded(since, WIN_HALF_LIFE)
        here = self.here.get(cell_key(agent, category), _NO_RECORD) if category is not None else _NO_RECORD
        among = self.among.get(cell_key(agent, company), _NO_RECORD)
        return (
            math.log1p(since),
            float(known is not None and known.won_last),
            *bidding.standing(agent, category),
            here.odds(3.0),
            lately,
            among.odds(1.0),
            load,
            fresh,
            0.0,
            0.0,
            0.0,
        )

    def _met(self, agents: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(turns, familiarity) of each candidate, shapes (candidates,): how many others won when it last met them,
        less those it won against; and the mean logarithm of how often it has met them."""
        turns, met = np.zeros(len(agents)), np.zeros(len(agents))
        if len(agents) > MOST_TO_PAIR:
            return turns, met
        for n, one in enumerate(agents):
            for m in range(n):
                pair = self.pairs.get(_pair(one, agents[m]))
                if pair is not None:
                    often = math.log1p(pair.met)
                    met[n] += often
                    met[m] += often
                    turn = 0 if pair.won is None else 1 if pair.won == agents[m] else -1
                    turns[n] += turn
                    turns[m] -= turn
        return turns / len(agents), met / (len(agents) - 1)

    def _move(self, task: TaskFacts, winner: str, features: np.ndarray, slots: np.ndarray) -> None:
        """Newton steps towards the choice that was made."""
        agents = task.candidates
        views = self._views(task, features, slots)
        chances, chosen = views[0], agents.index(winner)
        shares = self.shares * np.maximum(views[:, chosen], FLOOR)
        shares = np.maximum(shares / total(shares), LEAST_SHARE)
        self.shares = shares / total(shares)
        surprise = -chances
        surprise[chosen] += 1.0
        weighed = features * chances[:, None]
        middle = total(weighed)
        self.information = self.information + weighed.T @ features - middle[:, None] * middle
        self.weights = self.weights + np.linalg.solve(self.information, surprise @ features)
        known = [self.candidates.setdefault(agent, Candidate()) for agent in agents]
        value, own = _value(slots), np.array([one.variance for one in known])
        spread = self.known[slots] * WORD_VARIANCE
        curvature = chances * (1.0 - chances)
        damping = 1.0 + curvature * (total(spread, axis=-1) * value * value + own)
        step, firm = surprise / damping, curvature / damping
        self.words[slots] += spread * value * step[:, None]
        self.known[slots] = np.maximum(spread - (spread * value) ** 2 * firm[:, None], LEAST) / WORD_VARIANCE
        for one, toward, firmer in zip(known, (own * step).tolist(), (own - own * own * firm).tolist(), strict=True):
            one.effect, one.variance = one.effect + toward, max(firmer, LEAST)

    def _remember(self, agent: str, share: float, won: bool, now: float) -> None:
        known = self.candidates.pop(agent, None) or Candidate(at=now)
        known.load = known.load * faded(now - known.at, LOAD_HALF_LIFE) + 1.0
        known.at, known.won_last = max(known.at, now), won
        known.lately.add(won, share, KEEP)
        if won:
            known.last_win = now
        self.candidates[agent] = known

    def _meet(self, agents: Sequence[str], winner: str) -> None:
        if len(agents) > MOST_TO_PAIR:
            return
        for n, one in enumerate(agents):
            for other in agents[:n]:
                pair = self.pairs.setdefault(_pair(one, other), Pair())
                pair.met += 1
                if winner in (one, other):
                    pair.won = winner

    def _stay_bounded(self) -> None:
        forget_oldest(self.candidates, MAX_AGENTS)
        forget_oldest(self.here, MAX_CELLS)
        forget_oldest(self.among, MAX_CELLS)
        forget_oldest(self.pairs, MAX_PAIRS)


def _value(slots: np.ndarray) -> float:
    """Of each word, so that long texts count no more than short ones."""
    return 1.0 / math.sqrt(max(slots.shape[-1], 1))


@functools.lru_cache(maxsize=256)
def _slots(task: TaskFacts) -> np.ndarray:
    """Where the words' effects for each candidate lie, shape (candidates, words). Pure; a task is read twice."""
    own = np.array([slot("agent", agent) for agent in task.candidates], dtype=np.int64)
    slots: np.ndarray = (own[:, None] * _SPREAD + task.slots) % SLOTS
    return slots


@functools.lru_cache(maxsize=256)
def _company(agents: tuple[str, ...]) -> str:
    """Names all who are up for a task together, in whatever order they are listed."""
    return hashlib.blake2b("\0".join(sorted(agents)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _pair(one: str, other: str) -> str:
    return f"{one}\0{other}" if one < other else f"{other}\0{one}"
