"""The book of advisories: one per finding, from the event that gave rise to it until its cause is gone.

What detectors find waits here until there is room for it: the most valuable first, a few an hour, and never more live
ones than somebody can look after. What people and coordinators do comes in through `answer`; everything else follows
from the log. Plain data; all time is the log's.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from spark_advisor.effects import Effect
from spark_advisor.ranking import opposed, stances
from spark_eidos.bounds import forget_oldest
from spark_hooks.cleaning import identifier
from spark_hooks.records import Advisory, Finding, State, sound
from spark_hooks.views import Detector, SwarmView, Touched

HOUR = 3600.0
TTL_S = 14 * 24 * HOUR
"""An advisory expires when nothing has borne it out for this long."""
COOLDOWN_S = HOUR
"""Once delivered, a finding that goes and comes back is not given anew for so long."""
BUDGET = 6
"""New advisories an hour."""
MOST_LIVE = 12
DISPLACED_BY = 1.5
"""So many times as valuable must a finding be that takes the place of a live one."""
AGAIN_S = 600.0
"""What waits is looked at again after so long, unless something makes room for it before."""
MAX_REMEMBERED = 5_000
DISMISSED_WORTH = 0.5
"""What a finding is worth of a detector that was dismissed about its subject before."""
_ANSWERS: dict[str, State] = {
    "delivered": "delivered",
    "acknowledged": "acknowledged",
    "followed": "followed",
    "dismissed": "dismissed",
}
_ORDER = ("issued", "delivered", "acknowledged", "followed")


class HoldOut(NamedTuple):
    """The share of advice that is shown to nobody, so that what is followed has something to be compared with."""

    share: float = 0.0
    seed: int = 0

    def holds(self, advisory_id: str) -> bool:
        """Whether an advisory is held out; chance, but the same at every replay."""
        if self.share <= 0.0:
            return False
        digest = hashlib.blake2b(f"{self.seed}\0{advisory_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2.0**64 < self.share


NOTHING = HoldOut()


class Change(NamedTuple):
    """What happened to an advisory: "issued", "updated", "resolved", "expired", "dismissed"."""

    what: str
    advisory: Advisory


class Place(NamedTuple):
    """Where a finding belongs: its detector, and its topic."""

    detector: str
    topic: str

    @property
    def key(self) -> str:
        return f"{self.detector}\0{self.topic}"


class Waiting(NamedTuple):
    """A finding that waits for room, and the position of the event at which it was found last."""

    finding: Finding
    position: int


@dataclass(slots=True)
class AdvisoryBook:
    """The live advisories and the findings that wait, by detector and topic (agent and category)."""

    by_detector: dict[str, dict[str, Advisory]] = field(default_factory=dict)
    waiting: dict[str, dict[str, Waiting]] = field(default_factory=dict)
    muted: dict[str, None] = field(default_factory=dict)
    """Findings that were dismissed, as long as they hold."""
    dismissals: dict[str, int] = field(default_factory=dict)
    """How often advice of a detector about a subject was dismissed."""
    delivered: dict[str, float] = field(default_factory=dict)
    """When advice on a finding was delivered last."""
    effects: dict[str, Effect] = field(default_factory=dict)
    """What came of each detector's advice."""
    issued: int = 0
    issued_at: list[float] = field(default_factory=list)
    """The newest `BUDGET` times."""
    next_expiry: float | None = None
    next_look: float | None = None
    """When what waits is looked at again; None when nothing waits."""

    def live(self) -> list[Advisory]:
        """All live advisories, those that are held out too, in no order of merit."""
        return [advisory for mine in self.by_detector.values() for advisory in mine.values()]

    def shown(self) -> list[Advisory]:
        """The live advisories that are not held out."""
        return [advisory for advisory in self.live() if not advisory.held_out]

    def review(self, detector: Detector, view: SwarmView, touched: Touched) -> list[Change]:
        """Let one detector look at what an event touched. What it finds for the first time waits for `settle`.

        Raises what a detector raises, and what `sound` raises for a finding that is none; then nothing has changed.
        """
        found = {}
        for one in detector.detect(view, touched):
            checked = sound(one)
            found[_topic(checked.agent, checked.task_category)] = checked
        name = detector.name
        mine = self.by_detector.get(name)
        if mine is None:  # new, or a name that has to be cleaned before it can be a key
            name = identifier(name)
            mine = self.by_detector.setdefault(name, {})
            self.waiting.setdefault(name, {})
        waiting = self.waiting[name]
        changes: list[Change] = []
        if not (found or mine or waiting or self.muted):
            return changes  # as nearly always
        for topic in _topics(touched):
            if topic in found or topic in mine or topic in waiting or self.muted:
                changes += self._reviewed(Place(name, topic), found.get(topic), view)
        return changes

    def settle(self, view: SwarmView, holdout: HoldOut = NOTHING) -> list[Change]:
        """Give the advice that there is room for, and retire what nothing has borne out for `TTL_S`.

        Costs nothing while nothing waits and nothing is due.
        """
        now = view.time
        changes = self._expired(now) if self.next_expiry is not None and now >= self.next_expiry else []
        if self.next_look is None or now < self.next_look:
            return changes
        self.next_look = None
        for place, finding in self._by_rank():
            if not self._in_budget(now):
                self.next_look = self.issued_at[0] + HOUR
                return changes
            if self._may_come(place, finding, now):
                changes += self._make_room(finding, self._worth(place, finding))
                if len(self.live()) >= MOST_LIVE:
                    break  # what follows is worth less
                changes.append(self._issue(place, view, holdout))
        if any(self.waiting.values()):
            self.next_look = now + AGAIN_S
        return changes

    def answer(self, advisory_id: str, what: str, now: float) -> Change | None:
        """Advice was delivered, acknowledged, followed or dismissed; None when there is none of that id any more."""
        for name, mine in self.by_detector.items():
            for topic, advisory in mine.items():
                if advisory.id == advisory_id:
                    return self._answered(Place(name, topic), advisory, _ANSWERS[what], now)
        return None

    def _reviewed(self, place: Place, found: Finding | None, view: SwarmView) -> list[Change]:
        mine, waiting = self.by_detector[place.detector], self.waiting[place.detector]
        live = mine.get(place.topic)
        if live is not None:
            if found is None or self._is_contradicted(found, live):
                return [self._retire(mine, place.topic, "resolved")]
            mine[place.topic] = self._advisory(place, Waiting(found, view.position), view, live)
            return [Change("updated", mine[place.topic])]
        if found is None:
            waiting.pop(place.topic, None)
            self.muted.pop(place.key, None)
        elif place.key not in self.muted and (found.firm or place.topic in waiting):
            if place.topic not in waiting:
                self.next_look = -math.inf
            waiting[place.topic] = Waiting(found, view.position)
        return []

    def _by_rank(self) -> list[tuple[Place, Finding]]:
        found = [
            (Place(name, topic), one.finding) for name, mine in self.waiting.items() for topic, one in mine.items()
        ]
        return sorted(found, key=lambda pair: (-self._worth(*pair), pair[0].key))

    def _worth(self, place: Place, finding: Finding) -> float:
        """What a finding is worth, in the light of what became of its like."""
        dismissed = self.dismissals.get(_about(place.detector, finding), 0)
        effect = self.effects.get(place.detector)
        worth = min(1.0, max(0.0, finding.priority)) * DISMISSED_WORTH**dismissed
        return worth if effect is None else worth * effect.helpful

    def _may_come(self, place: Place, finding: Finding, now: float) -> bool:
        """Whether nothing but its rank keeps a finding waiting."""
        since = self.delivered.get(place.key)
        if since is not None and now < since + COOLDOWN_S:
            return False
        return not self._is_contradicted(finding)

    def _is_contradicted(self, finding: Finding, but: Advisory | None = None) -> bool:
        """Whether live advice warns of what a finding speaks for."""
        mine = stances(finding.action)
        if all(stance.sign < 0 for stance in mine):
            return False
        return any(opposed(mine, stances(one.action), 1) for one in self.live() if one is not but)

    def _in_budget(self, now: float) -> bool:
        return len(self.issued_at) < BUDGET or now >= self.issued_at[0] + HOUR

    def _make_room(self, finding: Finding, worth: float) -> list[Change]:
        """Retire what a finding that warns contradicts, and the least of what is live where there is too much."""
        changes, against = [], stances(finding.action)
        for mine in self.by_detector.values() if any(stance.sign < 0 for stance in against) else ():
            refuted = [key for key, one in mine.items() if opposed(against, stances(one.action), -1)]
            changes += [self._retire(mine, key, "resolved") for key in refuted]
        live = [(a.priority, a.id, mine, key) for mine in self.by_detector.values() for key, a in mine.items()]
        if len(live) >= MOST_LIVE:
            priority, _, mine, key = min(live, key=lambda one: one[:2])
            if worth > DISPLACED_BY * priority:
                changes.append(self._retire(mine, key, "expired"))
        return changes

    def _issue(self, place: Place, view: SwarmView, holdout: HoldOut) -> Change:
        waited = self.waiting[place.detector].pop(place.topic)
        self.issued += 1
        self.issued_at = [*self.issued_at, view.time][-BUDGET:]
        self.effects.setdefault(place.detector, Effect())
        made = self._advisory(place, waited, view, None)
        made = msgspec.structs.replace(made, held_out=holdout.holds(made.id))
        self.by_detector[place.detector][place.topic] = made
        return Change("issued", made)

    def _advisory(self, place: Place, found: Waiting, view: SwarmView, old: Advisory | None) -> Advisory:
        finding = found.finding
        self.next_expiry = min(self.next_expiry or math.inf, view.time + TTL_S)
        return Advisory(
            id=old.id if old else f"a{view.position}-{self.issued}",
            category=finding.category,
            priority=round(self._worth(place, finding), 6),
            title=finding.title,
            detail=finding.detail,
            suggested_action=finding.suggested_action,
            action=finding.action,
            subject=finding.agent or finding.task_category,
            evidence=finding.evidence,
            evidence_count=finding.evidence_count,
            interval=finding.interval,
            state=old.state if old else "issued",
            created_position=old.created_position if old else view.position,
            expires_at=view.time + TTL_S,
            detector=place.detector,
            effect=finding.effect,
            probability=finding.probability,
            saves=finding.saves,
            figures=finding.figures,
            updated_position=found.position,
            held_out=old.held_out if old else False,
        )

    def _answered(self, place: Place, advisory: Advisory, state: State, now: float) -> Change | None:
        mine = self.by_detector[place.detector]
        if state == "dismissed":
            about = _about(place.detector, advisory)
            self.dismissals[about] = self.dismissals.pop(about, 0) + 1
            self.muted[place.key] = None
            forget_oldest(self.dismissals, MAX_REMEMBERED)
            forget_oldest(self.muted, MAX_REMEMBERED)
            return self._retire(mine, place.topic, state)
        if state == "delivered":
            self.delivered.pop(place.key, None)
            self.delivered[place.key] = now
            forget_oldest(self.delivered, MAX_REMEMBERED)
        if _ORDER.index(state) <= _ORDER.index(advisory.state):
            return None
        mine[place.topic] = msgspec.structs.replace(advisory, state=state)
        return Change("updated", mine[place.topic])

    def _expired(self, now: float) -> list[Change]:
        changes = []
        for mine in self.by_detector.values():
            due = [key for key, advisory in mine.items() if advisory.expires_at and advisory.expires_at <= now]
            changes += [self._retire(mine, key, "expired") for key in due]
        self.next_expiry = min((a.expires_at for a in self.live() if a.expires_at), default=None)
        return changes

    def _retire(self, mine: dict[str, Advisory], key: str, state: State) -> Change:
        if any(self.waiting.values()):
            self.next_look = -math.inf  # there is room
        return Change(state, msgspec.structs.replace(mine.pop(key), state=state))


@functools.lru_cache(maxsize=256)
def _topics(touched: Touched) -> tuple[str, ...]:
    """The topics of an event, as the book's keys; each detector in turn asks for them."""
    return tuple(_topic(*topic) for topic in touched.topics())


def _topic(agent: str | None, category: str | None) -> str:
    return f"{agent or ''}\0{category or ''}"  # cleaning leaves no NUL in an id


def _about(detector: str, of: Finding | Advisory) -> str:
    """Whose dismissals count: a detector's about one subject."""
    subject = of.subject if isinstance(of, Advisory) else of.agent or of.task_category
    return f"{detector}\0{subject or ''}"
