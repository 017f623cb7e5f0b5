"""Private keys in PEM and PGP blocks, and passwords in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spark_plugin.redaction.spans import Span
from spark_plugin.redaction.values import Verdicts

_LONGEST_KEY = 32 * 1024

_BEGIN = re.compile(r"-(?<=-----)BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-(?<=-----)END [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----")
_KEY_DATA = re.compile(r"[A-Za-z0-9+/=]{16}")
# What stands between two lines of a key: line ends, written out or not, quotes, the margins of diffs and listings.
_BREAK = r"""(?:\s|\\+[nrt]|["'+>|,]|\d+[→:|]){1,40}"""
_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): [^\n\\]{0,80}"
_LINE = r"[A-Za-z0-9+/=]{16,}+"
_LAST_LINE = r"[A-Za-z0-9+/=]+(?=\W*\Z|\[cut)"
_CUT_KEY = re.compile(rf"(?:{_BREAK}(?:{_HEADER}|{_LINE}))*(?:{_BREAK}{_LAST_LINE})?")

_SCHEME = re.compile(r":(?=\\?/)(?<=[A-Za-z0-9]:)\\?/\\?/")
_LOGIN = re.compile(
    r"""(?P<user>[^\s:/@?\#"'`<>\\]{0,128}+):(?!\d{1,5}[/?\#])
        (?P<password>[^\s"'`<>\\/?\#]{1,256}|[^\s"'`<>\\@]{1,256}+)@(?!sha\d+:)
      |(?P<token>[\w~-]{20,256}+)@""",
    re.VERBOSE,
)
_LONGEST_LOGIN = 128 + 1 + 256 + 1


def suspicious(text: str) -> bool:
    """Whether `private_keys` or `url_passwords` may find something."""
    return _BEGIN.search(text) is not None or ("@" in text and _SCHEME.search(text) is not None)


def places(text: str) -> Iterator[int]:
    """Where `url_passwords` will look closer."""
    for found in _SCHEME.finditer(text):
        if text.find("@", found.end(), found.end() + _LONGEST_LOGIN) >= 0:
            yield found.start()


def private_keys(text: str) -> Iterator[Span]:
    """Whole blocks, and those whose end was cut off."""
    begin = _BEGIN.search(text)
    end = _END.search(text) if begin else None
    while begin:
        following = _BEGIN.search(text, begin.end())
        while end and end.start() < begin.end():
            end = _END.search(text, end.end())
        stop = _stop(text, begin.end(), following.start() if following else len(text), end)
        if stop > begin.end():
            yield Span(begin.start() - 4, stop, "private key")
        begin = following


def _stop(text: str, start: int, limit: int, end: re.Match[str] | None) -> int:
    """Where the key that begins at `start` ends; `start` where there is no key, only talk of one."""
    if end and end.start() < limit and end.start() - start <= _LONGEST_KEY:
        return end.end() if _KEY_DATA.search(text, start, end.start()) else start
    cut = _CUT_KEY.match(text, start, limit)
    return cut.end() if cut else start


def url_passwords(text: str) -> Iterator[Span]:
    """``scheme://user:password@host``, and a token in the user's place.

    Words of examples (``user:pass@``) are taken for passwords here: so are passwords chosen, and nothing is lost.
    """
    found = _SCHEME.search(text) if "@" in text else None
    verdicts = Verdicts()
    while found:
        login = None
        if text.find("@", found.end(), found.end() + _LONGEST_LOGIN) >= 0:
            login = _LOGIN.match(text, found.end())
        if login and login["token"] is not None:
            if verdicts.looks_random(login["token"]):
                yield Span(*login.span("token"), "credentials")
        elif login and verdicts.is_chosen(login["password"]):
            yield Span(*login.span("password"), "password")
        found = _SCHEME.search(text, (login or found).end())
