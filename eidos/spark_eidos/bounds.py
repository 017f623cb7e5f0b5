"""Bounded memory: what is forgotten is the oldest, in the same order everywhere."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def forget_oldest(table: dict[K, V], limit: int) -> list[tuple[K, V]]:
    """Take the oldest entries (in order of insertion) out of `table` until it holds `limit`; return them.

    >>> table = {"a": 1, "b": 2, "c": 3}
    >>> forget_oldest(table, 2), table
    ([('a', 1)], {'b': 2, 'c': 3})
    """
    if len(table) <= limit:
        return []
    gone = []
    while len(table) > limit:
        key = next(iter(table))
        gone.append((key, table.pop(key)))
    return gone
