"""The book of advisories: one per finding, from the event that gave rise to it until its cause is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from spark_hooks.cleaning import identifier
from spark_hooks.records import Advisory, Finding, sound
from spark_hooks.views import Detector, SwarmView, Touched

TTL_S = 14 * 24 * 3600.0
"""An advisory expires when nothing has borne it out for this long, in the log's time."""


class Change(NamedTuple):
    """What happened to an advisory: "issued", "updated", "resolved" or "expired"."""

    what: str
    advisory: Advisory


@dataclass(slots=True)
class AdvisoryBook:
    """The live advisories, by detector and topic (agent and category). Plain data; all time is the log's."""

    by_detector: dict[str, dict[str, Advisory]] = field(default_factory=dict)
    issued: int = 0
    next_expiry: float | None = None

    def live(self) -> list[Advisory]:
        """All live advisories, in no order of merit."""
        return [advisory for mine in self.by_detector.values() for advisory in mine.values()]

    def review(self, detector: Detector, view: SwarmView, touched: Touched) -> list[Change]:
        """Let one detector look at what an event touched; bring the book up to date.

        Raises what a detector raises, and what `sound` raises for a finding that is none; then nothing has changed.
        """
        found = {(f.agent, f.task_category): f for f in map(sound, detector.detect(view, touched))}
        mine = self.by_detector.get(detector.name)
        if mine is None:  # new, or a name that has to be cleaned before it can be a key
            mine = self.by_detector.setdefault(identifier(detector.name), {})
        if not found and not mine:
            return []
        changes: list[Change] = []
        for topic in touched.topics():
            key = "\0".join(part or "" for part in topic)  # cleaning leaves no NUL in an id
            if topic in found:
                changes.append(self._confirm(mine, key, found[topic], view))
            elif key in mine:
                changes.append(_retire(mine, key, "resolved"))
        return changes

    def expire(self, now: float) -> list[Change]:
        """Retire what has not been borne out for `TTL_S`; costs nothing while nothing is due."""
        if self.next_expiry is None or now < self.next_expiry:
            return []
        changes = []
        for mine in self.by_detector.values():
            due = [key for key, advisory in mine.items() if advisory.expires_at and advisory.expires_at <= now]
            changes += [_retire(mine, key, "expired") for key in due]
        self.next_expiry = min((a.expires_at for a in self.live() if a.expires_at), default=None)
        return changes

    def _confirm(self, mine: dict[str, Advisory], key: str, finding: Finding, view: SwarmView) -> Change:
        old = mine.get(key)
        if old is None:
            self.issued += 1
        mine[key] = Advisory(
            id=old.id if old else f"a{view.position}-{self.issued}",
            category=finding.category,
            priority=min(1.0, max(0.0, finding.priority)),
            title=finding.title,
            detail=finding.detail,
            suggested_action=finding.suggested_action,
            action=finding.action,
            subject=finding.agent or finding.task_category,
            evidence=finding.evidence,
            evidence_count=finding.evidence_count,
            interval=finding.interval,
            created_position=old.created_position if old else view.position,
            expires_at=view.time + TTL_S,
        )
        self.next_expiry = min(self.next_expiry or math.inf, view.time + TTL_S)
        return Change("updated" if old else "issued", mine[key])


def _retire(mine: dict[str, Advisory], key: str, state: Literal["resolved", "expired"]) -> Change:
    return Change(state, msgspec.structs.replace(mine.pop(key), state=state))
