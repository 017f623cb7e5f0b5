"""S5: secrets planted in every place an event has are nowhere to be found afterwards; look-alikes are there whole.

20 kinds in 5 places; each run draws new ones.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pytest

from spark_hooks import signals
from spark_plugin import Settings, register
from spark_plugin.capture import carrier
from spark_plugin.redaction import pairs, tokens
from tests.faults.matrix import size
from tests.redaction.planting import KNOWN, OTHERS, PAIRS, PLACES, Planted, look_alike, plant

SIZE = size(1000)
BY_LOOK = ("aws key", "github token", "gitlab token", "slack token", "stripe key", "openai key", "anthropic key",
           "google key", "npm token", "sendgrid key", "jwt", "private key", "url", "header")  # fmt: skip
BY_NAME = ("env", "yaml", "json", "escaped json", "code", "flag")


class Swarm:
    """A coordinator."""


class Outcome(NamedTuple):
    """What became of what was planted."""

    planted: list[Planted]
    leaked: dict[Planted, list[str]]
    """Where each was found."""
    look_alikes: int
    altered: list[str]

    def recall(self, kinds: tuple[str, ...]) -> float:
        of_kind = [planted for planted in self.planted if planted.kind in kinds]
        return 1 - sum(planted in self.leaked for planted in of_kind) / len(of_kind)


def secrets_of(rng: random.Random, size: int) -> list[tuple[str, Planted]]:
    """(place, secret), every kind in every place equally often."""
    makes = PAIRS | OTHERS
    pairs = [(kind, place) for kind in (*BY_LOOK, *BY_NAME) for place in PLACES]
    found = []
    for kind, place in pairs * (size // len(pairs)):
        if kind in KNOWN:
            token = KNOWN[kind](rng)
            found.append((place, Planted(kind, token, token)))
        else:
            found.append((place, makes[kind](rng)))
    rng.shuffle(found)
    return found


def run(folder: Path, seed: int, size: int, caplog: pytest.LogCaptureFixture) -> Outcome:
    """Send everything through a real `register` and search what is kept: the files (WAL and journal while they are in
    use, then what is left when all is closed), the logs, an export, answers."""
    rng = random.Random(seed)
    planted = secrets_of(rng, size)
    harmless = {f"harmless-{n}": look_alike(rng) for n in range(size)}
    swarm = Swarm()
    spark = register(swarm, settings=Settings(store=f"sqlite:///{folder / 'spark.db'}"))
    for n, (place, secret) in enumerate(planted):
        plant(swarm, place, secret, n)
    for task_id, text in harmless.items():
        signals.task_posted.send(swarm, task_id=task_id, description=text)
    assert spark.flush(60)
    assert spark.events.count() == 2 * size
    haystacks = {
        "export": b"\n".join(line for _, line in spark.events.export()),
        "answers": repr([spark.events.query(limit=None), spark.status(), spark.advisories.all(1000)]).encode(),
    }
    haystacks |= {f"live {name}": text for name, text in files(folder).items()}
    stored = {row["task_id"]: row["data"].get("description") for row in spark.events.query(limit=None)}
    spark.close()
    haystacks["logs"] = caplog.text.encode()
    haystacks |= files(folder)
    assert any(name.endswith("-wal") for name in haystacks)
    assert any(name.endswith(".seg") for name in haystacks)
    leaked = {
        secret: where
        for _, secret in planted
        if (where := [name for name, text in haystacks.items() if secret.secret.encode() in text])
    }
    altered = [text for task_id, text in harmless.items() if stored[task_id] != text]
    return Outcome([secret for _, secret in planted], leaked, len(harmless), altered)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def judge(outcome: Outcome) -> None:
    """The figures of the fault matrix."""
    looks, names = outcome.recall(BY_LOOK), outcome.recall(BY_NAME)
    print(f"recall {looks:.4f} by look, {names:.4f} by name; {len(outcome.altered)}/{outcome.look_alikes} look-alikes")
    assert looks >= 0.99, outcome.leaked
    assert names >= 0.95, outcome.leaked
    assert len(outcome.altered) <= 0.005 * outcome.look_alikes, outcome.altered


@pytest.mark.fault("S5")
def test_planted_secrets_are_nowhere(tmp_path, seed, caplog, reached):
    outcome = run(tmp_path, seed, SIZE, caplog)
    judge(outcome)
    recall = f"{outcome.recall(BY_LOOK):.3f} by look, {outcome.recall(BY_NAME):.3f} by name"
    reached(f"{len(outcome.planted)} secrets: recall {recall}; {len(outcome.altered)} of {outcome.look_alikes} false")


@pytest.mark.mutant("S5", "nothing is redacted")
def test_without_redaction_they_are_found(tmp_path, seed, caplog, monkeypatch):
    """The mutant: the same search, with redaction switched off, must find them all."""
    monkeypatch.setattr(carrier, "redacted", lambda event, redact: event)
    outcome = run(tmp_path, seed, SIZE, caplog)
    assert len(outcome.leaked) == len(outcome.planted)
    assert any("spark.db" in where for where in outcome.leaked.values())
    with pytest.raises(AssertionError):
        judge(outcome)


@pytest.mark.mutant("S5", "one finder of several finds nothing")
@pytest.mark.parametrize("off", ["tokens", "pairs"])
def test_without_a_part_of_it_some_are_found(tmp_path, seed, caplog, monkeypatch, off):
    """Smaller mutants: one finder of several finds nothing."""
    monkeypatch.setattr({"tokens": tokens, "pairs": pairs}[off], off, lambda text: iter(()))
    with pytest.raises(AssertionError):
        judge(run(tmp_path, seed, SIZE, caplog))
