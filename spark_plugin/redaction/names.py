"""Which names are names of secrets: ``DB_PASSWORD``, ``stripeApiKey``, ``x-auth-token``; and which only look so."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

LONGEST = 64
"""Longer names are none that anybody chose."""

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
"""The words of a name, however it joins them."""


class Named(NamedTuple):
    """What a name says of its value: the word for the marker, and how sure that is."""

    label: str
    strong: bool
    """Nearly any value is taken for a secret; otherwise only one that looks like it."""
    plural: bool = False
    """The name of many: what it holds are secrets under names of their own."""


def words(text: str) -> frozenset[str]:
    """A set of words, written as one text: a list of one word a line would hide the code."""
    return frozenset(text.split())


# Said of a secret and leaving it one: DB_PASSWORD_PROD, token_value, API_KEY_2.
_SUFFIXES = words("""
    prod production dev development staging stage test testing live sandbox local old new current previous value val
    str string text plain plaintext raw b64 base64 encoded primary secondary main default backup data base v
""")
# A name that begins with one of these tells something about a secret.
_ABOUT = words("""
    has have is are no use uses using need needs require requires required forgot forgotten reset change invalid wrong
    missing without min max num number count total len length any show hide validate check verify get set find
""")
_PASSWORDS = ("password", "passwords", "passwd", "passwort", "passphrase", "passcode")
# What "pass" is short for password behind; alone and elsewhere it is what a test does.
_OWNERS = words("""
    db database user usr smtp mysql pg postgres redis admin root ftp sftp login proxy mail email http auth api sudo ssh
    wifi vpn ldap mongo rabbitmq amqp basic sql server service account app my
""")
# A place in a list is no credential, and neither is a word of a text.
_PLACES = words("""
    page next continuation cursor sync pagination resume delta prev previous start end stop bos eos pad unk sep cls mask
    first last special
""")
_CREDENTIALS = words("credential credentials cred creds auth authorization jwt bearer")
# A key is a secret by what it is for, or by whose it is.
_KEYS = words("""
    api access secret private auth encryption encrypt decryption signing master account shared service app application
    license deploy ssh storage hmac aes jwt webhook admin server security subscription rsa gpg pgp ssl tls openai
    anthropic google github gitlab stripe sendgrid twilio slack aws azure gemini groq mistral cohere huggingface datadog
    cloudflare algolia mailgun mailchimp instrumentation
""")
_JOINED = ("api", "access", "secret", "private", "auth", "encryption", "signing", "master", "account", "shared")
_JOINED_KEYS = tuple(f"{word}key" for word in _JOINED)


@lru_cache(maxsize=4096)
def secret_name(name: str) -> Named | None:
    """What `name` says of its value, None when it names no secret."""
    if len(name) > LONGEST:
        return None
    parts = [word.lower() for word in WORDS.findall(name)]
    while len(parts) > 1 and (parts[-1] in _SUFFIXES or parts[-1].isdigit()):
        parts.pop()
    if not parts or (len(parts) > 1 and parts[0] in _ABOUT) or "public" in parts:
        return None
    named = _password(parts) or _token(parts) or _key(parts)
    return named._replace(plural=True) if named and parts[-1].endswith("s") else named


def _password(parts: list[str]) -> Named | None:
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last.endswith(_PASSWORDS) or last == "pwd" or before + last in _PASSWORDS:
        return Named("password", True)
    if last in ("pass", "pw") and len(parts) == 1:
        return Named("password", False)
    if (last in ("pass", "pw") and before in _OWNERS) or last in ("dbpass", "userpass", "dbpw"):
        return Named("password", True)
    return None


def _token(parts: list[str]) -> Named | None:
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last.endswith(("secret", "secrets")):
        return Named("secret", True)
    if last.endswith(("token", "tokens")):
        return None if before in _PLACES else Named("token", False)
    if last in _CREDENTIALS:
        return Named("credentials", False)
    return Named("cookie", False) if last == "cookie" else None


def _key(parts: list[str]) -> Named | None:
    last = parts[-1].removesuffix("s")
    if (last == "key" and len(parts) > 1 and parts[-2] in _KEYS) or last.endswith(_JOINED_KEYS):
        return Named("key", True)
    return None
