"""What only looks like a secret is stored as it was, to the byte."""

from __future__ import annotations

import random

import pytest

from spark_hooks.events import CustomEvent
from spark_plugin.redaction import redacted, without_secrets
from tests.redaction.planting import look_alike

TEXTS = """
the password reset flow is broken
Enter your password: then press return
The token limit was reached after 4096 tokens
token_count: 512
max_tokens=4096
"max_tokens": 8192, "tokens": 17, "secrets": 3
password=
password: ''
API_KEY=""
password: string
password: str
password: str | None = None
password?: string;
token: Token
secret: SecretStr
def login(user: str, password: str) -> Token:
password: required
password = <password>
password: <your password here>
PASSWORD=${PASSWORD}
PASSWORD=$PASSWORD
export API_KEY="$(cat key.txt)"
api_key = os.environ["API_KEY"]
api_key = os.getenv("API_KEY")
apiKey: process.env.OPENAI_API_KEY
token = config.token
token = self._token
password = get_password()
password = getpass.getpass("Password: ")
password=password
db_passwd = self.db_passwd
token=token, secret=secret
password: ****
password: ********
password: xxx
API_KEY=xxxxxxxxxxxx
api_key: your-api-key
api_key = "YOUR_API_KEY"
"apiKey": "<API_KEY>"
token: {{ token }}
token: "{{ secrets.GITHUB_TOKEN }}"
password: "%s"
password={password}
f"postgres://{user}:{password}@{host}/db"
postgres://${USER}:${PASS}@${HOST}/db
postgres://USER:PASSWORD@HOST/db
https://user:***@example.com
password: !env DB_PASSWORD
password_file: /run/secrets/db_password
PASSWORD_FILE=/run/secrets/db_password
private_key: ~/.ssh/id_rsa
ssh_key=/home/dev/.ssh/id_ed25519
PWD=/home/dev/project
OLDPWD=/home/dev
author=jane.doe
authors: Ann Author, Bo Writer
tokenizer=cl100k_base
tokenizer: "o200k_base"
secretary: Mrs Jones9
keyboard=us-intl2
monkey=bananas12
key: value
key=3f2a9c1e5b7d8a6f4e2c1b0a9d8e7f6a
primary_key=12345
cache_key: 5d41402abc4b2a76b9719d911017c592
public_key = MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE
-----BEGIN PUBLIC KEY----- and -----BEGIN CERTIFICATE-----
if (line.startsWith("-----BEG@@IN RSA PRIVATE KEY-----")) { key = true }
aws_access_key_id is an id
key_id: 4f9c2b1e
next_page_token: CAUQAAdXkz3lPq0
csrf protection uses a token per form
Bearer authentication is required
Authorization: Bearer <token>
Authorization: Bearer $TOKEN
-H "Authorization: Bearer ${API_TOKEN}"
Basic authentication over TLS
the bearer of bad news
auth: oauth2
auth=none
"auth": {"type": "basic"}
authentication: enabled
--password string   the password
--token <token>
--token TOKEN
use the --api-key flag or --password-stdin
secret: my-tls-secret
secretName: web-tls-cert2
imagePullSecrets: regcred
token expired at 2026-01-02T03:04:05Z
password changed on 2026-01-02
--- PASS: TestCheckpointID_Path (0.00s)
pass: 12, fail: 0
passed=14 failed=2
sk-learn pipelines; disk-usage-monitoring-for-2024-systems
risk-assessment-of-the-large-project-2024-final-version
npm_config_registry=https://example.com npm_lifecycle_event=test
hf_hub_download(repo_id="a/b")
gh@@p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
version 1.2.3-rc.1+build.20260102
localhost:8080/path@v2 and http://localhost:5173/@vite/client
docker.io/library/alpine:3.18@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
git@github.com:acme/rockets.git
mailto:dev@example.com ssh://git@example.com:22/a/b
/usr/lib/python3.11/site-packages/cryptography/x509/certificate_transparency.py
eyJub3QiOiJhIHRva2VuIn0 is base64 of JSON
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
https://example.com/?page=2&key=name&sort=asc&token=
<input type="password" name="password" id="password">
SELECT password FROM users WHERE token = ?
raise ValueError("password must be at least 8 characters")
"password": "Enter your password"
'password': 'The password of the account',
password_hash = bcrypt.hashpw(password, salt)
TypeError: login() missing 1 required positional argument: 'password'
assert token == expected_token
token, secret = request_token()
if password == "":
for token in tokens:
const [token, setToken] = useState("")
[redacted: password] [redacted: github token]
password=[redacted: password]
password: [REDACTED]
Bearer [redacted: credentials]
""".replace("@@", "")  # so that no scanner takes this file for what it tests
LINES = [line for line in TEXTS.splitlines() if line]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_holds_no_secret_stays(line):
    assert without_secrets(line) == line
    assert without_secrets(f"{line}\nand then\n{line}\n") == f"{line}\nand then\n{line}\n"


def test_all_lines_together_stay():
    assert without_secrets(TEXTS) == TEXTS


def test_generated_look_alikes_stay():
    rng = random.Random(11)
    texts = [look_alike(rng) for _ in range(4000)]
    wrong = [text for text in texts if without_secrets(text) != text]
    assert len(wrong) <= 0.005 * len(texts), wrong


DATA = {
    "token_count": 512,
    "max_tokens": 4096,
    "tokens": ["the", "cat", "sat"],
    "author": "jane",
    "password": "",
    "secret": None,
    "api_key": "${API_KEY}",
    "token": "<token>",
    "has_password": "yes, a long one",
    "password_policy": "12 characters",
    "auth": {"type": "oauth2", "url": "https://login.example"},
    "schema": {"password": {"type": "string"}, "token": {"type": "string", "format": "uuid"}},
    "errors": {"password": "must have at least 8 characters"},
    "private_key_path": "/etc/ssl/private.pem",
    "private_key": "/etc/ssl/private.pem",
    "secrets": {"count": 3, "enabled": True},
    "env": [{"name": "HOME", "value": "/home/dev"}, {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": "db"}}],
    "argv": ["login", "--password", "--verbose", "x1y2z3w4"],
    "test-secrets.txt": {"hash": "4131a02798007d36"},
}


def test_data_that_holds_no_secret_is_the_same_event():
    event = CustomEvent(type="x", extra={"plan": DATA, **DATA})
    assert redacted(event) is event
