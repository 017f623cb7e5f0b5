"""How far a value goes that stands beside a name: quoted, bare, in a shell, behind the word for a scheme."""

from __future__ import annotations

import re
from typing import NamedTuple

from spark_plugin.redaction.values import Form

LONGEST = 65536
"""No value is read further than this."""

QUOTE = r"""(?:\\*["'`]|&quot;|&\#3[49];|\\+u002[27]|%2[27])"""
"""Quotes, also written into JSON, HTML and URLs."""

_OPENING = re.compile(rf'(?:"""|\'\'\'|{QUOTE})', re.VERBOSE)
_WRAPPER = re.compile(r"(?:\[\]byte|SecretStr|String|str|bytes|Some)\((?=[bfru]{0,2}[\"'`])|[bBfFrRuU@]{1,2}(?=[\"'])")
_OPENINGS, _WRAPPERS = frozenset("\"'`\\&%"), frozenset("[SsbBfFrRuU@")
"""What they begin with."""
_LONGEST_ANNOTATION = 300
_ANNOTATION = re.compile(
    r"""&?(?:'static[ ])?[A-Za-z_][\w.]{0,40}(?:\[[\w, ]{0,40}\])?\??(?:[ ]?\|[ ]?\w{1,20})?
    [ \t]{0,40}=[ \t]{0,40}(?=[bfru@]{0,2}["'`])""",
    re.VERBOSE,
)
# A comma, an ampersand or a bracket ends a bare value where the next pair, a space or the end follows; else it is part
# of it. So does a backslash that begins an escape.
_NEXT = r"""(?:[\s,;&|)\]}"'`]|\Z|(?:amp;)?[\w.\-]{1,40}["']?[=:])"""
_ESCAPE = r"""[nrtu"'`\\/]"""
_BARE = re.compile(rf"""(?:[^\s"'`,;&|<>(){{}}\[\]\\]++|[,;&|)\]}}](?!{_NEXT})|\\(?!{_ESCAPE}))++""")
_SHELL = re.compile(rf"""(?:[^\s"'`,;&|<>\\]++|[,;&|<>](?!{_NEXT})|\\(?!{_ESCAPE}))++""")


class Value(NamedTuple):
    """Where a value stands, and how."""

    start: int
    end: int
    form: Form


def annotated(text: str, start: int) -> int:
    """Behind a type and its sign of equality (``password: str = ``) if one stands at `start`; else `start`."""
    if text.find("=", start, start + _LONGEST_ANNOTATION) < 0:
        return start
    found = _ANNOTATION.match(text, start)
    return found.end() if found else start


def value_at(text: str, start: int, *, shell: bool = False) -> Value:
    """The value at `start`; an empty one where none stands. `shell`: only a space ends it, not a bracket."""
    if text[start : start + 1] in _WRAPPERS and (wrapper := _WRAPPER.match(text, start)):
        start = wrapper.end()
    if text[start : start + 1] in _OPENINGS and (opening := _OPENING.match(text, start)):
        end = _closing(text, opening.end(), opening.group())
        start = opening.end()
        if end is not None:
            return Value(start, end, Form.QUOTED)
    return _bare(text, start, shell=shell)


def _bare(text: str, start: int, *, shell: bool) -> Value:
    form = Form.SHELL if shell else Form.BARE
    found = (_SHELL if shell else _BARE).match(text, start, start + LONGEST)
    if found is None or (not shell and text[found.end() : found.end() + 1] in ("(", "[", "{")):
        return Value(start, start, form)
    end = found.end()
    while end > start and text[end - 1] in ".,:;":  # they belong to the sentence
        end -= 1
    return Value(start, end, form)


def _closing(text: str, start: int, quote: str) -> int | None:
    """Where a quoted value ends, on its line; None where the quote is not closed."""
    end = text.find(quote, start, start + LONGEST)
    while end > 0 and len(quote) == 1 and _escaped(text, end):
        end = text.find(quote, end + 1, start + LONGEST)
    return None if end < 0 or "\n" in text[start:end] else end


def _escaped(text: str, at: int) -> bool:
    before = text[max(0, at - 16) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
