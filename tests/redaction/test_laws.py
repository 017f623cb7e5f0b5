"""What holds for every text: redacting twice is redacting once, nothing raises, nothing takes long."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_hooks.cleaning import MAX_TEXT
from spark_plugin.redaction import values, without_secrets
from spark_plugin.redaction.names import secret_name
from spark_plugin.redaction.texts import MOST_PLACES
from tests.redaction.planting import KNOWN, OTHERS, PAIRS, look_alike

BEGIN, END = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
PIECES = st.sampled_from(
    ["password", "token", "api_key", "Authorization", "Bearer ", "Basic ", "cookie", "secret", "key", "auth", "pwd",
     "=", ":", ": ", '"', "'", "`", "\\", "\\n", "\n", " ", ",", "&", "?", "@", "://", "/", "--", "-", "_", ".",
     "{", "}", "[", "]", "(", ")", "$", "%3D", "%26", "&quot;", "x", "a1B2c3D4e5F6", "hunter2", "sk-", "eyJ",
     BEGIN, END, "MIIEpAIBAAKCAQEA7", "value", "name",
     "is ", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "\N{KELVIN SIGN}", "\N{LATIN SMALL LETTER SHARP S}",
     "\ud800", "\0"],
)  # fmt: skip
SECRETS = st.builds(
    lambda kind, seed: (PAIRS | OTHERS)[kind](random.Random(seed)).text,
    st.sampled_from(sorted(PAIRS | OTHERS)),
    st.integers(0, 10**6),
)
TOKENS = st.builds(
    lambda kind, seed: KNOWN[kind](random.Random(seed)), st.sampled_from(sorted(KNOWN)), st.integers(0, 999)
)
TEXTS = st.lists(PIECES | SECRETS | TOKENS | st.text(max_size=8), max_size=12).map("".join)


@settings(max_examples=600, deadline=None)
@given(TEXTS)
@example("password: token: abcdef123456")
@example("password=token=abcdef123456 token=[redacted: password]abcdef123456")
@example("://a:[redacted: password]b@c")
@example('"password": "[redacted: token]a1b2c3d4"')
@example("\u0130password=hunter2\u0130 token=a1B2c3D4e5F6")
def test_redacting_twice_is_redacting_once(text):
    clean = without_secrets(text)
    assert without_secrets(clean) == clean


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_what_is_left_is_the_text_in_its_order(text):
    """Between the markers stands what stood there before, and nothing else."""
    first, *others = without_secrets(text).split("[redacted: ")
    at = len(first)
    assert text.startswith(first)
    for kept in (other.partition("]")[2] for other in others):
        at = text.index(kept, at) + len(kept)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="=:-_./\\,>@ '\"`%&?|", exclude_categories=["Zs", "Cc"])))
def test_one_word_is_no_secret(text):
    if len(text) < 20:
        assert without_secrets(text) == text


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9))
def test_look_alikes_stay(seed):
    rng = random.Random(seed)
    text = "\n".join(look_alike(rng) for _ in range(20))
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "unit",
    ["a", "A1", "-", "_", ".", ":", "=", '"', "\\", "@", " ", "\n", "://", "://a:", "x://:a", "sk-", "sk-1", "-eyJ",
     "eyJa", "ghp_", "xoxb-", "AKIA", "password", "password=", "password: ", 'password="', "password='",
     '"password", "', "pwd=", "password is ", "--password ", "token: bearer ", "bearer ", "basic ", "cookie: a=b; ",
     "cookie:", "curl -u a:b ", "mysql -paaaa ", "&quot;password", "password=,a", "=a&a=a",
     "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----",
     f"{BEGIN}\nMIIEpAIBAAKCAQEA1234\n", "AK" + "IA1234567890ABCDEF ", "1.", "a.a.",
     "12345678:AAAA", "?sig=", "name: PASSWORD\nvalue: ", "${", "<password>", "key", "\u0130", "%3D",
     "password for a b ", "bearer=", "basic=", "eyJ-", "x://a:b@", "x://u:p@sha1:", "['password', '",
     "=a1b2c3d4", "password:x\n", "key=", "a_key=", "my key ", "--a", "-p", "password=a.b.c ", "set(key, '"],
)  # fmt: skip
def test_no_text_takes_long(unit):
    """Cost grows with the length of a text, not with its square: a text of the greatest length is done in a moment."""
    for before in ("", "password=", "x://u:", "authorization: bearer "):
        text = (before + unit * (MAX_TEXT // len(unit) + 1))[:MAX_TEXT]
        started = time.process_time()
        clean = without_secrets(text)
        assert time.process_time() - started < 0.5  # 20 times what it takes; one that backtracks takes minutes
        assert len(clean) <= len(text) + clean.count("[redacted: ") * 40


def test_a_text_without_secrets_is_the_same_object():
    text = "a long text that speaks of nothing in particular, " * 20
    assert without_secrets(text) is text


def parts(part: str, length: int = MAX_TEXT) -> str:
    """A text of parts that are all different: @ stands for a number."""
    return "".join(part.replace("@", f"{n}x{n * 7919 % 99991}") for n in range(length // len(part) + 1))[:length]


@pytest.mark.parametrize(
    "part",
    ["password=a@ ", "a@_token=b@ ", "secret: " + "aB1" * 80 + "@ ", "x://u:p@\N{COMMERCIAL AT} ", "cookie: a=b@c\n",
     "bearer a@b ", "cookie: =a1b@", "basic YTpi@ ", "--password @ ", "curl -u a:b@ ", "x=1; password@=1"],
)  # fmt: skip
def test_a_text_is_judged_a_bounded_number_of_times(part, monkeypatch):
    """A law that needs no clock: what takes microseconds is done so many times at most, whatever the text."""
    judged = dict.fromkeys(("is_secret", "looks_random", "stands_in"), 0)

    def counting(name):
        judge = getattr(values, name)

        def count(value, *more, **how):
            judged[name] += len(value)
            return judge(value, *more, **how)

        return count

    for name in judged:
        monkeypatch.setattr(values, name, counting(name))
    secret_name.cache_clear()
    clean = without_secrets(parts(part))
    assert sum(judged.values()) < 100_000, "in characters, of all rounds"
    assert secret_name.cache_info().misses < 2000
    assert without_secrets(clean) == clean


def test_a_text_that_is_a_list_of_secrets_is_cut():
    text = parts("password=hunter@ ")
    clean = without_secrets(text)
    assert clean.endswith(" [redacted: too many to tell apart]")
    assert clean.count("password=[redacted: password] ") == MOST_PLACES
    assert without_secrets(clean) == clean


def test_where_too_many_values_stand_beside_names_those_that_come_last_are_taken_for_secrets_unseen():
    words = ("ordinary", "simple", "other", "little", "single", "double", "second", "humble")
    names = ["-".join(some) for some in itertools.product(words, repeat=4)][: MOST_PLACES - 1]
    text = "".join(f"token: {name}\n" for name in names)
    clean = without_secrets(text)
    assert clean.startswith(text[:5000])
    assert clean.endswith("token: [redacted: token]\n")
    assert without_secrets(clean) == clean


USAGE = (
    '{"input_tokens": @, "cache_read_input_tokens": @, "output_tokens": @, "id": "msg_@", "model": "claude-opus-4-6"}\n'
)


@pytest.mark.parametrize(
    "part",
    [USAGE, '{"key": "a@", "value": @}, ', "tests/test_password.py::test_a_token_is_secret[@] PASSED [ 3%]\n",
     "the token and the key, the password and the secret, number @\n", "export const tokenKind@: Kind = Token.Kind@;\n",
     "see https://example.com/a@ and mail dev@example.com\n", '<li key="@">password reset</li>\n'],
    ids=lambda part: part[:20],
)  # fmt: skip
def test_a_long_text_that_speaks_of_secrets_often_stays_whole(part):
    text = "".join(part.replace("@", str(n)) for n in range(MAX_TEXT // len(part)))
    assert without_secrets(text) == text
