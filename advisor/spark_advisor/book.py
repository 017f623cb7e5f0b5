"""The book of advisories: one per finding, from the event that gave rise to it until its cause is gone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from spark_hooks.records import Advisory, Finding
from spark_hooks.views import Detector, SwarmView, Touched

TTL_S = 14 * 24 * 3600.0
"""An advisory expires when nothing has borne it out for this long, in the log's time."""


class Change(NamedTuple):
    """What happened to an advisory: "issued", "updated", "resolved" or "expired"."""

    what: str
    advisory: Advisory


@dataclass(slots=True)
class AdvisoryBook:
    """The live advisories, by fingerprint (detector, agent, category). Plain data; all time is the log's."""

    live: dict[str, Advisory] = field(default_factory=dict)
    issued: int = 0
    next_expiry: float = math.inf

    def review(self, detector: Detector, view: SwarmView, touched: Touched) -> list[Change]:
        """Let one detector look at what an event touched; bring the book up to date.

        Raises what a detector raises, and `msgspec.ValidationError` for a finding that is none; then nothing changed.
        """
        topics = {_fingerprint(detector, agent, category): None for agent, category in touched.topics()}
        found = {}
        for finding in detector.detect(view, touched):
            key = _fingerprint(detector, finding.agent, finding.task_category)
            if key in topics:
                found[key] = _sound(finding)
        changes: list[Change] = []
        for key in topics:
            if key in found:
                changes += self._confirm(key, found[key], view)
            elif key in self.live:
                changes.append(self._retire(key, "resolved"))
        return changes

    def expire(self, now: float) -> list[Change]:
        """Retire what has not been borne out for `TTL_S`; costs nothing while nothing is due."""
        if now < self.next_expiry:
            return []
        due = [key for key, advisory in self.live.items() if (advisory.expires_at or math.inf) <= now]
        changes = [self._retire(key, "expired") for key in due]
        self.next_expiry = min((a.expires_at or math.inf for a in self.live.values()), default=math.inf)
        return changes

    def _confirm(self, key: str, finding: Finding, view: SwarmView) -> Iterable[Change]:
        old = self.live.get(key)
        if old is None:
            self.issued += 1
        advisory = Advisory(
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
        self.live[key] = advisory
        self.next_expiry = min(self.next_expiry, view.time + TTL_S)
        return [Change("updated" if old else "issued", advisory)]

    def _retire(self, key: str, what: str) -> Change:
        advisory = self.live.pop(key)
        return Change(what, msgspec.structs.replace(advisory, state=what))


def _fingerprint(detector: Detector, agent: str | None, category: str | None) -> str:
    return "\0".join((detector.name, agent or "", category or ""))  # cleaning leaves no NUL in an id


def _sound(finding: Finding) -> Finding:
    """The finding with every field of the declared type; a plugin's detector may hand over anything."""
    sound = msgspec.convert(msgspec.to_builtins(finding), Finding)
    if not math.isfinite(sound.priority):
        raise msgspec.ValidationError("a finding's priority must be finite")
    return sound
