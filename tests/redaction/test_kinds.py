"""Every kind of secret is taken out, wherever and however it is written; what stands around it stays."""

from __future__ import annotations

import random
import string

import pytest

from spark_plugin.redaction import without_secrets
from spark_plugin.redaction.tokens import KINDS
from tests.redaction.planting import ALNUM, HEX, KNOWN, OTHERS, PAIRS, Planted, chars, private_key

WRITTEN = {**PAIRS, **OTHERS}
A40 = chars(ALNUM, 37)(random.Random(7)) + "aB3"


def left(planted: Planted, text: str) -> str:
    """What must not be found: the secret, and any half of it."""
    clean = without_secrets(text)
    assert planted.secret not in clean, text
    assert planted.secret[: len(planted.secret) // 2 + 4] not in clean, text
    return clean


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("use ", " today"), ("'", "'"), ('{\\"k\\": \\"', '\\"}'), ("(", ")"), ("line\\n", "\\nline"),
     ("\t", "\n"), ("a=", "&b=1"), ("x%3D", "%26y"), ("\x1b[32m", "\x1b[0m"),
     ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{DAGGER}")],
)  # fmt: skip
def test_tokens_go_and_their_surroundings_stay(kind, before, after):
    rng = random.Random(f"{kind}{before}")
    for _ in range(20):
        token = KNOWN[kind](rng)
        secret = token.rpartition("/")[2] if kind == "slack webhook" else token
        clean = left(Planted(kind, secret, token), before + token + after)
        assert clean.startswith(before) and clean.endswith(after)
        assert clean.count("[redacted: ") == 1


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind != "jwt"])
def test_the_marker_names_the_kind(kind):
    assert f"[redacted: {kind}]" in without_secrets(KNOWN[kind](random.Random(kind)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.label} {kind.starts.split()[0]}")
def test_every_shape_in_the_table_can_be_found(kind):
    """A beginning of the wrong length or a body that begins with an odd character would never match."""
    hexes = ["AB12" * 4, "AB12CD34" * 4, "0f" * 16, HEX * 4, f"{HEX}{HEX}-{HEX}{HEX}"]
    begun = ["3", "AgE", "0", "eyJ", "9-", "a", "ant-", "TiBSU0Eg", "AB12", "services/", "services\\/", f"{A40[:6]}."]
    odd = [f"{A40[:20]}9.{A40}", "AA" + A40[:33], "1" + "AB12CD34" * 6, "i" + HEX * 2, "atlasv1." + A40 * 2]
    bodies = [*hexes, *odd, A40, A40 * 2, f"{string.digits}/{A40}{A40}", *(start + A40 + "4" for start in begun)]
    before = {"terraform token": A40[:14], "airtable token": "pat" + A40[:14], "telegram token": "123456789",
              "discord token": "M" + A40[:23]}.get(kind.label, "")  # fmt: skip
    for start in kind.starts.split():
        assert any(f"[redacted: {kind.label}]" in without_secrets(f"x {before}{start}{body} y") for body in bodies), (
            start
        )


@pytest.mark.parametrize("kind", WRITTEN)
def test_values_beside_names_go(kind):
    rng = random.Random(kind)
    kept = 0
    for _ in range(300):
        planted = WRITTEN[kind](rng)
        kept += planted.secret in without_secrets(f"We saw this:\n{planted.text}\nand went on.")
    assert kept <= 3


CASES = {
    "postgres://app:@S@db.example:5432/x?sslmode=require": "Tr0ub4dor",
    "postgres://app:@S@db.example/x": "p@ss:w0rd#1",
    "redis://:@S@cache:6379/0": "hunter2",
    "jdbc:mysql://db/x?user=app&password=@S&ssl=true": "hunter2",
    "git clone https://oauth2:@S@git.example/a/b.git": A40,
    "git clone https://@S@git.example/a/b.git": A40,
    "https://bob:@S@registry.example/@scope/pkg": "hunter2",
    r'{"url": "mysql:\/\/app:@S@db\/x"}': "hunter2",
    "Server=db;User Id=app;Password=@S;Database=x": "hunter2",
    "AccountName=x;AccountKey=@S;EndpointSuffix=y": A40 * 2 + "==",
    "aws_secret_access_key = @S": A40,
    "aws secret access key: @S": A40,
    "API Key: @S": A40,
    "//registry.example/:_authToken=@S": A40,
    "machine git.example login bob password @S": "hunter2x",
    "kind: Secret\ndata:\n  password: @S\n": "aHVudGVyMg==",
    "    password: @S\n    user: bob": "swordfish",
    "sshpass -p @S ssh root@host": "hunter2",
    "mysql -u root -p@S -h db": "hunter2",
    "curl -u bob:@S https://x.example": "swordfish",
    "PGPASSWORD=@S psql": "swordfish",
    "export DB_PASSWORD='@S'": "it,is;me&co9",
    "DB_PASSWORD=@S": "a(b)c{d}e9$f",
    "ALTER ROLE app WITH PASSWORD '@S'": "hunter2",
    "X-Api-Key: @S": A40,
    "Authorization: @S": A40,
    "Authorization: ApiKey @S": A40[:20],
    "Cookie: theme=dark; sid=@S; lang=en": HEX * 2,
    "Proxy-Authorization: Basic @S": "Ym9iOmh1bnRlcjI=",
    "os.environ['API_KEY'] = '@S'": A40[:20],
    'os.Setenv("API_KEY", "@S")': A40[:20],
    '["--password", "@S"]': "hunter2",
    "password := `@S`": "hunter2",
    'let token: &str = "@S";': A40,
    'password: str | None = "@S"': "hunter2",
    ":password => '@S'": "hunter2",
    'passphrase = "@S"': "correct horse battery staple",
    "<password>@S</password>": "hunter2",
    '<add key="ApiKey" value="@S" />': A40[:24],
    "- name: DB_PASSWORD\n  value: @S\n": "hunter2",
    '{"name":"DB_PASSWORD","value":"@S"}': "hunter2",
    "-Dspring.datasource.password=@S": "hunter2",
    "password%3D@S%26x%3D1": "hunter2",
    "{&quot;password&quot;:&quot;@S&quot;}": "hunter2",
    "**Password:** @S": "hunter2",
    "the password for staging is `@S`.": "Tr0ub4dor&3",
    "password=@S,host=x": "hunter2",
    "login(user, password=@S)": "hunter2",
    "?sv=2020&sig=@S&se=x": A40,
    "https://x.example/?X-Amz-Signature=@S&y=1": HEX * 4,
    "https://discord.com/api/webhooks/@S": "123456789012345678/" + A40 * 2,
    "https://api.telegram.org/bot@S/getMe": "123456789:AA" + A40[:33],
    "client-key-data: LS0tLS1CRUdJTi@S": "BSU0EgUFJJVkFURSBLRVktLS0tLQo" + A40,
}


@pytest.mark.parametrize("form", CASES)
def test_ways_of_writing(form):
    before, after = form.split("@S")
    clean = left(Planted("", CASES[form], ""), before + CASES[form] + after)
    if "Basic" not in form and "LS0t" not in form and "/bot" not in form:
        assert clean.startswith(before) and clean.endswith(after)


def test_a_key_on_its_secret_is_known_by_its_place_behind_the_id():
    rng = random.Random(1)
    secret = chars(ALNUM + "/+", 36)(rng) + "aB3/"
    assert secret not in without_secrets(f"{KNOWN['aws key'](rng)}, {secret}")


@pytest.mark.parametrize("seed", range(40))
def test_private_keys_go_whole(seed):
    planted = private_key(random.Random(seed))
    clean = without_secrets(f"found it:\n{planted.text}\n")
    assert planted.secret not in clean
    assert clean.count("[redacted: private key]") == 1
    assert clean.startswith("found it:\n")


def test_two_private_keys_are_two_and_what_is_between_them_stays():
    lines = [chars(ALNUM, 64)(random.Random(n)) for n in range(4)]
    begin, end = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
    cut, whole = "\n".join([begin, *lines]), "\n".join([begin, *lines, end])
    clean = without_secrets(f"{cut}\n\nThe second, in prose:\n{whole}\nThe end.")
    assert clean == "[redacted: private key]\n\nThe second, in prose:\n[redacted: private key]\nThe end."


def test_a_secret_cut_off_by_cleaning_still_goes():
    for kind in ("github token", "anthropic key", "jwt", "openai key"):
        token = KNOWN[kind](random.Random(kind))
        assert token[:30] not in without_secrets(f"the token {token[: len(token) * 2 // 3]}[cut: 70000 bytes]")


def test_many_secrets_in_one_text():
    rng = random.Random(9)
    planted = [make(rng) for make in WRITTEN.values() for _ in range(5)]
    tokens = [make(rng) for make in KNOWN.values()]
    clean = without_secrets("\n".join([*(p.text for p in planted), *tokens]))
    assert sum(p.secret in clean for p in planted) <= 1
    assert not any(token in clean for token in tokens)
