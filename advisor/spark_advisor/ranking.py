"""Which advice first, and which advice for whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from spark_hooks.records import Advisory


def ranked(advisories: Iterable[Advisory], limit: int) -> list[Advisory]:
    """The `limit` most valuable, best first; ties by id, so that the order is the same everywhere."""
    return sorted(advisories, key=lambda a: (-a.priority, a.id))[: max(limit, 0)]


def about(advisories: Iterable[Advisory], subjects: Collection[str]) -> list[Advisory]:
    """Those whose subject is one of `subjects`, or whose action names one of them as agent or category."""
    wanted = set(subjects)
    return [a for a in advisories if not wanted.isdisjoint(_named(a))]


def concerns(advisory: Advisory, candidates: Collection[str], category: str | None) -> bool:
    """Whether advice matters where a task of `category` is to be given to one of `candidates`.

    What names an agent must name a candidate, what names a category must name this one; what names neither matters
    when it is about everybody.
    """
    agent, of_category = advisory.action.get("agent"), advisory.action.get("category")
    if agent is None and of_category is None:
        return advisory.subject is None or advisory.subject == category or advisory.subject in candidates
    return (agent is None or agent in candidates) and (of_category is None or of_category == category)


def _named(advisory: Advisory) -> list[str]:
    """Whom and what advice names. An action is a plugin's own: what is no text there names nobody."""
    named = (advisory.subject, advisory.action.get("agent"), advisory.action.get("category"))
    return [one for one in named if isinstance(one, str)]
