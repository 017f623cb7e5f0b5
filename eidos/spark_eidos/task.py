"""What is known of a task when it is posted, in the form the models read."""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SLOTS = 1 << 16
"""Size of the tables that features are hashed into (Weinberger et al., "Feature Hashing", ICML 2009)."""
READ = 2_000
"""Characters of a description that are read for its words; its fingerprint is of all of it."""
MAX_WORDS = 96

_WORD = re.compile(r"[^\W\d_][^\W\d]{2,}")
_END_OF_FAMILY = re.compile(r"^(.+)[-._/:]+[^-._/:]+$", re.DOTALL)


class TaskFacts(NamedTuple):
    """What is known of a task when it is posted.

    `fingerprint`: of the description, the same for a task that is posted again; empty without one. `words`: slots of
    its words, 16 bits each, sorted. `family`: what its id shares with its siblings' (``gt-7`` of ``gt-7.3``).
    """

    candidates: tuple[str, ...] = ()
    category: str | None = None
    reserve: float | None = None
    fingerprint: str = ""
    words: bytes = b""
    family: str = ""

    @property
    def slots(self) -> np.ndarray:
        """The words' slots, shape (words,)."""
        return slots_of(self.words)


def facts(
    task_id: str, description: str, candidates: Sequence[str], category: str | None, reserve: float | None
) -> TaskFacts:
    """The facts of a posted task.

    >>> facts("gt-7.3", "Fix the login bug", ["ada"], "bug", None).family
    'gt-7'
    >>> len(facts("t", "Fix the bug, fix it", [], None, None).slots)
    3
    """
    fingerprint, words = _read(description)
    return TaskFacts(tuple(candidates), category, reserve, fingerprint, words, family(task_id))


def slots_of(words: bytes) -> np.ndarray:
    """The slots that `TaskFacts.words` is made of."""
    return np.frombuffer(words, dtype=np.uint16).astype(np.int64)


def family(task_id: str) -> str:
    """The id without its last part; empty where it has only one."""
    found = _END_OF_FAMILY.match(task_id)
    return found.group(1) if found else ""


@functools.lru_cache(maxsize=65_536)
def slot(kind: str, *names: str) -> int:
    """Where a named feature lies in a table; the same in every process.

    >>> slot("agent", "ada") == slot("agent", "ada") != slot("category", "ada")
    True
    """
    return zlib.crc32("\0".join((kind, *names)).encode("utf-8", "surrogatepass")) % SLOTS


@functools.lru_cache(maxsize=2_048)
def _read(description: str) -> tuple[str, bytes]:
    """(fingerprint, words) of a text. Pure; kept because swarms post the same tasks again."""
    if not description:
        return "", b""
    fingerprint = hashlib.blake2b(description.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    words = sorted({slot("word", word) for word in _WORD.findall(description[:READ].lower())})[:MAX_WORDS]
    return fingerprint, np.array(words, dtype=np.uint16).tobytes()
