"""Detectors of others at arm's length: what they look at cannot be changed through it, and they come to an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from spark_hooks.records import Finding
from spark_hooks.views import Detector, SwarmView, Touched

MAX_FINDINGS = 1000
"""Most findings taken of one call: it may make only one for each of four topics, but its iterator may have no end."""

_PLAIN = (int, float, str, bytes, tuple, type(None))


class Guarded:
    """A detector that somebody else brought. `name` and `watches` are what it said then."""

    def __init__(self, detector: Detector, name: str, watches: frozenset[str] | None = None) -> None:
        self.name = name
        if watches is not None:
            self.watches = watches
        self._detector = detector

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        """As the detector finds. Raises what it raises."""
        return list(islice(self._detector.detect(read_only(view), touched), MAX_FINDINGS))


def read_only(thing: Any) -> Any:
    """A view of a thing through which one reads values and no more: nothing can be set, no method called."""
    if isinstance(thing, _PLAIN):
        return thing
    if isinstance(thing, Mapping):
        return _Mapping(thing)
    if isinstance(thing, list):
        return tuple(read_only(one) for one in thing)
    return _View(thing)


class _View:
    __slots__ = ("_View__of",)

    def __init__(self, of: object) -> None:
        object.__setattr__(self, "_View__of", of)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__of, name)
        if name.startswith("_") or callable(value):
            raise AttributeError(f"{name} is no part of the view")
        return read_only(value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a view cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a view cannot be changed")


class _Mapping(Mapping[str, Any]):
    __slots__ = ("_Mapping__of",)

    def __init__(self, of: Mapping[str, Any]) -> None:
        self.__of = of

    def __getitem__(self, key: str) -> Any:
        return read_only(self.__of[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.__of)

    def __len__(self) -> int:
        return len(self.__of)
