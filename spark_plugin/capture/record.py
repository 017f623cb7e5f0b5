"""Events as the journal's records: msgpack, told apart by a tag."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from spark_hooks.events import AnyEvent, Event

decode: Callable[[bytes], Event] = msgspec.msgpack.Decoder(AnyEvent).decode
"""The event of a record. Raises `msgspec.MsgspecError` or `InvalidEvent` for a record of another version."""

encode: Callable[[Event], bytes] = msgspec.msgpack.Encoder().encode
"""The record of an event."""
