"""Is the value beside a secret's name a secret: or a placeholder, a type, a piece of code, a word of a sentence?"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from enum import IntEnum

from spark_plugin.redaction.names import LONGEST, WORDS, secret_name, words


class Form(IntEnum):
    """How a value stands there: the later, the surer that it is a value at all."""

    BARE = 1
    """After a separator in code, prose, a log."""
    QUOTED = 2
    """Between quotes."""
    SHELL = 3
    """In capitals and without spaces, as in an environment file: ``DB_PASSWORD=…``."""
    STRUCTURE = 4
    """The value of a key in data."""


_SHORTEST = {True: 4, False: 8}
_MOST_JUDGED = 12_000
_SHORT = 16  # a shorter value takes as long
_LONGEST_SENTENCE = 200

# What stands where a secret would: nothing, dots and stars, a variable, a template, a place to look it up.
_STAND_IN = re.compile(
    r"""
      [\W_]* | [xXzZ]{3,}\W* | \\.* | <[^<>]*>.* | \{.*\} | \[[^\]]*\].* | \#\{.* | \(\?.* | [&*][a-z_]+
    | \$(?:\{.* | \(.* | env:.* | \$?[A-Z_][A-Z0-9_]* | [a-zA-Z_]+ | \d) | %[A-Za-z_]\w*% | %%?[a-z] | %\(.*
    | .*(?:(?<![\w.-])%[sv](?![\w*]) | %\(\w+\) | \{[a-z_][\w.]+\} | \{\} | \$[{(] | \.{3} | [*•…]{3}).*
    | [-xX]{3,}.{0,4}
    | [A-Za-z_][\w.]*\[[^\]]*\][\w.]* | !(?:env|secret|vault|ref|sub|getatt)\b.* | @[\w.]+\(.*
    | (?i:op|vault|secrets?|ref\+\w+|file|env|keyring|arn|https?|data|sha\d+):.* | projects/.*
    | (?:process\.env|os\.environ|os\.getenv|import\.meta|secrets|env|vars|config|settings|self|this|ctx|args|opts
        |options|params|req|request|data|values|inputs|github|steps|var|local|module|exports)[.\[?].*
    """,
    re.VERBOSE,
)
_PLACEHOLDERS = words("""
    your my the a an some any this that our their his her its me you here there put enter insert add set replace fill
    example examples sample samples dummy fake mock mocked stub test tests testing foo bar baz qux abc xyz todo tbd tba
    fixme placeholder changeme change changeit replaceme redacted removed hidden masked censored withheld secret secrets
    password passwd pwd pass passphrase passcode token tokens key keys api apikey access auth authorization credential
    credentials creds client private public value values string str text bytes byte char varchar bool boolean int
    integer number float object any none null nil undefined unset empty blank optional required missing invalid valid
    unknown default true false yes no on off enabled disabled not na n user username name login email new old current
    bearer basic digest oauth jwt sso saml oidc type types field input output hash hashed encrypted plain plaintext
    random generated auto automatic id ref env environment variable var arg args param params config settings encoded
    of to in for from with is as or and be must should will x xx xxx y z md sha base hex utf aes rsa hs rs es bcrypt
    argon scrypt uuid v read write admin ptr mgr list source projection o something foobar garbage inherit
""")
# With a number they are still words of examples, or names of algorithms.
_COUNTED = words("""
    key keys token tokens secret secrets value val user test example sample foo bar arg param var name base aes sha md
    hs rs es utf oauth o hex argon uuid v x
""")

_CALL = re.compile(r"[A-Za-z_][\w.:>-]*[(\[{].*")
_CHAIN = re.compile(r"&?[A-Za-z_]\w*(?:(?:\?\.|\.|::|->)[A-Za-z_]\w*)+")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_TYPE = re.compile(
    r"(?:[\w.]*[.\d])?[A-Z]\w*(?:Keys?|Tokens?|Secrets?|Credentials?|Types?|Source|Projection|Reference)\w?"
)
_NUMBER = re.compile(r"[-+]?[0-9][0-9_.,]*(?:[eE][-+]?\d+)?(?:%|[munp]?s|min|[mhdkKMG]|[kKMGT]i?[bB]|px|em)?")
_VERSION = re.compile(r"(?:[\w.-]+:)?[vVT^~>=<]*\d+(?:\.\d+)+[-+.\w]{0,40}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.,+Z-]*)?")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:|file:)?(?:[/\\][\w.@+~-]*)+|[\w.-]+(?:/[\w.-]+)*\.[a-z]{2,5}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]*")
_SPACE = re.compile(r"\s")
_CAPITALS = re.compile("[A-Z_]+")
_SPECIAL = re.compile(r"[!@#$%^&*~]")
_CONSONANTS = "bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"
_NO_VOWEL = re.compile(f"[{_CONSONANTS}]{{2,}}")
_TONGUE_TWISTER = re.compile(f"[{_CONSONANTS}]{{6}}")
_DIGITS_INSIDE = re.compile(r"[A-Za-z][0-9]+[A-Za-z]")
_TRADE = re.compile(
    r"(?i)oauth[12]|base(?:16|32|58|64|85)|b64|s3|ec2|k8s|k3s|mp[34]|x86|x64|i18n|l10n|a11y|h26[45]|utf(?:8|16|32)|ipv?[46]"
    r"|sha(?:1|224|256|384|512|3)|md[45]|w3c|e2e|p2p|b2b|2fa|u2f|fido2|http2|tls1|aes(?:128|256)|ed25519|x509|pkcs\d+|p12|rs256"
    r"|web[23]|d3|v\d"
)
_SENTENCE = words(
    "must should required please enter cannot invalid incorrect missing characters forgot reset too least"
)


class Verdicts:
    """What is said of the values of one text: the same one is judged once.

    Judging takes time. When so many characters of different values have been judged as stand beside names in no text
    but a list of secrets, what comes then is taken for a secret unseen.
    """

    def __init__(self) -> None:
        self._said: dict[tuple[object, ...], bool] = {}
        self._left = _MOST_JUDGED

    def is_secret(self, value: str, *, strong: bool, form: Form) -> bool:
        """As the function of this name."""
        if len(value) < _SHORTEST[strong]:
            return False
        return self._judged((value, strong, form), lambda: is_secret(value, strong=strong, form=form))

    def looks_random(self, value: str) -> bool:
        """As the function of this name."""
        return self._judged((value,), lambda: looks_random(value))

    def is_chosen(self, password: str) -> bool:
        """Whether the password in a URL is one, and no placeholder."""
        return self._judged((password, ""), lambda: not stands_in(password) and not _CAPITALS.fullmatch(password))

    def is_login(self, value: str) -> bool:
        """Whether `value` is a user and a password, encoded as for a header."""
        return self._judged((value, ":"), lambda: _user_and_password(value))

    def _judged(self, asked: tuple[object, ...], judge: Callable[[], bool]) -> bool:
        said = self._said.get(asked)
        if said is None:
            if self._left <= 0:
                return True
            self._left -= max(len(asked[0]), _SHORT)  # type: ignore[arg-type]
            said = self._said[asked] = judge()
        return said


def is_secret(value: str, *, strong: bool, form: Form) -> bool:
    """Whether `value`, found beside a secret's name, is the secret. `strong`: the name leaves little doubt."""
    if len(value) < _SHORTEST[strong] or stands_in(value) or _says_placeholder(value):
        return False
    if _SPACE.search(value):
        return strong and _pass_phrase(value, form)
    if _NUMBER.fullmatch(value):
        return strong and value.isdigit() and (form != Form.BARE or len(value) > 5)
    if _located(value) or (_CALL.fullmatch(value) and form == Form.BARE):
        return False
    return _is_strongly(value, form) if strong else _is_weakly(value, form)


def stands_in(value: str) -> bool:
    """Whether `value` stands where a secret would, and is none: stars, a variable, a template, a place to look."""
    return _STAND_IN.fullmatch(value) is not None


def looks_random(value: str) -> bool:
    """Whether no one chose `value` to be read: digits among letters, or words that are none."""
    if len(value) < 8:
        return False
    parts = WORDS.findall(value)
    letters = [part for part in parts if part[0].isalpha()]
    digits = [part for part in parts if part[0].isdigit()]
    if not letters or not digits:
        return _unspeakable(letters)
    return len(value) < 3.5 * len(parts) or max(map(len, digits)) > 4 or _unspeakable(letters) or _inside(value)


def _user_and_password(encoded: str) -> bool:
    try:
        return b":" in base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)[1:]
    except (binascii.Error, ValueError):
        return False


def _inside(value: str) -> bool:
    """Digits inside a word that is no word of the trade (``oauth2client``, ``base64data``)."""
    return _DIGITS_INSIDE.search(_TRADE.sub("-", value)) is not None


def _unspeakable(letters: list[str]) -> bool:
    odd = sum(1 for part in letters if len(part) == 1 or _NO_VOWEL.fullmatch(part))
    length = sum(map(len, letters))
    short = length > 11 and length < 2.8 * len(letters)
    return short or (odd > 1 and odd * 2.5 > len(letters)) or any(_TONGUE_TWISTER.search(part) for part in letters)


def _says_placeholder(value: str) -> bool:
    """``your-api-key``, ``<token>``, ``key1``: nothing but the words of examples, or the name of a variable."""
    if len(value) > LONGEST:
        return False
    parts = [part.lower() for part in WORDS.findall(value)]
    if parts and all(part in _PLACEHOLDERS or (part.isdigit() and len(part) < 4) for part in parts):
        return not parts[-1].isdigit() or len(parts) > 2 or parts[0] in _COUNTED
    return bool(_CONSTANT.fullmatch(value)) and secret_name(value) is not None


def _located(value: str) -> bool:
    """A path, a file, an address, a version, a date."""
    if _VERSION.fullmatch(value) or _DATE.fullmatch(value):
        return True
    return bool(_PATH.fullmatch(value)) and not any(looks_random(part) for part in _TRADE.sub("x", value).split("/"))


def _is_strongly(value: str, form: Form) -> bool:
    if form == Form.STRUCTURE:
        return True
    if _TYPE.fullmatch(value) or _names_itself(value):
        return False
    if form == Form.SHELL:
        return True
    if form == Form.QUOTED:
        return len(value) > 5 or not _NAME.fullmatch(value)
    if _CONSTANT.fullmatch(value) or (_CHAIN.fullmatch(value) and not value[-2:].isdigit() and not looks_random(value)):
        return False
    if any(c.isdigit() for c in value) and any(c.isalpha() for c in value):
        return True
    return looks_random(value) or (value[0].isalnum() and bool(_SPECIAL.search(value)))


def _is_weakly(value: str, form: Form) -> bool:
    if _EMAIL.fullmatch(value) or _CONSTANT.fullmatch(value) or _TYPE.fullmatch(value):
        return False
    if _CHAIN.fullmatch(value) and not any(c.isdigit() for c in value):
        return False
    return looks_random(value) or (form == Form.SHELL and any(c.isdigit() for c in value))


def _names_itself(value: str) -> bool:
    """``phc_development_key``, ``my-db-password``: a name, which says what would stand there."""
    parts = WORDS.findall(value)
    named = len(parts) > 1 and (len(parts[-1]) > 2 or parts[-1].lower() == "id") and parts[-1].lower() in _PLACEHOLDERS
    return named and bool(_NAME.fullmatch(value)) and not looks_random(value)


def _pass_phrase(value: str, form: Form) -> bool:
    """Several words: in data they are the secret; in a text they are one when no sentence joins them."""
    parts = value.split()
    if form == Form.STRUCTURE:
        return len(value) <= _LONGEST_SENTENCE and _SENTENCE.isdisjoint(value.lower().split())
    plain = all(part.isalpha() and part.islower() and part not in _PLACEHOLDERS for part in parts)
    return form == Form.QUOTED and 4 <= len(parts) <= 8 and plain
