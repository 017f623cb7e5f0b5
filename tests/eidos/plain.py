"""Models as bytes and back, for tests: what the projection's snapshot does, for any part by itself."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")


def dump(model: object) -> bytes:
    """All of a model's state; the same state gives the same bytes."""
    return msgspec.msgpack.encode(model, enc_hook=_packed)


def load(kind: type[T], data: bytes) -> T:
    """The model of `dump`."""
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_unpacked)


def copy(model: T) -> T:
    """A model in the same state that shares nothing."""
    return load(type(model), dump(model))


def _packed(value: object) -> object:
    assert isinstance(value, np.ndarray), f"{type(value)} is no plain data"
    return value.dtype.str, value.shape, value.tobytes()


def _unpacked(kind: type, value: Any) -> np.ndarray:
    assert kind is np.ndarray
    dtype, shape, data = value
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
