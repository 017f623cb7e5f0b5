"""The documents are held to the code: what exists is named, what is shown runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from spark_hooks import signals, specs
from spark_hooks.events import EVENT_TYPES
from spark_hooks.facade import Hooks
from spark_plugin.cli.app import build
from spark_plugin.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")


def hooks() -> list[str]:
    groups = (specs.Notifications, specs.Questions, specs.Extensions)
    return [name for group in groups for name in vars(group) if not name.startswith("_")]


def commands() -> list[str]:
    return [command.callback.__name__ for command in build().registered_commands]


def settings() -> list[str]:
    return [f"SPARK_{field.name.upper()}" for field in msgspec.structs.fields(Settings)]


def fenced(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", [*hooks(), *signals.SIGNALS, *settings()])
def test_reference_names_every_hook_signal_and_setting(name):
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("name", commands())
def test_reference_names_every_command(name):
    assert f"`spark {name}" in REFERENCE


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_reference_gives_every_field_of_every_event(name):
    [row] = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}` |")]
    for field in EVENT_TYPES[name].checks:
        required = field in EVENT_TYPES[name].required
        assert (f"**{field}**" in row) if required else (field in row and f"**{field}**" not in row)


def test_signals_hooks_and_events_have_the_same_names():
    assert set(signals.SIGNALS) == {*EVENT_TYPES, "custom"}
    assert set(signals.SIGNALS) <= set(hooks())


def test_every_hook_and_signal_has_a_sentence():
    for group in (specs.Notifications, specs.Questions, specs.Extensions):
        assert all(vars(group)[name].__doc__ for name in vars(group) if not name.startswith("_"))
    assert all(signal.__doc__ and "Policy" in signal.__doc__ for signal in signals.SIGNALS.values())


def test_reference_gives_the_facade_as_it_is():
    for name in (name for name in vars(Hooks) if name in ("predict", "recommend", "advisories", "register")):
        assert f"`{name}(" in REFERENCE


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md"])
def test_the_snippets_of_a_document_run_in_order(document, tmp_path):
    script = tmp_path / "snippets.py"
    script.write_text("\n".join(fenced(ROOT / document, "python")), "utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env={"SPARK_STORE": "sqlite:///snippets.db", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr


def test_the_commands_of_the_readme_run(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = [line for block in fenced(ROOT / "README.md", "sh") for line in block.splitlines()]
    spark = [shlex.split(line) for line in lines if line.startswith("spark ")]
    assert len(spark) >= 5
    for _, *arguments in spark:
        command = [sys.executable, "-m", "spark_plugin", *arguments]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, (arguments, run.stderr)
        assert run.stdout.strip()


def test_the_readme_example_has_ten_lines():
    [example] = fenced(ROOT / "README.md", "python")
    assert 8 <= len([line for line in example.splitlines() if line.strip()]) <= 12


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    [two] = [block for block in fenced(ROOT / "README.md", "sh") if block.startswith("make")]
    targets = re.findall(r"^make (\w+)", two, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
