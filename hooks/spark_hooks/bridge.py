"""The bridge from blinker's signals to pluggy's hooks: one receiver per signal, for one sender."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from spark_hooks import fields as checks
from spark_hooks.cleaning import class_name
from spark_hooks.errors import InvalidEvent, meant_for_the_host
from spark_hooks.events import EVENT_TYPES, CustomEvent, Event, bare, build, changed, checked, fresh, name_of
from spark_hooks.plugins import Plugins
from spark_hooks.records import Receipt
from spark_hooks.signals import SIGNALS

_ENVELOPE = frozenset({"event", "event_id", "source", "time"})
_CLASSES = frozenset({*EVENT_TYPES.values(), CustomEvent})

_FIRST = 10**9
"""Ids count from here on: all of one length, so that they grow as texts, and none is padded, which takes its time."""

MAX_REASONS = 500
"""Different reasons of refusals that are told apart."""
OTHER_REASONS = "(other reasons)"


class Stamp:
    """Ids that grow with time (random ones cost a store's index dearly) and differ between processes."""

    def __init__(self) -> None:
        self._by_process: dict[int, tuple[str, Iterator[int]]] = {}  # after a fork, parent and child must not share ids

    def __call__(self) -> tuple[str, str]:
        """(a new id, what names this process in every id of it)."""
        process = os.getpid()
        own = self._by_process.get(process)
        if own is None:  # setdefault, because two threads of a child may both come here
            new = f"{time.time_ns() // 1_000_000:011x}{secrets.token_hex(4)}", itertools.count(_FIRST)
            own = self._by_process.setdefault(process, new)
        writer, count = own
        return f"{writer}-{next(count)}", writer


class Bridge:
    """Turns what `sender` signals into events and tells the plugins. `rejected` counts refusals by reason.

    The sender is kept alive until the bridge is closed.
    """

    def __init__(self, sender: object, plugins: Plugins, source: str) -> None:
        self.sender = sender
        self.source = checks.identifier(source)
        self.rejected: Counter[str] = Counter()
        self.owner: object = None
        """Whoever made the bridge; found again through `bridge_of`."""
        self._plugins = plugins
        self._stamp = Stamp()
        self._receivers: dict[str, Callable[..., Receipt | None]] = {}

    def connect(self) -> None:
        """Listen to the sender's signals; connecting twice is the same as once."""
        for name, signal in SIGNALS.items():
            if name not in self._receivers:
                self._receivers[name] = _receiver(self, EVENT_TYPES.get(name, CustomEvent))
                signal.connect(self._receivers[name], sender=self.sender, weak=False)

    def disconnect(self) -> None:
        """Listen no more."""
        for name, receiver in self._receivers.items():
            SIGNALS[name].disconnect(receiver)  # from every sender: from ours alone, blinker would keep hold of it
        self._receivers.clear()

    def close(self) -> None:
        """Listen no more, for good, and let go of the sender."""
        self.disconnect()
        self.sender = self.owner = None

    def receive(self, cls: type[Event], fields: dict[str, object]) -> Receipt:
        """Clean and validate, then tell the plugins. What passes here cannot fail later for its own sake."""
        event_id, writer = self._stamp()
        given = fields.get("event_id")
        try:
            event = self._event(cls, event_id, writer, fields)
        except meant_for_the_host():
            raise
        except BaseException as error:  # a stranger's value may raise anything, an exit too
            if self._plugins.strict:
                raise
            reason = str(error) if isinstance(error, InvalidEvent) else f"{name_of(cls)}: {class_name(error)}"
            self.count_rejected(reason)
            return Receipt(given if type(given) is str and given else event_id, "rejected", reason)
        receipt = self._plugins.notify(event, self.sender)
        return receipt or Receipt(event.id, "dropped", "nobody keeps events")

    def failed(self, cls: type[Event], error: BaseException) -> Receipt:
        """Something of Spark's own failed on an event's way to the plugins."""
        if self._plugins.strict:
            raise error
        with suppress(Exception):
            self._plugins.failed("spark", name_of(cls), error)
        return Receipt("", "dropped", f"Spark failed: {type(error).__name__}")

    def count_rejected(self, reason: str) -> None:
        """Count a refusal; those beyond `MAX_REASONS` different ones are counted together."""
        known = reason in self.rejected or len(self.rejected) < MAX_REASONS
        self.rejected[reason if known else OTHER_REASONS] += 1

    def _event(self, cls: type[Event], event_id: str, writer: str, fields: dict[str, object]) -> Event:
        if _ENVELOPE.isdisjoint(fields) and cls is not CustomEvent:  # the everyday case
            return fresh(cls, fields, event_id, self.source, _now(), writer)
        whole = fields.get("event")
        if isinstance(whole, Event):
            return self._completed(whole, event_id, writer)
        take = fields.pop
        filled = {"id": event_id, "source": self.source, "time": _now(), "writer": writer}
        own = {"id": take("event_id", None), "source": take("source", None), "time": take("time", None)}
        envelope = filled | {name: value for name, value in own.items() if value is not None and not _blank(value)}
        if cls is not CustomEvent:
            return build(cls, fields, **envelope)
        kind, about = take("type", None), take("subject", None)
        declared = EVENT_TYPES.get(bare(kind)) if isinstance(kind, str) else None
        if declared is not None:  # sent by the wrong signal, but said plainly
            return build(declared, fields, **envelope)
        return build(cls, {"type": kind, "about": about}, extra=fields, **envelope)

    def _completed(self, event: Event, event_id: str, writer: str) -> Event:
        """An event sent whole, with the gaps in its envelope filled."""
        if type(event) not in _CLASSES:
            raise InvalidEvent(name_of(type(event)), "event", "is of a class of its own; send a CustomEvent")
        if event.id and event.source and event.time is not None and event.writer:
            return checked(event)
        return changed(
            event,
            id=event.id or event_id,
            source=event.source or self.source,
            time=_now() if event.time is None else event.time,
            writer=event.writer or writer,
        )


def _blank(value: object) -> bool:
    return isinstance(value, str) and not str.__len__(value)


def _now() -> float:
    return time.time_ns() // 1000 / 1e6  # as exact as the text of a time can say it


def _receiver(bridge: Bridge, cls: type[Event]) -> Callable[..., Receipt | None]:
    """What blinker calls: a plain function, because blinker looks long and hard at anything else at every send."""

    def receive(sender: object, /, **fields: object) -> Receipt | None:
        if sender is not bridge.sender:  # blinker takes texts and numbers that are equal for the same
            return None
        try:
            return bridge.receive(cls, fields)
        except meant_for_the_host():
            raise
        except BaseException as error:  # ours: it is neither the sender's doing nor its concern
            return bridge.failed(cls, error)

    receive.bridge = bridge  # type: ignore[attr-defined]  # so that a bridge can be found by its sender
    return receive


def bridge_of(sender: object) -> Bridge | None:
    """The bridge that listens to `sender`, if there is one: the signals themselves are the registry."""
    for receiver in SIGNALS["task_posted"].receivers_for(sender):
        bridge = getattr(receiver, "bridge", None)
        if isinstance(bridge, Bridge) and bridge.sender is sender:
            return bridge
    return None
