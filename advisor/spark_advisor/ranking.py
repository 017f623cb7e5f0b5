"""Which advice first, which advice for whom, and which contradicts which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from spark_hooks.records import Advisory

HALF = 2.0
"""So many failed tasks saved per 100 are worth one half."""


def worth(saves: float, probability: float) -> float:
    """Priority of a claim: what acting on it would save, times the probability that it is true, brought to 0..1.

    `saves`: failed tasks, or what they cost, per 100 tasks of the swarm. The scale is bent, its order is kept.

    >>> worth(2.0, 1.0), worth(0.0, 1.0)
    (0.5, 0.0)
    >>> worth(10.0, 0.9) > worth(2.0, 0.99) > worth(2.0, 0.5)
    True
    """
    expected = max(saves, 0.0) * probability
    return round(expected / (expected + HALF), 6)


class Stance(NamedTuple):
    """That an agent should get work (`sign` +1) or should not (-1), of one category or of all."""

    agent: str
    category: str | None
    sign: int


_FOR, _AGAINST = frozenset({"prefer"}), frozenset({"avoid", "pause", "reassign", "spread_load"})


def stances(action: Mapping[str, object]) -> list[Stance]:
    """Whom an action speaks for and whom against, the one it is about first.

    An action is a plugin's own: what is no text there names nobody.
    """
    name, category = action.get("action"), action.get("category")
    where = category if isinstance(category, str) else None
    if name == "reroute":
        named = [(action.get("from"), -1), (action.get("to"), 1)]
    elif name in _FOR or name in _AGAINST:
        named = [(action.get("agent"), 1 if name in _FOR else -1)]
    else:
        return []
    return [Stance(agent, where, sign) for agent, sign in named if isinstance(agent, str)]


def opposed(one: Iterable[Stance], other: Iterable[Stance], sign: int) -> bool:
    """Whether `one` speaks for an agent (`sign` +1; -1: against it) and `other` says the opposite of the same work."""
    for mine in one:
        for theirs in other:
            alike = mine.agent == theirs.agent and mine.sign == sign == -theirs.sign
            if alike and (mine.category is None or theirs.category is None or mine.category == theirs.category):
                return True
    return False


def ranked(advisories: Iterable[Advisory], limit: int) -> list[Advisory]:
    """The `limit` most valuable, best first; ties by id, so that the order is the same everywhere."""
    return sorted(advisories, key=lambda a: (-a.priority, a.id))[: max(limit, 0)]


def about(advisories: Iterable[Advisory], subjects: Collection[str]) -> list[Advisory]:
    """Those whose subject is one of `subjects`, or whose action names one of them."""
    wanted = set(subjects)
    return [a for a in advisories if not wanted.isdisjoint(_named(a))]


def concerns(advisory: Advisory, candidates: Collection[str], category: str | None) -> bool:
    """Whether advice matters where a task of `category` is to be given to one of `candidates`.

    What names an agent must name a candidate, what names a category must name this one; what names neither matters
    when it is about everybody.
    """
    action = advisory.action
    agent, of_category = action.get("agent", action.get("from")), action.get("category")
    if agent is None and of_category is None:
        return advisory.subject is None or advisory.subject == category or advisory.subject in candidates
    return (agent is None or agent in candidates) and (of_category is None or of_category == category)


def _named(advisory: Advisory) -> list[str]:
    """Whom and what advice names."""
    action = advisory.action
    named = (advisory.subject, action.get("agent"), action.get("category"), action.get("from"))
    return [one for one in named if isinstance(one, str)]
