"""Redaction, measured: the worst texts of each kind beside ordinary ones. Prints one line of JSON.

usage: redaction.py [--kib 64] [--rounds 3] [--top]

Microseconds of processor time per KiB; for each kind the worst of its texts, each the best of some rounds. A text of
the greatest length that is kept is cut from a row of one unit, or made of parts that are all different. `--top` prints
the worst of all on stderr, for whoever wants to make them faster. Ordinary are the strings of real sessions and the
events of real streams, from the folder that `SPARK_DATA` names (skipped, loudly, where it is absent).
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from spark_plugin import codec
from spark_plugin.redaction import redacted, without_secrets

DATA = Path(os.environ.get("SPARK_DATA", Path(__file__).parents[2] / "shared" / "data"))
STREAMS = ("gastown_swarm", "swebench_verified_submissions", "tsuchiura_procurement")
BEGIN, END = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))

ROWS = {
    "one character": ["a", "A1", "-", "_", ".", ":", "=", '"', "'", "\\", "@", " ", "\n", "/", "k", "p", "\u0130", "%"],
    "near tokens": [
        "sk-", "sk-1", "-eyJ", "eyJa", "eyJ-", "ghp_", "p_", "a-", "xoxb-", "AK" + "IA", "1.", "a.a.", "hvs.", "dapi",
        "-p", "12345678:AAAA", "?sig=", "SG." + "a" * 16, "M" + "a" * 23 + ".", "/webhooks/1234567890/", "t-",
    ],
    "names": ["key", "tokentoken", "password", "pass", "auth ", "a_key", "keykeykeykey:", "--password", "my key "],
    "pairs": [
        "password=", "password: ", "key=", "a_key=", "token=a1b2c3d4 ", "password=hunter2x ", "password=a.b.c ", "pwd=",
        "password=,a", "password:x\n", "  password: |\n   ", "secret=${", "token:=", "\\npassword=", "=a&a=a",
        "password=$", "name: PASSWORD\nvalue: ", "password is ", "machine x login y password ",
    ],
    "quotes": [
        'password="', "password='", '"password", "', "['password', '", 'password","', "&quot;password", '["', "key'a' ",
        'token: "', "\\u0022password\\u0022:", 'key\\\\\\":', "set(key, '", "<password>", "${",
    ],
    "headers": [
        "bearer ", "bearer=", "basic ", "basic=", "token: bearer ", "Bearer a1b2c3d4 ", "cookie: a=b; ", "cookie:",
        "=a1b2c3d4", "authorization: ",
    ],
    "commands": ["--password ", "curl -u a:b ", "mysql -paaaa ", "-u ", "--a", "sshpass -p x "],
    "URLs": ["://", "://a:", "x://:a", "x://a:b@", "x://u:p@sha1:", "a@b://", "x://" + "a" * 60 + ":"],
    "private keys": [
        BEGIN, END, f"{BEGIN}\nMIIEpAIBAAKCAQEA1234\n", f"{BEGIN}\n" + "A" * 64 + "\n", "-----BEGIN ", "LS0tLS1CRUdJTi",
    ],
}  # fmt: skip
"""Units by kind; each is repeated, also behind beginnings that keep something open."""
OPEN = ("", "password=", 'password="', "x://u:", "authorization: bearer ", "cookie: ")


def word(rng: random.Random, length: int = 12) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


DIFFERENT: dict[str, Callable[[random.Random], str]] = {
    "different pairs": lambda rng: f"{word(rng, 5)}_token={word(rng)} ",
    "different passwords": lambda rng: f"password={word(rng, 6)} ",
    "different long values": lambda rng: f"secret: {word(rng, 250)} ",
    "different URLs": lambda rng: f"x://u:{word(rng, 8)}@ ",
    "different cookies": lambda rng: f"cookie: a={word(rng, 9)}\n",
    "different headers": lambda rng: f"bearer {word(rng, 10)} ",
    "lines of base64": lambda rng: word(rng, 76) + "\n",
    "short tokens": lambda rng: f"sk-{word(rng, 8)} ghp_{word(rng, 8)} ",
}
"""Texts in which nothing comes twice."""


def adversarial(length: int) -> Iterator[tuple[str, str, str]]:
    """(kind, unit, text) of everything that is made to take long."""
    for kind, units in ROWS.items():
        for unit, before in itertools.product(units, OPEN):
            yield kind, before + unit, (before + unit * (length // len(unit) + 1))[:length]
    for kind, part in DIFFERENT.items():
        rng = random.Random(kind)
        text = "".join([part(rng) for _ in range(length // 8)])
        yield kind, "", text[:length]


def took(work: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time, the best of some rounds: machines are shared."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def worst(length: int, rounds: int, top: bool) -> dict[str, float]:
    """Microseconds per KiB of the worst text of each kind."""
    found = []
    for kind, unit, text in adversarial(length):
        found.append((took(lambda text=text: without_secrets(text), rounds) * 1e6 / (length / 1024), kind, unit))
    if top:
        for cost, kind, unit in sorted(found, reverse=True)[:20]:
            print(f"{cost:8.1f} us/KiB  {cost * length / 1024 / 1000:6.1f} ms  {kind}: {unit[:60]!r}", file=sys.stderr)
    kinds = dict.fromkeys(kind for _, kind, _ in found)
    return {kind: round(max(cost for cost, of, _ in found if of == kind), 1) for kind in kinds}


def ordinary(rounds: int) -> dict[str, float]:
    """What real texts take: per KiB of sessions by length of the text, per event of streams."""
    texts = [text for path in sorted((DATA / "transcripts").glob("*.gz")) for text in strings(path)]
    measured = {}
    for least, most in ((0, 64), (64, 1024), (1024, 1 << 20)):
        some = [text for text in texts if least <= len(text) < most]
        seconds = took(lambda some=some: [without_secrets(text) for text in some], rounds)
        measured[f"texts of {least}-{most}: us each"] = round(seconds * 1e6 / max(1, len(some)), 2)
        measured[f"texts of {least}-{most}: us/KiB"] = round(seconds * 1e6 / max(1, sum(map(len, some)) / 1024), 2)
    for name in STREAMS:
        lines = gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()
        events = [codec.decode(line) for line in lines]
        seconds = took(lambda events=events: [redacted(event) for event in events], rounds)
        measured[f"{name}: us/event"] = round(seconds * 1e6 / len(events), 2)
    return measured


def strings(path: Path) -> Iterator[str]:
    """Every text in a session, at any depth."""
    waiting = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines() if line.strip()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--top", action="store_true")
    options = parser.parse_args()
    without_secrets("a first text, which makes the searches: password=hunter2")
    slowest = worst(options.kib * 1024, options.rounds, options.top)
    found: dict[str, object] = {"kib": options.kib, "worst_us_per_kib": slowest}
    found["worst_ms"] = round(max(slowest.values()) * options.kib / 1000, 1)
    if (DATA / "transcripts").is_dir():
        found["ordinary"] = ordinary(options.rounds)
    else:
        print(f"SKIPPED: no {DATA}/transcripts; set SPARK_DATA", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
