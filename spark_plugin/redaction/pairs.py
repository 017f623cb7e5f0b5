"""Values beside a name that says they are secret: ``password=…``, ``"apiKey": "…"``, ``--token …``, headers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Generator, Iterator

from spark_plugin.redaction.names import Named, secret_name
from spark_plugin.redaction.reading import QUOTE, Value, annotated, value_at
from spark_plugin.redaction.spans import Span, marker
from spark_plugin.redaction.values import Form, is_secret, looks_random, stands_in

# The words in the names of secrets. Each pattern begins with letters, not with a choice of words, and the word looks
# back from there: such a search costs a tenth.
_WORDS = (r"k(?:(?<=tok)en|ey|(?<=cook)ie)", r"ss(?<=pass)", r"cr(?:(?<=secr)et|ed)", r"uth(?<=auth)", r"pwd")
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
PATTERNS = (*_PAIRS, _SCHEMED, _FLAG)
"""One of them is found, in small letters, wherever `pairs` finds something."""

_REACH = 48
_JUDGED = 256
"""By so many of its first characters a value is judged."""
_NAME = re.compile(r"[\w.$-]{1,48}+\Z")
_TWO_WORDS = re.compile(r"[A-Za-z]{3,16} [kK](?:ey|EY)\Z")
_LOGIN = re.compile(r"\blogin\s\S{1,40}\s{1,4}\Z")
_SETTER = re.compile(
    r"(?:(?:set|put|add|header|append|env)\w{0,20}\((?:[\w.]{1,40}, ?)?|(?<!get)[\[(]\s{0,40})[\"'`]\Z", re.IGNORECASE
)
_LINE_START = re.compile(r"(?:\A|\n|\\n)[ ]*(?:- )?\Z")
_LINE_END = re.compile(r"[ ]*(?:\r?\n|\\n|\Z)")
_SCHEME = re.compile(r"(?:bearer|basic|token|api-?key|key|negotiate|digest)(?:[ \t]{1,4}|%20)", re.IGNORECASE)
_ENCODED = re.compile(r"[A-Za-z0-9._~+/=\-]{6,}")
_COOKIES = re.compile(r"k(?<=cook)ie[\"'\\]{0,4}[:,]")
_COOKIE = re.compile(r"""=([^\s;,"'\\=]{8,})""")
_MARKED = marker("").rstrip("]")
_NOTHING = Value(0, 0, Form.BARE)
_PASSWORD = Named("password", True)


def pairs(text: str) -> Iterator[Span]:
    """Where `text` holds the values of secret names."""
    low = folded(text)
    for pattern in _PAIRS:
        read = _NOTHING
        for found in pattern.finditer(low):
            if text.startswith(_MARKED, found.end()):
                continue
            end = found.start("separator")
            name = _name_before(text, end)
            if read.start <= end - len(name) and end < read.end:
                continue  # it is in a value that has been judged as a whole
            read = yield from _beside(text, end - len(name), name, found["separator"], found.end())
    yield from _cookies(text, low)
    for found in _SCHEMED.finditer(low):
        yield from _credentials(text, found.group()[1], found.end())
    for found in _FLAG.finditer(low):
        yield from _flag(text, low, found)


def folded(text: str) -> str:
    """`text` in small letters, of the same length."""
    low = text.lower()
    return low if len(low) == len(text) else text.replace("\u0130", "i").lower()  # the one letter that grows


def judged(text: str, value: Value, named: Named) -> Iterator[Span]:
    """The place of `value`, which stands beside a secret's name, if it is a secret."""
    if named.label in ("credentials", "token") and (scheme := _SCHEME.match(text, value.start, value.end + 1)):
        credential = _ENCODED.match(text, scheme.end())
        if credential and is_secret(credential.group()[:_JUDGED], strong=True, form=Form.BARE):
            yield Span(*credential.span(), named.label)
    elif is_secret(text[value.start : min(value.end, value.start + _JUDGED)], strong=named.strong, form=value.form):
        yield Span(value.start, value.end, named.label)


def _beside(text: str, begin: int, name: str, separator: str, start: int) -> Generator[Span, None, Value]:
    """The secret beside the name that begins at `begin`; returns what was read."""
    named = secret_name(name)
    if named is None or named.label == "cookie" or not _fits(text, begin, name, separator, named):
        return _NOTHING
    if separator.lstrip("\"'`\\]) \t").startswith(":"):
        start = annotated(text, start)
    in_query = named.strong and separator == "=" and text[begin - 1 : begin] in ("?", "&", ";")
    value = value_at(text, start, shell=separator == "=" and name.isupper())
    if in_query or (not named.plural and _whole_line(text, begin, separator, value)):
        value = value._replace(form=Form.SHELL)
    if "," in separator:
        value = value._replace(form=Form.BARE)
    if "%3" in separator and (following := text.find("%26", value.start, value.end)) > 0:
        value = value._replace(end=following)
    compared = "==" in separator and value.form != Form.QUOTED
    if not compared and not _alike(name, text[value.start : value.end]):
        yield from judged(text, value, named)
    return value


def _whole_line(text: str, begin: int, separator: str, value: Value) -> bool:
    """Whether name and value are all of a line, as in YAML."""
    if separator.strip(" ") != ":" or value.form != Form.BARE:
        return False
    return bool(_LINE_END.match(text, value.end)) and bool(_LINE_START.search(text, max(0, begin - 40), begin))


def _name_before(text: str, end: int) -> str:
    """The name that ends at `end`, without the letter of an escape (a written-out line end) before it."""
    found = _NAME.search(text, max(0, end - _REACH), end)
    if found is None:
        return ""
    name = found.group()
    if name.lower() == "key" and (whole := _TWO_WORDS.search(text, max(0, end - _REACH), end)):
        return whole.group()
    return name[1:] if name[0] in "nrtbf" and text[found.start() - 1 : found.start()] == "\\" else name


def _fits(text: str, start: int, name: str, separator: str, named: Named) -> bool:
    """Whether the separator is one for the name at `start`."""
    if separator == ">":
        return text[start - 1 : start] in ("<", ":")
    if not separator.strip(" \t"):
        return _behind_a_space(text, start, name, start + len(name) + len(separator), named)
    if "," in separator and "value" not in separator.lower():  # of an argument list; in any other list it says nothing
        return name.startswith("-") or bool(_SETTER.search(text, max(0, start - 90), start))
    return True


def _behind_a_space(text: str, start: int, name: str, value: int, named: Named) -> bool:
    """``apikey 3f2…``, ``login bob password x``, ``password 'x'``: no sign stands between; the value must say it."""
    if text[value : value + 1] in ("'", '"', "`") or _LOGIN.search(text, max(0, start - 60), start):
        return named == _PASSWORD
    found = _ENCODED.match(text, value, value + _JUDGED)
    return name != "pass" and found is not None and len(found.group()) > 15 and looks_random(found.group())


def _alike(name: str, value: str) -> bool:
    """``self.db_passwd = db_passwd``: the value is called as its name is."""
    if len(value) > _JUDGED:
        return False
    name, value = (text.lower().replace("_", "").rpartition(".")[2] for text in (name, value))
    return name == value


def _cookies(text: str, low: str) -> Iterator[Span]:
    """The values in the lines of headers that bring or set cookies."""
    found = _COOKIES.search(low)
    while found:
        end = text.find("\n", found.end())
        end = len(text) if end < 0 else end
        for cookie in _COOKIE.finditer(text, found.end(), end):
            if looks_random(cookie[1][:_JUDGED]):
                yield Span(*cookie.span(1), "cookie")
        found = _COOKIES.search(low, end)


def _credentials(text: str, second_letter: str, start: int) -> Iterator[Span]:
    """What follows ``Bearer`` or ``Basic``, in a header or out of one."""
    found = _ENCODED.match(text, start)
    if found is None:
        return
    value = found.group()[:_JUDGED]
    if _user_and_password(value) if second_letter.lower() == "a" else looks_random(value) and not stands_in(value):
        yield Span(*found.span(), "credentials")


def _user_and_password(encoded: str) -> bool:
    try:
        return b":" in base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)[1:]
    except (binascii.Error, ValueError):
        return False


def _flag(text: str, low: str, found: re.Match[str]) -> Iterator[Span]:
    """``--password x``, ``curl -u user:x``, ``mysql -px``."""
    command = low[max(0, found.start() - 300) : found.start()]
    if found["user"]:
        if "curl" in command:
            yield from judged(text, value_at(text, text.index(":", found.end()) + 1, shell=True), _PASSWORD)
    elif found.group().startswith("-p") and len(found.group()) < 4:
        if "mysql" in command.rpartition("\n")[2] or command.endswith("sshpass "):
            yield from judged(text, value_at(text, found.end(), shell=True), _PASSWORD)
    else:
        name = _name_before(text, found.start() + len(found.group().rstrip()))
        named = secret_name(name) if name.startswith("-") else None
        if named:
            yield from judged(text, value_at(text, found.end()), named)
