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
from typing import NamedTuple

import numpy as np

from spark_eidos.arithmetic import products, total
from spark_eidos.bidding import Bidding
from spark_eidos.bounds import forget_oldest
from spark_eidos.pace import faded
from spark_eidos.rules import FLOOR
from spark_eidos.tally import cell_keys
from spark_eidos.task import SLOTS, TaskFacts, slot, slots_of

MAX_AGENTS, MAX_CELLS, MAX_PAIRS = 10_000, 10_000, 20_000
FEATURES = (
    "since_win", "won_last", "record_here", "record_lately", "record_among", "load", "fresh_win",
    "price", "price_here", "turn", "met", "knows",
)  # fmt: skip
_KNOWS = FEATURES.index("knows")
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


class Look(NamedTuple):
    """A look at the candidates before a choice.

    `features`: shape (candidates, `FEATURES`), centred over the candidates, because only differences decide a choice.
    `slots`: where the words' effects lie, shape (candidates, words). `views`: the chances as each view has them, shape
    (`VIEWS`, candidates).
    """

    features: np.ndarray
    slots: np.ndarray
    views: np.ndarray


@dataclass(slots=True)
class WinnerModel:
    """Distribution over candidates.

    >>> model, task, bidding = WinnerModel(), TaskFacts(("ada", "bo")), Bidding()
    >>> model.predict_one(task, model.look(task, 0.0, bidding))
    {'ada': 0.5, 'bo': 0.5}
    >>> for n in range(9): model.learn_one(task, "bo", float(n), n + 0.5, bidding)
    >>> model.predict_one(task, model.look(task, 9.0, bidding))["bo"] > 0.5
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

    @property
    def looks_close(self) -> bool:
        """Whether the next choice is looked at: all are, until the evidence has it that they are made by lot."""
        return self.shares[-1] < BY_LOT or self.awards % SELDOM == 0

    def look(self, task: TaskFacts, now: float, bidding: Bidding) -> Look | None:
        """What is known of the candidates at `now`; None where there is no choice, or no look is taken."""
        agents = task.candidates
        if len(agents) < 2 or not self.looks_close:
            return None
        features = self._features(task, now, bidding)
        slots = _slots(agents, task.words)
        return Look(features, slots, self._views(agents, features, slots))

    def predict_one(self, task: TaskFacts, look: Look | None) -> dict[str, float]:
        """Probability of winning per candidate, in the order given, summing to 1; empty without candidates."""
        agents = task.candidates
        if look is None:
            return dict.fromkeys(agents, 1.0 / max(len(agents), 1))
        return dict(zip(agents, (self.shares @ look.views).tolist(), strict=True))

    def learn_one(
        self, task: TaskFacts, winner: str, posted_at: float, now: float, bidding: Bidding, look: Look | None = None
    ) -> None:
        """Take in one award at `now` of a task posted at `posted_at`; `look` as it was then, where that is known.

        An award to somebody who was no candidate teaches nothing.
        """
        agents = task.candidates
        if winner not in agents:
            return
        close, look = self.looks_close, look or self.look(task, posted_at, bidding)
        if look is not None:
            self._move(agents, agents.index(winner), look)
        self.awards += 1
        if not close:
            return
        share, company = 1.0 / len(agents), _company(agents)
        if task.words:
            self.seen[_slots(agents, task.words)] += share
        for agent, here, among in zip(
            agents, cell_keys(agents, task.category), cell_keys(agents, company), strict=True
        ):
            won = agent == winner
            self._remember(agent, share, won, now)
            if task.category is not None:
                _count(self.here, here, won, share)
            _count(self.among, among, won, share)
        self._meet(agents, winner)
        self._stay_bounded()

    def _views(self, agents: Sequence[str], features: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """The chances as each view has them: the record tells, it tells half, it is by lot."""
        own = np.array([known.effect if (known := self.candidates.get(one)) else 0.0 for one in agents])
        scores = products(features, self.weights) + own
        if slots.size:
            scores += total(self.words[slots], axis=-1) * _value(slots)
        worth = np.exp(scores - scores.max())
        views = np.array([worth, np.sqrt(worth), np.ones(len(agents))])
        views /= total(views, axis=-1)[:, None]
        return views

    def _features(self, task: TaskFacts, now: float, bidding: Bidding) -> np.ndarray:
        agents = task.candidates
        here, among = cell_keys(agents, task.category), cell_keys(agents, _company(agents))
        records = [self._record(*names, now) for names in zip(agents, here, among, strict=True)]
        table = np.array(
            [
                (*record, *standing, turn, met, 0.0)
                for record, standing, turn, met in zip(
                    records, bidding.standings(agents, task.category), *self._met(agents), strict=True
                )
            ]
        )
        if task.words:
            table[:, _KNOWS] = total(np.log1p(self.seen[_slots(agents, task.words)]), axis=-1) / (len(task.words) // 2)
        centred: np.ndarray = table - total(table) / len(agents)
        return centred

    def _record(self, agent: str, here: str, among: str, now: float) -> tuple[float, ...]:
        """The features of one candidate that are its own record, in the order of `FEATURES`."""
        known = self.candidates.get(agent)
        since, load, lately, fresh, won_last = NEVER, 0.0, 0.0, 0.0, 0.0
        if known is not None:
            load = known.load * faded(now - known.at, LOAD_HALF_LIFE)
            lately, won_last = known.lately.odds(1.0), float(known.won_last)
            if known.last_win is not None:
                since = max(now - known.last_win, 0.0)
                fresh = faded(since, WIN_HALF_LIFE)
        return (
            math.log1p(since),
            won_last,
            self.here.get(here, _NO_RECORD).odds(3.0),
            lately,
            self.among.get(among, _NO_RECORD).odds(1.0),
            load,
            fresh,
        )

    def _met(self, agents: tuple[str, ...]) -> tuple[list[float], list[float]]:
        """(turns, familiarity) of each candidate: how many others won when it last met them, less those it won against,
        as a share; and the mean logarithm of how often it has met them."""
        n = len(agents)
        turns, met = [0] * n, [0.0] * n
        for one, other, key in _pairs(agents):
            pair = self.pairs.get(key)
            if pair is not None:
                often = math.log1p(pair.met)
                met[one] += often
                met[other] += often
                turn = 0 if pair.won is None else 1 if pair.won == agents[other] else -1
                turns[one] += turn
                turns[other] -= turn
        return [turn / n for turn in turns], [often / (n - 1) for often in met]

    def _move(self, agents: Sequence[str], chosen: int, look: Look) -> None:
        """Newton steps towards the choice that was made."""
        features, slots, views = look
        shares = self.shares * np.maximum(views[:, chosen], FLOOR)
        shares = np.maximum(shares / total(shares), LEAST_SHARE)
        self.shares = shares / total(shares)
        chances = views[0]
        surprise = -chances
        surprise[chosen] += 1.0
        weighed = features * chances[:, None]
        middle = total(weighed)
        self.information = self.information + weighed.T @ features - middle[:, None] * middle
        self.weights = self.weights + np.linalg.solve(self.information, surprise @ features)
        known = [self.candidates.setdefault(agent, Candidate()) for agent in agents]
        own, curvature = np.array([one.variance for one in known]), chances * (1.0 - chances)
        damping = 1.0 + curvature * own
        if slots.size:
            value = _value(slots)
            left = self.known[slots]
            spread = left * (WORD_VARIANCE * value)
            damping += curvature * total(spread, axis=-1) * value
            self.words[slots] += spread * (surprise / damping)[:, None]
            left = left - spread * spread * (curvature / damping / WORD_VARIANCE)[:, None]
            self.known[slots] = np.maximum(left, LEAST / WORD_VARIANCE)
        step, firm = surprise / damping, curvature / damping
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

    def _meet(self, agents: tuple[str, ...], winner: str) -> None:
        won = agents.index(winner)
        for one, other, key in _pairs(agents):
            pair = self.pairs.get(key)
            if pair is None:
                pair = self.pairs[key] = Pair()
            pair.met += 1
            if won in (one, other):
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
def _slots(agents: tuple[str, ...], words: bytes) -> np.ndarray:
    """Where the words' effects for each candidate lie, shape (candidates, words). Pure; a task is read twice."""
    own = np.array([slot("agent", agent) for agent in agents], dtype=np.int64)
    slots: np.ndarray = (own[:, None] * _SPREAD + slots_of(words)) % SLOTS
    return slots


@functools.lru_cache(maxsize=256)
def _company(agents: tuple[str, ...]) -> str:
    """Names all who are up for a task together, in whatever order they are listed."""
    return hashlib.blake2b("\0".join(sorted(agents)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@functools.lru_cache(maxsize=256)
def _pairs(agents: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Each two of the candidates: the later one's and the earlier one's place, and what the two are called together.
    Empty where there are too many of them. Pure; a task is read twice."""
    if len(agents) > MOST_TO_PAIR:
        return []
    return [(n, m, _pair(agents[n], agents[m])) for n in range(len(agents)) for m in range(n)]


def _pair(one: str, other: str) -> str:
    return f"{one}\0{other}" if one < other else f"{other}\0{one}"


def _count(table: dict[str, Record], key: str, won: bool, share: float) -> None:
    record = table.get(key)
    if record is None:
        record = table[key] = Record()
    record.add(won, share)
