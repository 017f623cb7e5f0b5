"""What any forecaster must keep to, whatever is inside of it: run these on a model of your own before you trust it.

Each check takes `make`, which gives a new forecaster with the interface of `Eidos` (`Forecaster`), lives through made
streams with it, and raises `Unfit` where a rule is broken. The streams are seeded: a model passes always or never. The
docstring of a check is the one place where its rule is written, and where it comes from.

>>> from spark_eidos import Eidos
>>> never_nan(Eidos)
>>> learns_a_constant(Eidos)
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from spark_eidos.errors import Unfit
from spark_eidos.forecaster import Award, AwardForecast, Forecast, Outcome
from spark_eidos.rules import FLOOR, log_loss
from spark_eidos.tally import Rates
from spark_eidos.task import TaskFacts, facts
from spark_hooks import Interval

EXACT = 1e-9
"""Sums over the same numbers in another order differ by their rounding, and by no more."""
HASHING_MEAN, HASHING_MOST = 5e-3, 0.1
"""Another name lies in another slot of a hashed table, beside other neighbours: with few thousand features in 2^16
slots some per cent of them share one, so that single forecasts move a little and their mean hardly does."""
REGRET = 0.02
"""Nats per attempt, over a thousand: what looking for more than a rate may cost where there is no more."""
AGENTS = ("ada", "bo", "cy", "di", "eve", "fay")
WORDS = ("login", "cache", "index", "parser", "socket", "button", "schema", "thread", "upload", "report")


class Forecaster(Protocol):
    """What is checked: `Eidos`, or anything with these four. A draft is whatever `forecast` gave as one."""

    def forecast(self, task: TaskFacts, now: float) -> tuple[Forecast, Any]: ...
    def forecast_award(self, task: TaskFacts, agent: str, now: float, draft: Any = None) -> AwardForecast: ...
    def observe_award(
        self, task: TaskFacts, made: Forecast | None, award: Award, draft: Any = None
    ) -> Mapping[str, float]: ...
    def observe_outcome(
        self, task: TaskFacts, made: AwardForecast, outcome: Outcome, now: float
    ) -> Mapping[str, float]: ...


F = TypeVar("F", bound=Forecaster)
Make = Callable[[], F]


@dataclass(frozen=True, slots=True)
class Life:
    """A task posted `at`, given to `agent` a moment later, and brought to its end; `effort` in seconds and money."""

    task: TaskFacts
    agent: str
    succeeded: bool
    at: float = 0.0
    bids: Mapping[str, float] = field(default_factory=dict)
    effort: float | None = None


def live(model: Forecaster, life: Life, *, drafted: bool = True) -> tuple[Forecast, AwardForecast, dict[str, float]]:
    """Forecast, score and learn one life, in that order; what was forecast, and the scores."""
    task, agent, awarded = life.task, life.agent, life.at + 0.25
    forecast, draft = model.forecast(task, life.at)
    draft = draft if drafted else None
    made = model.forecast_award(task, agent, awarded, draft)
    award = Award(agent, life.at, awarded, True, life.bids.get(agent), life.bids)
    scores = dict(model.observe_award(task, forecast, award, draft))
    outcome = Outcome(life.succeeded, life.effort, life.effort)
    return forecast, made, scores | dict(model.observe_outcome(task, made, outcome, life.at + 0.5))


def swarm(seed: int, tasks: int, agents: Sequence[str] = AGENTS) -> list[Life]:
    """A made stream: agents of different skill and price, tasks that come again, categories, words, bids."""
    rng = random.Random(seed)
    ability = {agent: rng.gauss(0.5, 1.5) for agent in agents}
    price = {agent: rng.uniform(0.6, 0.9) for agent in agents}
    lives = []
    for n in range(tasks):
        kind, candidates = rng.randrange(25), rng.sample(list(agents), min(4, len(agents)))
        text = " ".join(WORDS[(kind * 3 + step) % len(WORDS)] for step in range(4))
        category = ("db", "docs", None)[kind % 3]
        task = facts(f"t-{kind % 5}.{n}", f"{text} {kind}", candidates, category, 100.0)
        bids = {agent: 100.0 * price[agent] * rng.uniform(0.9, 1.1) for agent in candidates}
        chosen = min(candidates, key=bids.__getitem__)
        succeeded = rng.random() < 1.0 / (1.0 + math.exp((kind - 12) / 6.0 - ability[chosen]))
        lives.append(Life(task, chosen, succeeded, float(n), bids, rng.lognormvariate(3.0, 0.5)))
    return lives


def never_nan(make: Make[F]) -> None:
    """Whatever finite values come, in whatever order of time, every probability lies in [0.001, 0.999], the candidates'
    chances of winning sum to 1, and intervals and scores are finite and in order: a single NaN would poison all sums
    for ever. (What a proper score needs: Gneiting & Raftery, JASA 102, 2007.)"""
    model = make()
    for life in (*swarm(1, 60), *_wild(2, 200), *swarm(3, 60)):
        forecast, made, scores = live(model, life)
        _sound(forecast, made)
        bad = [name for name, score in scores.items() if not math.isfinite(score)]
        _require(not bad, f"scores are not finite: {bad}")


def ties_have_no_order(make: Make[F]) -> None:
    """Candidates of whom the same is known get the same numbers, and naming the candidates in another order changes
    nobody's: else the first in the list is favoured, and a forecast hangs on how a coordinator keeps its agents. (The
    symmetry of a choice model: Luce, "Individual Choice Behavior", 1959.)"""
    model = _taught(make, swarm(4, 150))
    twins = TaskFacts(("new-1", "new-2", "new-3"), "db", 100.0)
    forecast, _ = model.forecast(twins, 200.0)
    for what, told in (("winning", forecast.winner), ("success", forecast.success)):
        _require(_spread(told.values()) <= EXACT, f"three strangers have different chances of {what}: {told}")
    for life in swarm(5, 20):
        turned = life.task._replace(candidates=tuple(reversed(life.task.candidates)))
        one, _ = model.forecast(life.task, 200.0)
        other, _ = model.forecast(turned, 200.0)
        for agent in life.task.candidates:
            gap = max(abs(one.winner[agent] - other.winner[agent]), abs(one.success[agent] - other.success[agent]))
            _require(gap <= EXACT, f"{agent}'s numbers change by {gap:.2g} with the order of the candidates")


def survives_storage(make: Make[F], dump: Callable[[F], bytes], load: Callable[[bytes], F]) -> None:
    """What is stored and read back goes on as the original would, to the same bytes: a snapshot is a cache of the log
    and nothing else (Fowler, "Event Sourcing", 2005: snapshots)."""
    lives = swarm(6, 160)
    original = _taught(make, lives[:80])
    stored = dump(original)
    restored = load(stored)
    _require(dump(restored) == stored, "what is read back is not what was stored")
    for life in lives[80:]:
        _require(live(original, life) == live(restored, life), "the restored model forecasts something else")
    _require(dump(restored) == dump(original), "the restored model has learned something else")


def asking_changes_nothing(make: Make[F], dump: Callable[[F], bytes]) -> None:
    """Forecasts leave the model as it is: commands and coordinators may ask at any time, and the log would not know of
    it. (Same log, same state: Kleppmann, "Designing Data-Intensive Applications", 2017, chapter 11.)"""
    model = _taught(make, swarm(7, 60))
    before = dump(model)
    for life in (*swarm(8, 20), *_wild(9, 20)):
        _, draft = model.forecast(life.task, 100.0)
        model.forecast_award(life.task, life.agent, 101.0, draft)
        model.forecast_award(life.task, "nobody", 101.0)
    _require(dump(model) == before, "a question changed the model")


def drafts_change_nothing(make: Make[F], dump: Callable[[F], bytes]) -> None:
    """A draft saves time and changes no bit: after a restart there is none, and the forecasts must be the same. (The
    rule of every cache: memoisation, Michie, Nature 218, 1968.)"""
    with_it, without = make(), make()
    for life in (*swarm(10, 120), *_wild(11, 60)):
        one, other = live(with_it, life), live(without, life, drafted=False)
        _require(one == other, f"a draft changes the forecast: {one} and {other}")
    _require(dump(with_it) == dump(without), "a draft changes what is learned")


def learns_a_constant(make: Make[F]) -> None:
    """Who always succeeds is forecast to, above 0.9 after a hundred outcomes, and who always fails to fail: the least
    that consistency asks for (Dawid, "The Well-Calibrated Bayesian", JASA 77, 1982)."""
    model = make()
    for n in range(200):
        live(model, _plain(n, "ada" if n % 2 else "bo", n % 2 == 1))
    forecast, _ = model.forecast(_plain(200, "ada", True).task, 200.0)
    always, never = forecast.success["ada"], forecast.success["bo"]
    _require(always > 0.9, f"who always succeeds has {always:.3f}")
    _require(never < 0.1, f"who always fails has {never:.3f}")


def learns_a_choice(make: Make[F]) -> None:
    """Who is always chosen is forecast to be, above 0.8 after a hundred choices: the conditional logit's likelihood has
    no other maximum (McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", 1974)."""
    model = make()
    for n in range(100):
        live(model, _plain(n, "bo", n % 3 > 0))
    forecast, _ = model.forecast(_plain(100, "bo", True).task, 100.0)
    _require(forecast.winner["bo"] > 0.8, f"who is always chosen has {forecast.winner['bo']:.3f}")


def learns_a_price(make: Make[F]) -> None:
    """Winning bids that are always near the same part of the reserve are covered about as often as promised, by an
    interval not much wider than they spread: valid and efficient (Vovk, Gammerman & Shafer, "Algorithmic Learning in a
    Random World", 2005)."""
    rng, model, hits, widths = random.Random(12), make(), [], []
    for n in range(500):
        life = _plain(n, "ada", True)
        bid = 100.0 * rng.uniform(0.7, 0.8)
        forecast, _, scores = live(model, replace(life, bids={"ada": bid}))
        if n >= 100:
            _require(forecast.bid is not None, "no interval after a hundred winning bids")
            assert forecast.bid is not None
            hits.append(scores["bid_covered"])
            widths.append(forecast.bid.high - forecast.bid.low)
    covered, width = _mean(hits), _mean(widths)
    _require(0.72 <= covered <= 0.88, f"an interval that promises 0.8 covers {covered:.3f}")
    _require(width <= 10.0, f"bids that spread over 10 get an interval {width:.1f} wide")


def learns_a_step(make: Make[F]) -> None:
    """An agent that changes, for worse or for better, is forecast by what it does now at the latest fifty outcomes
    later: a name may be used again by a fresh session (tracking the best expert: Herbster & Warmuth, Machine Learning
    32, 1998)."""
    for before in (True, False):
        model = make()
        for n in range(150):
            live(model, _plain(n, "ada", before if n < 100 else not before))
        forecast, _ = model.forecast(_plain(150, "ada", True).task, 150.0)
        now = forecast.success["ada"]
        _require((now < 0.5) == before, f"fifty outcomes after a change the old way still counts for more: {now:.3f}")


def stays_bounded(make: Make[F], size: Callable[[F], int], tasks: int) -> None:
    """Agents, categories, tasks and words that never end do not make it larger: after `tasks` tasks, enough to meet
    every bound, as many again add less than a tenth of a byte each to its `size`. (A counter may get longer; what is
    kept of each takes more.) Streams allow no more: Domingos & Hulten, "Mining High-Speed Data Streams", KDD 2000."""
    model, sizes = make(), []
    for n in range(2 * tasks):
        live(model, _unheard_of(n))
        if n + 1 in (tasks, 2 * tasks):
            sizes.append(size(model))
    _require(10 * (sizes[1] - sizes[0]) < tasks, f"{tasks} tasks more took it from {sizes[0]} to {sizes[1]} bytes")


def names_do_not_matter(make: Make[F]) -> None:
    """Agents renamed, every one, everywhere: the forecasts stay, but for the noise of hashing, which sends a new name
    to another slot (Weinberger et al., "Feature Hashing", ICML 2009). A name is no evidence."""
    model, renamed = make(), make()
    lives, gaps = swarm(13, 400), []
    new = {agent: f"agent {n} of another swarm" for n, agent in enumerate(AGENTS)}
    for life in lives:
        one, made, _ = live(model, life)
        other, made_there, _ = live(renamed, _renamed(life, new))
        gaps += [abs(p - other.success[new[agent]]) for agent, p in one.success.items()]
        gaps += [abs(p - other.winner[new[agent]]) for agent, p in one.winner.items()]
        gaps.append(abs(made.success - made_there.success))
    _require(_mean(gaps) <= HASHING_MEAN, f"other names move forecasts by {_mean(gaps):.4f} in the mean")
    _require(max(gaps) <= HASHING_MOST, f"other names move a forecast by {max(gaps):.3f}")


def is_no_worse_than_rates(make: Make[F]) -> None:
    """Where there is nothing to know but a rate, be it the swarm's or the agent's, it costs no more than a small regret
    against knowing just that, over a thousand attempts (prediction with expert advice: Cesa-Bianchi & Lugosi,
    "Prediction, Learning, and Games", 2006)."""
    for name, rates in (("one rate", dict.fromkeys(AGENTS, 0.7)), ("rates of agents", _ladder()), ("none", {})):
        loss, base, agent = _plain_losses(make(), rates)
        regret = loss - min(base, agent)
        _require(regret <= REGRET, f"{regret:.4f} nats an attempt worse than a plain rate, where there is {name}")


def _plain_losses(model: Forecaster, rates: Mapping[str, float]) -> tuple[float, float, float]:
    """Mean log loss of the model, of the swarm's rate and of the agent's, where outcomes are drawn by `rates`."""
    rng, counted, losses = random.Random(14), Rates(), []
    for n in range(1_000):
        agent = rng.choice(AGENTS)
        succeeded = rng.random() < rates.get(agent, 0.5)
        said = counted.base_rate(), counted.agent_rate(agent)
        _, made, _ = live(model, _plain(n, agent, succeeded))
        counted.learn_one(agent, None, succeeded)
        losses.append([log_loss(p, succeeded) for p in (made.success, *said)])
    loss, base, own = (_mean(column) for column in zip(*losses, strict=True))
    return loss, base, own


def _ladder() -> dict[str, float]:
    return {agent: (n + 0.5) / len(AGENTS) for n, agent in enumerate(AGENTS)}


def _plain(n: int, agent: str, succeeded: bool) -> Life:
    """A task of which nothing is known but who is up for it, and what may be bid."""
    return Life(TaskFacts(AGENTS, None, 100.0), agent, succeeded, float(n))


def _unheard_of(n: int) -> Life:
    candidates = (f"agent-{n:09d}", f"other-{n:09d}")
    # the reserve comes only half of the time, so that both ways to read a bid meet their bounds
    task = facts(f"f{n:09d}.1", f"task {n:09d}", candidates, f"category-{n:09d}", 100.0 if n % 2 else None)
    return Life(task, candidates[0], n % 3 > 0, float(n), dict.fromkeys(candidates, 50.0 + n % 10), 1.0 + n % 7)


def _wild(seed: int, tasks: int) -> list[Life]:
    """What no sane swarm sends and every contract allows."""
    rng = random.Random(seed)
    amounts = (0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e15, 1e300, 1.7e308)
    lives = []
    for _ in range(tasks):
        candidates = tuple(rng.sample([*AGENTS, "", "\U0001f600", "x" * 300], rng.randrange(7)))
        reserve, category = rng.choice([None, *amounts]), rng.choice([None, "", "db", "y" * 300])
        task = facts("t", rng.choice(["", "fix it", "fix " * 2_000]), candidates, category, reserve)
        agent = rng.choice([*candidates, "stranger"])
        bids = {one: rng.choice(amounts) for one in (*candidates, agent)}
        lives.append(Life(task, agent, rng.random() < 0.5, rng.choice([-1e9, 0.0, 1e12]), bids, rng.choice(amounts)))
    return lives


def _renamed(life: Life, new: Mapping[str, str]) -> Life:
    task = life.task._replace(candidates=tuple(new[agent] for agent in life.task.candidates))
    return replace(life, task=task, agent=new[life.agent], bids={new[agent]: bid for agent, bid in life.bids.items()})


def _taught(make: Make[F], lives: Iterable[Life]) -> F:
    model = make()
    for life in lives:
        live(model, life)
    return model


def _sound(forecast: Forecast, made: AwardForecast) -> None:
    for p in (*forecast.success.values(), made.success):
        _require(FLOOR <= p <= 1.0 - FLOOR, f"{p} is no probability in [0.001, 0.999]")
    shares = forecast.winner.values()
    _require(all(0.0 <= p <= 1.0 for p in shares), f"{forecast.winner} are no probabilities")
    _require(not shares or abs(sum(shares) - 1.0) <= EXACT, f"{forecast.winner} do not sum to 1")
    for interval in (forecast.bid, made.duration, made.cost):
        _require(interval is None or _in_order(interval), f"{interval} is no interval")


def _in_order(interval: Interval) -> bool:
    return 0.0 <= interval.low <= interval.median <= interval.high < math.inf


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise Unfit(message)


def _spread(values: Iterable[float]) -> float:
    found = list(values)
    return max(found) - min(found) if found else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
