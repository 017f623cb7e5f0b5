"""Values beside a name that says they are secret: ``password=…``, ``"apiKey": "…"``, ``--token …``, headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from spark_plugin.redaction.names import Named, secret_name
from spark_plugin.redaction.reading import QUOTE, Value, annotated, value_at
from spark_plugin.redaction.spans import Span, marker
from spark_plugin.redaction.values import Form, Verdicts, is_secret, looks_random, stands_in

# The words in the names of secrets. Each pattern begins with letters, not with a choice of words, and the word looks
# back from there: such a search costs a tenth. (A key alone is no secret's name.)
_WORDS = (
    r"k(?:(?<=tok)en|(?:(?<=[\w.$-]k)|(?<=[a-z]{3}[ ]k))ey|(?<=cook)ie)",
    r"ss(?<=pass)",
    r"cr(?:(?<=secr)et|ed)",
    r"uth(?<=auth)",
    r"pwd",
)
_ANY_WORD = "(?:pass|pwd|secret|token|cred|auth|key)"
_TAIL = r"[a-z0-9_\-]{0,24}+"
_GAP = r"(?:[ \t]|\x1b\[[\d;]{0,8}m){0,40}"

# What stands between a name and its value: a sign of equality or a colon, as programs, files, headers and URLs write
# them (the block mark of YAML included); `name: X, value: Y`; the comma of an argument list; a tag's bracket; "is";
# a space, before what has digits.
_SEPARATOR = rf"""
    {QUOTE}?[\])]?\*{{0,2}}{_GAP}(?:=>|:=|={{1,3}}|:|%3[ad]){_GAP}\*{{0,2}}{_GAP}(?:[|>][+-]?(?:\n|\\n)\s{{1,40}})?
  | {QUOTE}(?:[\s,\\n"'-]{{1,40}}?value["'\\]{{0,4}}{_GAP}[:=]{_GAP}|{_GAP},\s{{0,40}}(?={QUOTE}))
  | (?:\n|\\n)[ ]{{0,40}}value:[ ]
  | >(?=[^<\s])
  | [ \t]{{1,4}}(?:(?:for|of|on|to)[ ][\w.@'-]{{1,40}}[ ](?:[\w.@'-]{{1,40}}[ ])?)?is:?[ \t]{{1,4}}
  | [ \t]{{1,4}}(?=["'`]|[a-z_-]{{0,24}}[0-9])
"""
_PAIRS = tuple(re.compile(rf"{word}{_TAIL}(?P<separator>{_SEPARATOR})", re.VERBOSE) for word in _WORDS)
_SCHEMED = re.compile(r"""b(?:earer|asic)(?:["']?[:=][ \t]{0,4}["']?|[ \t]{1,4}|%20|\+)""")
_FLAG = re.compile(
    rf"""-(?:(?:(?<=--)[a-z0-9_.]{{0,32}}?)?{_ANY_WORD}{_TAIL}[ \t]{{1,4}}(?=\S)
    |(?P<user>u(?:ser)?[ =]{_GAP}(?=\S{{1,128}}:)) | (?<=sshpass[ ]-)p[ ]? | (?<=[ ]-)p(?=[^\s-]{{4}}))""",
    re.VERBOSE,
)
_IN_ANY = ("key", "oken", "ookie", "pass", "cret", "cred", "auth", "pwd", "earer", "asic", "-p", "-u")
PATTERNS = (*_PAIRS, _SCHEMED, _FLAG)
"""One of them is found, in small letters, wherever `pairs` finds something."""

_REACH = 48
_JUDGED = 256
"""By so many of its first characters a value is judged."""
_NAME_BACKWARDS = re.compile(r"[\w.$-]{1,48}+")
_TWO_WORDS = re.compile(r"[A-Za-z]{3,16} [kK](?:ey|EY)\Z")
_LOGIN = re.compile(r"\blogin\s\S{1,40}\s{1,4}\Z")
_SETTER = re.compile(
    r"(?:(?:set|put|add|header|append|env)\w{0,20}\((?:[\w.]{1,40}, ?)?|(?<!get)[\[(]\s{0,40})[\"'`]\Z"
)
_LONGEST_SETTER = 26
_LINE_END = re.compile(r"[ ]*(?:\r?\n|\\n|\Z)")
_SCHEME = re.compile(r"(?:bearer|basic|token|api-?key|key|negotiate|digest)(?:[ \t]{1,4}|%20)", re.IGNORECASE)
_ENCODED = re.compile(r"[A-Za-z0-9._~+/=\-]{6,}")
_COOKIES = re.compile(r"k(?<=cook)ie[\"'\\]{0,4}[:,]")
_COOKIE = re.compile(r"""=([^\s;,"'\\=]{8,})""")
_MARKED = marker("").rstrip("]")
_NOTHING = Value(0, 0, Form.BARE)
_PASSWORD = Named("password", True)
_BEHIND_A_SCHEME = ("credentials", "token")
_SOMEHOW = Named("token", False)
_MOST_NAMES = 1000
_COMMAND = 300  # as far back from a flag its command is looked for


class IsSecret(Protocol):
    """`is_secret`, or the verdicts of a text on it."""

    def __call__(self, value: str, *, strong: bool, form: Form) -> bool: ...


def at_most(low: str) -> int:
    """A quick bound on the number of `places` of a text in small letters."""
    return sum(map(low.count, _IN_ANY))


def may_hold(low: str) -> bool:
    """Whether a text in small letters has any of what every place has: cheaper to find out than where they are."""
    for one in _IN_ANY:  # noqa: SIM110  # a generator would cost more than the searches
        if one in low:
            return True
    return False


def places(low: str) -> Iterator[int]:
    """Where `pairs` will look closer."""
    for pattern in PATTERNS:
        for found in pattern.finditer(low):
            yield found.start()


class Page:
    """One text: as it is, in small letters, and backwards (a name ends where its separator begins)."""

    __slots__ = ("_backwards", "_names", "low", "text", "verdicts")

    def __init__(self, text: str) -> None:
        self.text = text
        self.low = folded(text)
        self.verdicts = Verdicts()
        self._backwards = ""
        self._names: set[str] = set()

    def name_before(self, end: int) -> str:
        """The name that ends at `end`, without the letter of an escape (a written-out line end) before it."""
        if not self._backwards:
            self._backwards = self.text[::-1]
        found = _NAME_BACKWARDS.match(self._backwards, len(self.text) - end)
        if found is None:
            return ""
        name = found.group()[::-1]
        start = end - len(name)
        if len(name) == 3 and self.text[start - 1 : start] == " " and name in ("key", "Key", "KEY", "kEY"):
            whole = _TWO_WORDS.search(self.text, max(0, end - _REACH), end)
            return whole.group() if whole else name
        return name[1:] if name[0] in "nrtbf" and self.text[start - 1 : start] == "\\" else name

    def named(self, name: str) -> Named | None:
        """What a name says; there are only so many different ones in a text that is none but names."""
        if name not in self._names:
            if len(self._names) >= _MOST_NAMES:
                return _SOMEHOW
            self._names.add(name)
        return secret_name(name)


def pairs(text: str) -> Iterator[Span]:
    """Where `text` holds the values of secret names."""
    page = Page(text)
    yield from _named_values(page)
    yield from _cookies(page)
    yield from _credentials(page)
    yield from _flags(page)


def _named_values(page: Page) -> list[Span]:
    """The secrets that stand beside their names."""
    text, spans = page.text, list[Span]()
    for pattern in _PAIRS:
        read = _NOTHING
        for found in pattern.finditer(page.low):
            start = found.end()
            if text.startswith(_MARKED, start):
                continue
            end = found.start("separator")
            name = page.name_before(end)
            begin = end - len(name)
            if read.start <= begin and end < read.end:
                continue  # it is in a value that has been judged as a whole
            named = page.named(name)
            read = _NOTHING
            if named is not None and named.label != "cookie":
                read = _beside(page, begin, name, named, found["separator"], start)
                spans += _judged(page, name, named, found["separator"], read)
    return spans


def folded(text: str) -> str:
    """`text` in small letters, of the same length."""
    low = text.lower()
    return low if len(low) == len(text) else text.replace("\u0130", "i").lower()  # the one letter that grows


def judged(text: str, value: Value, named: Named, is_secret: IsSecret = is_secret) -> tuple[Span, ...]:
    """The place of `value`, which stands beside a secret's name, if it is a secret."""
    if named.label in _BEHIND_A_SCHEME and (scheme := _SCHEME.match(text, value.start, value.end + 1)):
        credential = _ENCODED.match(text, scheme.end())
        if credential and is_secret(credential.group()[:_JUDGED], strong=True, form=Form.BARE):
            return (Span(*credential.span(), named.label),)
        return ()
    start, end, form = value
    if is_secret(text[start : min(end, start + _JUDGED)], strong=named.strong, form=form):
        return (Span(start, end, named.label),)
    return ()


def _beside(page: Page, begin: int, name: str, named: Named, separator: str, start: int) -> Value:
    """The value beside the name that begins at `begin`; an empty one where none stands."""
    text = page.text
    if not _fits(page, begin, name, separator, named):
        return _NOTHING
    if separator.lstrip("\"'`\\]) \t").startswith(":"):
        start = annotated(text, start)
    value = value_at(text, start, shell=separator == "=" and name.isupper())
    if "," in separator:
        return value._replace(form=Form.BARE)
    if _is_surely_a_value(text, begin, separator, named, value):
        value = value._replace(form=Form.SHELL)
    if "%3" in separator and (following := text.find("%26", value.start, value.end)) > 0:
        value = value._replace(end=following)
    return value


def _judged(page: Page, name: str, named: Named, separator: str, value: Value) -> tuple[Span, ...]:
    """The place of the value beside a name, if it is a secret; one that is compared or called like its name is none."""
    if value is _NOTHING or (value.end == value.start and named.label not in _BEHIND_A_SCHEME):
        return ()
    if ("==" in separator and value.form != Form.QUOTED) or _alike(name, page.text, value):
        return ()
    return judged(page.text, value, named, page.verdicts.is_secret)


def _is_surely_a_value(text: str, begin: int, separator: str, named: Named, value: Value) -> bool:
    """Whether it stands in a query, or name and value are all of a line."""
    if named.strong and separator == "=" and text[begin - 1 : begin] in ("?", "&", ";"):
        return True
    return not named.plural and _whole_line(text, begin, separator, value)


def _whole_line(text: str, begin: int, separator: str, value: Value) -> bool:
    """Whether name and value are all of a line, as in YAML."""
    if separator.strip(" ") != ":" or value.form != Form.BARE:
        return False
    return bool(_LINE_END.match(text, value.end)) and _begins_a_line(text, begin)


def _begins_a_line(text: str, at: int) -> bool:
    """Whether nothing but spaces, and the dash of a list, stands before `at` on its line."""
    before = text[max(0, at - 40) : at].removesuffix("- ").rstrip(" ")
    return before.endswith(("\n", "\\n")) or (not before and at <= 40)


def _fits(page: Page, start: int, name: str, separator: str, named: Named) -> bool:
    """Whether the separator is one for the name at `start`."""
    text = page.text
    if separator == ">":
        return text[start - 1 : start] in ("<", ":")
    if not separator.strip(" \t"):
        return _behind_a_space(text, start, name, start + len(name) + len(separator), named)
    if "," in separator and "value" not in separator.lower():  # of an argument list; in any other list it says nothing
        return name.startswith("-") or _is_argument(page.low, start)
    return True


def _is_argument(low: str, start: int) -> bool:
    """Whether what stands at `start` is the first of what is given to a setter, or of a list."""
    if low[start - 1 : start] not in ('"', "'", "`"):
        return False
    nearest = max(low.rfind("(", max(0, start - 90), start), low.rfind("[", max(0, start - 90), start))
    return nearest >= 0 and _SETTER.search(low, max(0, start - 90, nearest - _LONGEST_SETTER), start) is not None


def _behind_a_space(text: str, start: int, name: str, value: int, named: Named) -> bool:
    """``apikey 3f2…``, ``login bob password x``, ``password 'x'``: no sign stands between; the value must say it."""
    if text[value : value + 1] in ("'", '"', "`") or _LOGIN.search(text, max(0, start - 60), start):
        return named == _PASSWORD
    found = _ENCODED.match(text, value, value + _JUDGED)
    return name != "pass" and found is not None and len(found.group()) > 15 and looks_random(found.group())


def _alike(name: str, text: str, value: Value) -> bool:
    """``self.db_passwd = db_passwd``: the value is called as its name is."""
    if value.end - value.start > _JUDGED:
        return False
    return _plain(text[value.start : value.end]) == _plain(name)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").rpartition(".")[2]


def _cookies(page: Page) -> Iterator[Span]:
    """The values in the lines of headers that bring or set cookies."""
    text = page.text
    found = _COOKIES.search(page.low)
    while found:
        end = text.find("\n", found.end())
        end = len(text) if end < 0 else end
        for cookie in _COOKIE.finditer(text, found.end(), end):
            if page.verdicts.looks_random(cookie[1][:_JUDGED]):
                yield Span(*cookie.span(1), "cookie")
        found = _COOKIES.search(page.low, end)


def _credentials(page: Page) -> Iterator[Span]:
    """What follows ``Bearer`` or ``Basic``, in a header or out of one."""
    read = 0
    for found in _SCHEMED.finditer(page.low):
        start = found.end()
        first = _ENCODED.match(page.text, start, start + _JUDGED) if start >= read else None
        if first is None:
            continue
        value = first.group()
        if found.group()[1] == "a":
            secret = page.verdicts.is_login(value)
        else:
            secret = page.verdicts.looks_random(value) and not stands_in(value)
        whole = _ENCODED.match(page.text, start) if secret else None
        if whole:
            read = whole.end()
            yield Span(start, read, "credentials")


def _flags(page: Page) -> Iterator[Span]:
    """``--password x``, ``curl -u user:x``, ``mysql -px``."""
    text, low, is_secret = page.text, page.low, page.verdicts.is_secret
    for found in _FLAG.finditer(low):
        start, end = found.span()
        if found["user"]:
            if low.rfind("curl", max(0, start - _COMMAND), start) >= 0:
                yield from judged(text, value_at(text, text.index(":", end) + 1, shell=True), _PASSWORD, is_secret)
        elif end - start < 4 and low[start + 1] == "p":
            if _is_given(low, start):
                yield from judged(text, value_at(text, end, shell=True), _PASSWORD, is_secret)
        else:
            name = page.name_before(start + len(found.group().rstrip()))
            named = page.named(name) if name.startswith("-") else None
            if named:
                yield from judged(text, value_at(text, end), named, is_secret)


def _is_given(low: str, flag: int) -> bool:
    """Whether the ``-p`` at `flag` is that of a command which takes a password with it."""
    command = low.rfind("mysql", max(0, flag - _COMMAND), flag)
    return low.startswith("sshpass ", flag - 8) or (command >= 0 and low.find("\n", command, flag) < 0)
