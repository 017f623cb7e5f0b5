"""The read side: what commands and scripts see of a store. Published rows and the log; no models, no writing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypedDict, TypeVar

import msgspec

from spark_advisor import about, capture_health, ranked
from spark_eidos import Scoreboard
from spark_hooks.events import bare
from spark_hooks.records import Advisory
from spark_plugin import codec, forks
from spark_plugin.attempts import attempts, text
from spark_plugin.capture import OnDuty, journal_directory, on_duty, waiting
from spark_plugin.codec import rfc3339
from spark_plugin.errors import BadLine, StoreCorrupt
from spark_plugin.projection import published
from spark_plugin.projection.memories import Memory
from spark_plugin.store import DerivedRow, EventRow, Filter, Store, exists, open_store

Row = dict[str, Any]

T = TypeVar("T")

_CHUNK = 1000
_NEARBY = 5000
"""Events looked through for evidence: it is the newest there was when an advisory was brought up to date."""
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What a decoder raises for something else than what Spark has written."""


class Scores(TypedDict):
    """How good the forecasts were; None where nothing was measured."""

    made: int
    evaluated: int
    log_loss: float | None
    brier: float | None
    base_rate_log_loss: float | None
    agent_rate_log_loss: float | None
    skill: float | None
    skill_interval: tuple[float, float] | None
    ece: float | None
    reliability: list[dict[str, float]]
    last: dict[str, float | None]
    over_time: list[dict[str, float | None]]
    drifts: int
    winner_top1: float | None
    winner_log_loss: float | None
    uniform_log_loss: float | None
    bid_coverage: float | None
    bid_level: float | None
    bid_winkler: float | None
    duration_coverage: float | None
    cost_coverage: float | None


class Advantage(TypedDict):
    """What following the recommendations was worth; None where nothing was measured."""

    asked: int
    followed: int
    success: float | None
    gain: float | None
    gain_interval: tuple[float, float] | None


class Outcomes(TypedDict):
    """How many tasks ended, and how many of them well."""

    successes: int
    outcomes: int


class EffectRow(TypedDict):
    """What came of one detector's advice: how often it was followed, and success with it and without."""

    detector: str
    chances: int
    followed: int
    given: Outcomes
    held_out: Outcomes
    effect: float | None
    interval: tuple[float, float] | None
    weight: float


class Summary(TypedDict):
    """What is read of `published.summary`."""

    position: int
    event_types: dict[str, int]
    tasks: dict[str, int]
    unmatched: int
    parked: int
    agents: int
    memories: int
    advisories: int
    predictions: Scores
    recommendations: Advantage


log = logging.getLogger("spark")


class Readable:
    """Opens the store at `url` when it is first read. A store that is not there yet reads as empty, and is not made."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._store: Store | None = None
        self._empty: Store | None = None
        self._lock = forks.Lock()

    @property
    def exists(self) -> bool:
        """Whether there is anything at `url`."""
        return self._url is not None and exists(self._url)

    def store(self) -> Store:
        """The store. Raises `StoreError` when it cannot be read."""
        with self._lock():
            if self._store is not None:
                return self._store
            if self._url is None or not self.exists:
                if self._empty is None:
                    self._empty = open_store(self._url or "sqlite:///nothing", create=False)
                return self._empty
            self._store = open_store(self._url, create=False)
            return self._store

    def waiting(self) -> int:
        """How many events lie in the journals beside the store. Raises `StoreError` for a URL that is none."""
        return 0 if self._url is None else waiting(journal_directory(self._url))

    def on_duty(self) -> OnDuty | None:
        """The worker that drains the journals beside the store. Raises `StoreError` for a URL that is none."""
        return None if self._url is None else on_duty(journal_directory(self._url))

    def close(self) -> None:
        """Let go of the store; it is opened again when it is read again."""
        with self._lock():
            for store in (self._store, self._empty):
                if store is not None:
                    store.close()
            self._store = self._empty = None


class EventLog:
    """The events, and what was derived from them, as plain rows."""

    def __init__(self, readable: Readable) -> None:
        self._readable = readable

    def query(self, *, limit: int | None = 50, newest_first: bool = True, **which: Any) -> list[Row]:
        """Events, as rows. Filters: `type` (bare or ``swarm.``), `agent`, `task`, `importance` (at least), `since`
        (seconds since 1970), `after` and `before` (positions, exclusive)."""
        rows = self._readable.store().events(_filter(which), limit=limit, newest_first=newest_first)
        return [_event_row(row) for row in rows]

    def count(self, **which: Any) -> int:
        """How many events there are; filters as in `query`."""
        return self._readable.store().count(_filter(which))

    def behind(self, advisory: Advisory) -> list[Row]:
        """The events that are the evidence of an advisory, in the order of the log, as far as they are found nearby."""
        store, upto, wanted = self._readable.store(), advisory.updated_position, set(advisory.evidence)
        if upto is None or not wanted:
            return []
        for agent in (advisory.subject, None):
            rows = store.events(Filter(agent=agent, before=upto + 1), limit=_NEARBY, newest_first=True)
            found = [row for row in rows if row.id in wanted]
            if found:
                return [_event_row(row) for row in reversed(found)]
        return []

    def export(self, *, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """(position, CloudEvents line) of every event behind `after`, in order; what comes meanwhile is included.

        One that cannot be read is left out, and the log says so.
        """
        store = self._readable.store()
        while rows := store.events(Filter(after=after), limit=_CHUNK):
            for row in rows:
                try:
                    yield row.position, codec.encode(codec.restored(row.data))
                except BadLine as error:
                    log.warning("the event at position %d cannot be read and is left out: %s", row.position, error)
            after = rows[-1].position

    def timeline(self, *, limit: int = 50, **which: Any) -> list[Row]:
        """Events and derived rows together, the newest first; a derived row has the position of its cause."""
        store, wanted = self._readable.store(), _filter(which)
        rows = [_event_row(row) for row in store.events(wanted, limit=limit, newest_first=True)]
        derived = store.derived(wanted, limit=limit, newest_first=True)
        rows += [_derived_row(row) for row in derived]
        rows.sort(key=lambda row: (row["position"], row["derived"], row["type"]), reverse=True)
        return rows[:limit]


class Predictions:
    """The ledger of predictions."""

    def __init__(self, readable: Readable) -> None:
        self._readable = readable

    def summary(self) -> Row:
        """The scores over all attempts; None where nothing was measured."""
        known = summary(self._readable.store())
        return dict(known["predictions"]) if known else Scoreboard().summary()

    def rows(self) -> Iterator[Row]:
        """One row per attempt (one for a task never assigned), in the order in which the tasks were first heard of."""
        store = self._readable.store()
        for task_position in store.tasks():
            yield from attempts(store.derived_of_task(task_position))

    def newest(self, limit: int) -> list[Row]:
        """The rows of the tasks heard of last, newest first; at most `limit`."""
        store = self._readable.store()
        found: list[Row] = []
        for task_position in store.tasks(limit=limit):
            found += reversed(list(attempts(store.derived_of_task(task_position))))
        return found[:limit]


class Advice:
    """The advisories as published."""

    def __init__(self, readable: Readable) -> None:
        self._readable = readable

    def live(self, limit: int) -> list[Advisory]:
        """The live ones, most valuable first; among them that events were dropped, by whatever process."""
        dropped = self._readable.store().counters().get("dropped", 0)
        return ranked([*self.issued(limit), *capture_health(None, 0, {"events": dropped})], limit)

    def issued(self, limit: int = sys.maxsize) -> Iterable[Advisory]:
        """The live ones that the detectors found: the `limit` most valuable, and perhaps more."""
        store = self._readable.store()
        best = store.model(published.BEST, published.BEST_KEY) if limit <= published.MOST else None
        if best is not None:
            return _read(store, best, list[Advisory])
        return [advisory for advisory in self._read(published.ADVISORY) if not advisory.held_out]

    def all(self, limit: int) -> list[Advisory]:
        """The live ones, then those that are held out or retired, each most valuable first."""
        live = self.live(limit)
        others = [one for one in self._read(published.ADVISORY) if one.held_out]
        return live + ranked([*others, *self._read(published.ADVISORY_RETIRED)], limit - len(live))

    def rows(self, *, retired: bool, category: str | None, agent: str | None, limit: int) -> list[Advisory]:
        """Those of one category or about one agent; with `retired`, the retired ones too."""
        if not retired and category is None and agent is None:
            return self.live(limit)
        found = self.all(sys.maxsize) if retired else self.live(sys.maxsize)
        found = found if category is None else [advisory for advisory in found if advisory.category == category]
        return (found if agent is None else about(found, {agent}))[:limit]

    def effects(self) -> list[EffectRow]:
        """What came of each detector's advice, by its name."""
        store = self._readable.store()
        return [_read(store, data, EffectRow) for data in store.models(published.EFFECT).values()]

    def named(self, advisory_id: str) -> Advisory | None:
        """The advisory of an id, live or retired."""
        return next((one for one in self._everything() if one.id == advisory_id), None)

    def _everything(self) -> Iterable[Advisory]:
        return [*self.live(sys.maxsize), *self._read(published.ADVISORY), *self._read(published.ADVISORY_RETIRED)]

    def _read(self, kind: str) -> Iterable[Advisory]:
        store = self._readable.store()
        return [_read(store, data, Advisory) for data in store.models(kind).values()]


class Memories:
    """What was consolidated."""

    def __init__(self, readable: Readable) -> None:
        self._readable = readable

    def rows(self, *, kind: str | None = None, agent: str | None = None, limit: int = 50) -> list[Row]:
        """The memories, of one kind or one agent: those that hold first, then by evidence."""
        store = self._readable.store()
        rows = [msgspec.to_builtins(_read(store, data, Memory)) for data in store.models(published.MEMORY).values()]
        rows = [row for row in rows if agent in (None, row["agent_id"]) and kind in (None, row["kind"])]
        return sorted(rows, key=lambda row: (row["state"] != "held", -row["outcomes"], row["id"]))[:limit]


def summary(store: Store) -> Summary | None:
    """The published summary; None before anything was stored."""
    data = store.model(published.SUMMARY, published.SUMMARY_KEY)
    return None if data is None else _read(store, data, Summary)


def scoreboard(store: Store, kind: str) -> dict[str, Row]:
    """The published cards of kind `published.AGENT` or `published.CATEGORY`, by id."""
    return {key: _read(store, data, Row) for key, data in store.models(kind).items()}


def _read(store: Store, data: bytes, kind: type[T]) -> T:
    """A published row. Raises `StoreCorrupt` where something else was put in its place."""
    try:
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE as error:
        raise StoreCorrupt(
            store.url, f"a read model cannot be read: {error}", "run `spark doctor --rebuild`"
        ) from error


def _filter(which: dict[str, Any]) -> Filter:
    if which.get("type"):
        which = {**which, "type": bare(which["type"])}
    return Filter(**which)


def _event_row(row: EventRow) -> Row:
    try:
        document = _document(codec.encode(codec.restored(row.data)))
    except BadLine:  # something else was put in its place
        document = {}
    data = document.get("data")
    return {
        "position": row.position,
        "derived": False,
        "type": text(row.type),
        "time": text(document.get("time")),
        "task_id": text(row.task_id),
        "agent_id": text(row.agent_id),
        "importance": _number(row.importance),
        "id": text(row.id),
        "source": text(row.source),
        "data": data if isinstance(data, dict) else {},
    }


def _document(data: bytes) -> Row:
    """A stored JSON document; empty where something else was put in its place."""
    try:
        document = msgspec.json.decode(data)
    except _UNREADABLE:
        return {}
    return document if isinstance(document, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _moment(value: object) -> str | None:
    try:
        return rfc3339(_number(value))
    except OverflowError:
        return None


def _derived_row(row: DerivedRow) -> Row:
    return {
        "position": row.position if isinstance(row.position, int) else 0,
        "derived": True,
        "type": text(row.kind),
        "time": _moment(row.time),
        "task_id": text(row.task_id),
        "agent_id": text(row.agent_id),
        "importance": _number(row.importance),
        "id": text(row.subject),
        "source": None,
        "data": _document(row.data),
    }


for _kind in (Summary, EffectRow, list[Advisory], Memory):
    msgspec.json.Decoder(_kind)  # looked at once, before threads do so at the same time: the process would die of it
