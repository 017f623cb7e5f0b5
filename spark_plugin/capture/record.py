"""Events as the journal's records: msgpack, told apart by a tag; and what a process tells besides."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from spark_hooks.events import AnyEvent, Event


class Told(msgspec.Struct, frozen=True, tag_field="$", tag="told"):
    """Counts of what never became an event, to be added to the store's counters."""

    counters: dict[str, int]


decode: Callable[[bytes], Event | Told] = msgspec.msgpack.Decoder(AnyEvent | Told).decode
"""What a record holds. Raises `msgspec.MsgspecError` or `InvalidEvent` for a record of another version."""

encode: Callable[[Event | Told], bytes] = msgspec.msgpack.Encoder().encode
"""The record of an event."""
