"""Secrets to plant, of every kind and made anew each time, and what only looks like one.

Each is put together from pieces when it is needed: no line of this file looks like a secret to a scanner.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable
from typing import NamedTuple

from spark_hooks import signals

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "-_"
BASE64 = ALNUM + "+/"

Make = Callable[[random.Random], str]


class Planted(NamedTuple):
    """A secret in its wrapping. `secret` must not be found anywhere; `text` is what an agent would have written."""

    kind: str
    secret: str
    text: str
    name: str = "config"
    """The key it stands under in nested data."""


def chars(alphabet: str, length: int) -> Make:
    return lambda rng: "".join(rng.choices(alphabet, k=length))


def joined(*parts: str | Make) -> Make:
    return lambda rng: "".join(part if isinstance(part, str) else part(rng) for part in parts)


def one_of(*makes: Make) -> Make:
    return lambda rng: rng.choice(makes)(rng)


def jwt(rng: random.Random) -> str:
    header = {"alg": rng.choice(["HS256", "RS256"]), "typ": "JWT"}
    claims = {"sub": str(rng.randrange(10**9)), "name": chars(ALNUM, 8)(rng), "iat": rng.randrange(10**9)}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, chars(URLSAFE, 43)(rng)])


KNOWN: dict[str, Make] = {
    "aws key": joined(one_of(lambda r: "AK" + "IA", lambda r: "AS" + "IA"), chars(UPPER, 16)),
    "github token": one_of(
        *(joined(f"gh{kind}" + "_", chars(ALNUM, 36)) for kind in "pousr"),
        joined("github_" + "pat_", chars(ALNUM, 22), "_", chars(ALNUM, 59)),
    ),
    "gitlab token": joined("glp" + "at-", chars(URLSAFE, 20)),
    "slack token": joined("xo", one_of(*(lambda r, k=k: f"x{k}-" for k in "abprs")), chars(string.digits, 12), "-",
                          chars(string.digits, 12), "-", chars(ALNUM, 24)),
    "slack webhook": joined("https://hooks.sl" + "ack.com/services/T", chars(UPPER, 8), "/B", chars(UPPER, 8), "/",
                            chars(ALNUM, 24)),
    "stripe key": joined(one_of(lambda r: "sk_" + "live_", lambda r: "rk_" + "live_"), chars(ALNUM, 24)),
    "openai key": one_of(
        joined("s" + "k-", chars(ALNUM, 48)), joined("s" + "k-proj-", chars(URLSAFE, 100), chars(string.digits, 1))
    ),
    "anthropic key": joined("sk-" + "ant-api03-", chars(URLSAFE, 93), "AA"),
    "google key": joined("AI" + "za", chars(URLSAFE, 35)),
    "google token": joined("ya" + "29.", chars(URLSAFE, 60)),
    "npm token": joined("np" + "m_", chars(ALNUM, 36)),
    "pypi token": joined("py" + "pi-AgEIcHlwaS5vcmc", chars(URLSAFE, 80)),
    "hugging face token": joined("h" + "f_", chars(string.ascii_letters, 34)),
    "sendgrid key": joined("S" + "G.", chars(URLSAFE, 22), ".", chars(URLSAFE, 43)),
    "twilio key": joined("S" + "K", chars(HEX, 32)),
    "telegram token": joined(chars("123456789", 10), ":AA", chars(URLSAFE, 32), chars("A", 1)),
    "discord token": joined("M", chars(ALNUM, 23), ".", chars(ALNUM, 6), ".", chars(ALNUM, 37), "0"),
    "digitalocean token": joined("do" + "p_v1_", chars(HEX, 64)),
    "databricks token": joined("da" + "pi", chars(HEX, 31), "7"),
    "shopify token": joined("shp" + "at_", chars(HEX, 32)),
    "jwt": jwt,
}  # fmt: skip
"""Tokens that are known by their own look."""


def private_key(rng: random.Random) -> Planted:
    """A key in PEM: on lines, in one line with escapes, cut off, or behind line numbers."""
    kind = rng.choice(["RSA ", "EC ", "OPENSSH ", "", "PGP "])
    block = " BLOCK" if kind == "PGP " else ""
    lines = ["MII" + chars(BASE64, 61)(rng), *(chars(BASE64, 64)(rng) for _ in range(rng.randint(1, 6)))]
    lines.append(chars(BASE64, 30)(rng) + "==")
    begin, end = (f"-----{word} {kind}PRIVATE KEY{block}-----" for word in ("BEGIN", "END"))
    text = rng.choice(
        [
            "\n".join([begin, *lines, end]),
            "\\n".join([begin, *lines, end, ""]),
            "\n".join([begin, *lines]),
            "\n".join(f"{n:>6}\N{RIGHTWARDS ARROW}{line}" for n, line in enumerate([begin, *lines, end], 1)),
        ]
    )
    return Planted("private key", rng.choice(lines[:-1])[8:40], text)


def password(rng: random.Random) -> str:
    """One as programs make it, or as people do."""
    word, other = rng.sample(["hunter", "Dragon", "monkey", "Summer", "staple", "Winter", "shadow", "battery"], 2)
    return rng.choice(
        [
            chars(ALNUM, rng.randint(10, 24))(rng) + "4",
            chars(ALNUM + "!@#%^*_-+.", rng.randint(11, 23))(rng) + "7",
            f"{word}{rng.randint(2, 9999)}",
            f"{word}{rng.choice('-_.')}{other}{rng.randint(10, 99)}{rng.choice(['', '!'])}",
            word.replace("o", "0").replace("a", "@").replace("e", "3") + other + "1!",
        ]
    )


def machine_made(rng: random.Random) -> str:
    """A key or token without a look of its own."""
    return one_of(chars(HEX, 32), chars(HEX, 40), chars(ALNUM, 24), chars(URLSAFE, 43), chars(LOWER, 32), uuid_text)(
        rng
    )


def uuid_text(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


PASSWORDS = ("password", "passwd", "pwd", "db_password", "userPassword", "spring.datasource.password", "secret")
TOKENS = ("api_key", "apikey", "access_token", "auth_token", "clientSecret", "client_secret", "secret_key", "token",
          "x-api-key", "stripeApiKey", "refresh_token", "private_key", "credentials", "auth")  # fmt: skip


def pair(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        return rng.choice(PASSWORDS), password(rng)
    return rng.choice(TOKENS), machine_made(rng)


def written(kind: str, *forms: str, upper: bool = False) -> Callable[[random.Random], Planted]:
    """Pairs in one of `forms`, in which @K stands for the name and @V for the value."""

    def make(rng: random.Random) -> Planted:
        name, value = pair(rng)
        if upper:
            name = name.replace(".", "_").replace("-", "_").upper()
        form = rng.choice(forms)
        return Planted(kind, value, form.replace("@K", name).replace("@V", value), name)

    return make


def in_url(rng: random.Random) -> Planted:
    secret = chars(ALNUM, 14)(rng) + "9"
    scheme = rng.choice(["postgres", "postgresql+psycopg", "mysql", "mongodb+srv", "redis", "amqp", "https"])
    user = "" if scheme == "redis" else rng.choice(["app", "admin", "svc-user"])
    return Planted("url", secret, f"{scheme}://{user}:{secret}@db.internal.example:5432/main?sslmode=require", "dsn")


def in_header(rng: random.Random) -> Planted:
    user = base64.b64encode(f"admin:{chars(ALNUM, 15)(rng)}".encode()).decode()
    scheme, secret = rng.choice([("Bearer", chars(URLSAFE, 40)(rng)), ("Basic", user), ("token", chars(HEX, 40)(rng))])
    form = rng.choice(
        ['curl -H "Authorization: S V" https://x.example', "Authorization: S V", '"Authorization": "S V"']
    )
    return Planted("header", secret, form.replace("S", scheme, 1).replace("V", secret, 1), "Authorization")


def in_query(rng: random.Random) -> Planted:
    name, secret = rng.choice(["token", "access_token", "api_key", "password"]), chars(ALNUM, 23)(rng) + "3"
    return Planted("query", secret, f"GET https://api.example/v1/items?page=2&{name}={secret}&limit=10", "url")


PAIRS: dict[str, Callable[[random.Random], Planted]] = {
    "env": written("env", "@K=@V", "export @K=@V", '@K="@V"', "docker run -e @K=@V img", upper=True),
    "yaml": written("yaml", "@K: @V", "  @K: '@V'", '- @K: "@V"'),
    "json": written("json", '{"@K": "@V"}', '{"user": "a", "@K":"@V", "n": 1}'),
    "escaped json": written("escaped json", '{\\"@K\\": \\"@V\\"}', '{\\\\\\"@K\\\\\\":\\\\\\"@V\\\\\\"}'),
    "code": written("code", '@K = "@V"', "connect(host, @K='@V')", "const @K: string = `@V`;"),
    "flag": written("flag", "deploy --@K @V --force", "deploy --@K=@V", 'run --@K "@V"'),
    "prose": written("prose", "the @K is @V", "use @K=@V for the staging box", "@K: @V (changes next week)"),
}
"""Values beside a name."""
OTHERS = {"url": in_url, "header": in_header, "query": in_query, "private key": private_key}

LOOK_ALIKES: tuple[Make, ...] = (
    joined("commit ", chars(HEX, 40)),
    joined("sha256:", chars(HEX, 64)),
    joined("the digest is ", chars(HEX, 32)),
    joined("md5 ", chars(HEX, 32), "  dist/app.tar.gz"),
    joined("trace id ", uuid_text),
    joined('<img src="data:image/png;base64,iVBORw0KGgo', chars(BASE64, 300), '==">'),
    joined("payload ", chars(BASE64, 120), "="),
    joined("integrity sha512-", chars(BASE64, 86), "=="),
    joined("/home/dev/.cache/pip/http/a/b/c/", chars(HEX, 56)),
    joined("index ", chars(HEX, 7), "..", chars(HEX, 7), " 100644"),
    joined("token_count: ", chars("123456789", 3)),
    joined("max_tokens=", chars("123456789", 4)),
    joined('{"input_tokens": ', chars("123456789", 5), ', "cache_read_input_tokens": 12}'),
    joined('{"sessionId": "', uuid_text, '", "requestId": "req_', chars(ALNUM, 24), '"}'),
    joined("cache_key = '", chars(HEX, 40), "'"),
    joined("primary_key=", chars(string.digits, 6)),
    joined("author=", chars(LOWER, 9)),
    joined("docker pull alpine:3.18@sha256:", chars(HEX, 64)),
    joined("http://localhost:", chars("123456789", 4), "/@vite/client"),
    joined("git@github.com:acme/", chars(LOWER, 12), ".git"),
    joined("toolu_", chars(ALNUM, 24)),
    joined("msg_", chars(ALNUM, 24), " model=claude-opus-4-6"),
    joined("next_page_token: ", chars(URLSAFE, 32)),
    joined("public_key = ", chars(BASE64, 44)),
    joined("password = get_password(", chars(LOWER, 5), ")"),
    joined("API_KEY=${API_KEY_", chars(UPPER, 4), "}"),
    joined("token: process.env.TOKEN_", chars(UPPER, 5)),
    joined("tokenizer=", chars(LOWER, 12)),
    joined("idempotency-key: ", uuid_text),
    joined("elapsed ", chars(string.digits, 10), ":", chars(string.digits, 6)),
)


def look_alike(rng: random.Random) -> str:
    return rng.choice(LOOK_ALIKES)(rng)


PLACES = ("description", "result", "nested", "tool arguments", "log in a reason")


def plant(sender: object, place: str, planted: Planted, n: int) -> None:
    """Send an event that holds it in that place."""
    text, task = planted.text, f"task-{n}"
    if place == "description":
        signals.task_posted.send(sender, task_id=task, description=f"Please look at this: {text}\nThen report.")
    elif place == "result":
        signals.task_completed.send(sender, task_id=task, agent_id="ada", result=f"Done. I found {text} in the repo.")
    elif place == "nested":
        inner = planted.secret if planted.kind in PAIRS else text
        signals.custom.send(sender, type="swarm.deploy", plan={"steps": [{"n": 1, "env": {planted.name: inner}}]})
    elif place == "tool arguments":
        arguments = json.dumps({"command": f"echo start && {text}", "timeout": 30})
        signals.tool_executed.send(sender, agent_id="ada", tool="bash", success=True, arguments=arguments)
    else:
        log = f"2026-01-02T03:04:05Z INFO boot pid=42\nLOG_LEVEL=debug\n{text}\nTOKEN_LIMIT=4096\nexit status 1"
        signals.task_failed.send(sender, task_id=task, agent_id="bo", reason=log)
