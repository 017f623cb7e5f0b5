"""`without_secrets`: one text, clean."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import chain

from spark_plugin.redaction import blocks, pairs, tokens
from spark_plugin.redaction.spans import replaced

_SHORTEST = 8
_ROUNDS = 8

_Search = Callable[[str], re.Match[str] | None]


def without_secrets(text: str) -> str:
    """`text` with a marker such as ``[redacted: github token]`` for each secret; all else stays as it is."""
    if len(text) < _SHORTEST or not _suspicious(text):
        return text
    for _ in range(_ROUNDS):  # until nothing is found: what a marker leaves behind may read differently
        found = (blocks.private_keys, blocks.url_passwords, tokens.tokens, pairs.pairs)
        clean = replaced(text, chain.from_iterable(search(text) for search in found))
        if clean == text:
            break
        text = clean
    return text


def _suspicious(text: str) -> bool:
    """Whether a closer look is worth its time. Most texts end here."""
    as_it_is, in_small_letters = _searches()
    for search in as_it_is:
        if search(text):
            return True
    low = pairs.folded(text)
    for search in in_small_letters:  # noqa: SIM110  # a generator would cost more than the searches
        if search(low):
            return True
    return False


@cache
def _searches() -> tuple[tuple[_Search, ...], tuple[_Search, ...]]:
    """What to look for in a text as it is, and in small letters."""
    as_it_is = [*blocks.PATTERNS, *(search.pattern for search in tokens.searches())]
    return tuple(pattern.search for pattern in as_it_is), tuple(pattern.search for pattern in pairs.PATTERNS)
