"""`without_secrets`: one text, clean."""

from __future__ import annotations

from itertools import chain

from spark_plugin.redaction import blocks, pairs, tokens
from spark_plugin.redaction.spans import marker, replaced

_SHORTEST = 8
_LONG = 2000
"""Looking closer at once costs a longer text no more than finding out whether to."""
_ROUNDS = 8
MOST_PLACES = 2000
WITHHELD = marker("too many to tell apart")


def without_secrets(text: str) -> str:
    """`text` with a marker such as ``[redacted: github token]`` for each secret; all else stays as it is."""
    if len(text) < _SHORTEST or (len(text) < _LONG and not _suspicious(text)):
        return text
    text = _bounded(text)
    for _ in range(_ROUNDS):  # until nothing is found: what a marker leaves behind may read differently
        found = (blocks.private_keys, blocks.url_passwords, tokens.tokens, pairs.pairs)
        clean = replaced(text, chain.from_iterable(search(text) for search in found))
        if clean == text:
            break
        text = clean
    return text


def _bounded(text: str) -> str:
    """`text`, or as much of it as has `MOST_PLACES` to look closer at; the rest is withheld.

    Each takes microseconds, and a text with so many is a list of secrets, or made to keep us busy.
    """
    if len(text) < MOST_PLACES:
        return text
    low = pairs.folded(text)
    if pairs.at_most(low) + text.count("@") <= MOST_PLACES:
        return text
    places = sorted(chain(pairs.places(low), blocks.places(text)))
    return text if len(places) <= MOST_PLACES else f"{text[: places[MOST_PLACES]]} {WITHHELD}"


def _suspicious(text: str) -> bool:
    """Whether a closer look is worth its time. Most texts end here."""
    for anchor, pattern, _ in tokens.searches():
        if anchor in text and pattern.search(text):
            return True
    if blocks.suspicious(text):
        return True
    low = pairs.folded(text)
    if not pairs.may_hold(low):
        return False
    for pattern in pairs.PATTERNS:  # noqa: SIM110  # a generator would cost more than the searches
        if pattern.search(low):
            return True
    return False
