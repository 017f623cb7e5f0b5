"""Every model passes the checks that concern it; and each check finds the model that breaks its rule."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from spark_eidos import (
    AwardForecast,
    Eidos,
    Forecast,
    bidding,
    bids,
    checks,
    effort,
    fading,
    kinship,
    scoreboard,
    skill,
    tally,
    winner,
)
from spark_eidos.errors import Unfit
from spark_hooks import Interval
from tests.eidos import parts, plain

SOUND = ("never_nan", "ties_have_no_order", "survives_storage", "asking_changes_nothing", "drafts_change_nothing")
ALWAYS = (*SOUND, "names_do_not_matter", "stays_bounded")
SUCCESS = ("learns_a_constant", "learns_a_step", "is_no_worse_than_rates")
RUN = {
    Eidos: (*ALWAYS, *SUCCESS, "learns_a_choice", "learns_a_price"),
    parts.SuccessAlone: (*ALWAYS, *SUCCESS),
    parts.SkillAlone: (*ALWAYS, *SUCCESS),
    parts.TextAlone: (*ALWAYS, "learns_a_constant", "is_no_worse_than_rates"),
    parts.RatesAlone: (*ALWAYS, "learns_a_constant", "is_no_worse_than_rates"),
    parts.FadingAlone: (*ALWAYS, "learns_a_constant", "learns_a_step"),
    parts.KinshipAlone: ALWAYS,
    parts.WinnerAlone: (*ALWAYS, "learns_a_choice"),
    parts.BidsAlone: (*ALWAYS, "learns_a_price"),
    parts.EffortAlone: ALWAYS,
}
BOUNDS = {
    bidding: {"MAX_AGENTS": 8, "MAX_CELLS": 8},
    bids: {"WINDOW": 30, "MAX_SCALES": 8},
    effort: {"WINDOW": 30, "MAX_KEYS": 8},
    fading: {"MAX_KEYS": 8},
    kinship: {"MAX_AGENTS": 8, "MAX_TASKS": 8},
    scoreboard: {"LAST": 30, "MAX_SPANS": 2},
    skill: {"MAX_AGENTS": 8, "MAX_CATEGORIES": 8, "MAX_CELLS": 8, "MAX_TASKS": 8},
    tally: {"MAX_AGENTS": 8, "MAX_CELLS": 8},
    winner: {"MAX_AGENTS": 8, "MAX_CELLS": 8, "MAX_PAIRS": 8},
}
"""Small enough that few tasks meet every one of them."""


def run(check: str, make) -> None:
    load = functools.partial(plain.load, make)
    more = {
        "survives_storage": (plain.dump, load),
        "asking_changes_nothing": (plain.dump,),
        "drafts_change_nothing": (plain.dump,),
        "stays_bounded": (lambda model: len(plain.dump(model)), 400),
    }
    getattr(checks, check)(make, *more.get(check, ()))


@pytest.fixture
def small_bounds(monkeypatch):
    for module, limits in BOUNDS.items():
        for name, limit in limits.items():
            assert hasattr(module, name)
            monkeypatch.setattr(module, name, limit)


@pytest.mark.parametrize(
    ("make", "check"), [pytest.param(make, c, id=f"{make.__name__}-{c}") for make, cs in RUN.items() for c in cs]
)
def test_a_model_passes(make, check, request):
    if check == "stays_bounded":
        request.getfixturevalue("small_bounds")
    run(check, make)


def test_eidos_runs_every_check_there_is():
    public = {name for name, value in vars(checks).items() if callable(value) and not name.startswith("_")}
    rules = {name for name in public if getattr(checks, name).__module__ == checks.__name__ and name.islower()}
    assert set(RUN[Eidos]) == rules - {"live", "swarm"}


def test_every_rule_has_a_sentence_and_a_source():
    for name in RUN[Eidos]:
        assert any(char.isdigit() for char in getattr(checks, name).__doc__), name


@dataclass(slots=True)
class Ancestor(parts.Alone):
    """Always says 0.7."""

    def chances(self, task, agents, now):
        return [0.7] * len(agents)


@dataclass(slots=True)
class Unheld(parts.RatesAlone):
    """Its rates reach 0 and 1."""

    def chances(self, task, agents, now):
        known = [self.model.agents.get(agent, tally.Tally(2, 1)) for agent in agents]
        return [one.successes / one.outcomes for one in known]


@dataclass(slots=True)
class FavoursTheFirst(parts.Alone):
    def chances(self, task, agents, now):
        return [0.6 - 0.01 * n for n in range(len(agents))]


@dataclass(slots=True)
class HangsOnTheOrder(parts.Alone):
    """Everybody gets the same, and how much hangs on the order in which those it knows are listed."""

    def chances(self, task, agents, now):
        turned = len(agents) == 4 and agents[0] > agents[-1]
        return [0.4 if turned else 0.5] * len(agents)


@dataclass(slots=True)
class RemembersElsewhere(parts.RatesAlone):
    """Not all of its state is in its fields."""

    elsewhere: ClassVar[dict[int, int]] = {}

    def learn(self, task, agent, succeeded, now, made):
        self.elsewhere[id(self)] = self.elsewhere.get(id(self), 0) + 1

    def chances(self, task, agents, now):
        return [0.5 + 0.3 * (self.elsewhere.get(id(self), 0) > 100)] * len(agents)


@dataclass(slots=True)
class CountsQuestions(parts.Alone):
    asked: int = 0

    def chances(self, task, agents, now):
        self.asked += 1
        return [0.5] * len(agents)


@dataclass(slots=True)
class TrustsItsDraft(parts.RatesAlone):
    """What it forecast at posting it says again at the award."""

    def forecast(self, task, now):
        return parts.Alone.forecast(self, task, now)[0], "a draft"

    def forecast_award(self, task, agent, now, draft=None):
        return AwardForecast(agent, 0.5 if draft else 0.6, 0.5)


@dataclass(slots=True)
class PromisesTheReserve(parts.Alone):
    """Its interval covers all there may be."""

    def forecast(self, task, now):
        forecast, draft = parts.Alone.forecast(self, task, now)
        return Forecast(forecast.winner, forecast.success, Interval(0.8, 0.0, 50.0, 100.0)), draft

    def observe_award(self, task, made, award, draft=None):
        return {} if award.bid is None else {"bid_covered": 1.0}


@dataclass(slots=True)
class KeepsEveryTask(parts.Alone):
    seen: dict[str, int] = field(default_factory=dict)

    def learn(self, task, agent, succeeded, now, made):
        self.seen[agent] = 1


@dataclass(slots=True)
class ReadsNames(parts.Alone):
    """Takes a long name for a good one."""

    def chances(self, task, agents, now):
        return [0.5 + min(len(agent), 40) / 100 for agent in agents]


@dataclass(slots=True)
class OneNameOnly(parts.Alone):
    """Knows one agent by name: the mean hardly moves, one forecast does."""

    def chances(self, task, agents, now):
        return [0.7 if agent == "fay" and now == 17.0 else 0.5 for agent in agents]


BROKEN = [
    ("never_nan", Unheld, "no probability"),
    ("ties_have_no_order", FavoursTheFirst, "strangers"),
    ("ties_have_no_order", HangsOnTheOrder, "order of the candidates"),
    ("survives_storage", RemembersElsewhere, "something else"),
    ("asking_changes_nothing", CountsQuestions, "a question"),
    ("drafts_change_nothing", TrustsItsDraft, "a draft"),
    ("learns_a_constant", Ancestor, "always succeeds"),
    ("learns_a_choice", Ancestor, "always chosen"),
    ("learns_a_price", Ancestor, "no interval"),
    ("learns_a_price", PromisesTheReserve, "covers 1.000"),
    ("learns_a_step", parts.RatesAlone, "old way"),
    ("stays_bounded", KeepsEveryTask, "took it from"),
    ("names_do_not_matter", ReadsNames, "in the mean"),
    ("names_do_not_matter", OneNameOnly, "move a forecast"),
    ("is_no_worse_than_rates", Ancestor, "rates of agents"),
]


@pytest.mark.parametrize(("check", "make", "says"), BROKEN, ids=[f"{c}-{m.__name__}" for c, m, _ in BROKEN])
def test_a_check_finds_what_breaks_its_rule(check, make, says):
    with pytest.raises(Unfit, match=says):
        run(check, make)


def test_every_check_can_fail():
    assert {check for check, _, _ in BROKEN} == set(RUN[Eidos])


@pytest.mark.parametrize(
    ("module", "name"), [pytest.param(m, n, id=f"{m.__name__}.{n}") for m, limits in BOUNDS.items() for n in limits]
)
def test_each_bound_is_needed(module, name, small_bounds, monkeypatch):
    """Whichever of them is taken away, the check sees it."""
    monkeypatch.setattr(module, name, 10_000)
    with pytest.raises(Unfit, match="took it from"):
        run("stays_bounded", Eidos)
