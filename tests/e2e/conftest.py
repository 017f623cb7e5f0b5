"""A store of its own for each test, and the command line as a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spark_plugin.cli.app import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "swarm.jsonl"


class Shell:
    """Runs commands in this process; `out` and `err` are what the last one printed."""

    def __init__(self, capfd):
        self._capfd = capfd
        self.out = self.err = ""

    def __call__(self, *arguments):
        self._capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        self.out, self.err = self._capfd.readouterr()
        return code

    def json(self, *arguments):
        """The one line of JSON that a command prints."""
        assert self(*arguments, "--json") == 0, self.err
        [line] = self.out.splitlines()
        return json.loads(line)

    def json_lines(self, *arguments):
        assert self(*arguments, "--json") == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def spark(capfd):
    return Shell(capfd)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """Nothing of the machine's own settings counts; the store lies in the test's folder."""
    for name in ("ENABLED", "BATCH", "STRICT", "SEED"):
        monkeypatch.delenv(f"SPARK_{name}", raising=False)
    monkeypatch.setenv("SPARK_STORE", f"sqlite:///{tmp_path}/spark.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def example():
    return EXAMPLE
