"""The house: layers, sizes, what an import costs and starts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "spark_hooks": ROOT / "hooks" / "spark_hooks",
    "spark_eidos": ROOT / "eidos" / "spark_eidos",
    "spark_advisor": ROOT / "advisor" / "spark_advisor",
    "spark_plugin": ROOT / "spark_plugin",
}
MAY_IMPORT = {
    "spark_hooks": {"spark_hooks"},
    "spark_eidos": {"spark_hooks", "spark_eidos"},
    "spark_advisor": {"spark_hooks", "spark_eidos", "spark_advisor"},
    "spark_plugin": set(PACKAGES),
}
MODULES = sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_lies_below(package):
    for path in PACKAGES[package].rglob("*.py"):
        ours = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
        assert ours <= MAY_IMPORT[package], path


def test_the_coordinator_knows_signals_only():
    for path in (ROOT / "spark_plugin" / "coordinator").rglob("*.py"):
        ours = {name for name in imported(path) if name.split(".")[0] in PACKAGES}
        assert all(name.startswith(("spark_hooks", "spark_plugin.coordinator")) for name in ours), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_short_and_say_what_they_are(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def in_a_new_process(code: str, folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_importing_the_plugin_is_light_and_starts_nothing(tmp_path):
    code = """
import sys, threading
before = set(sys.modules)
import spark_plugin
loaded = set(sys.modules) - before
heavy = {"numpy", "sqlite3", "typer", "rich", "asyncio", "pluggy", "blinker", "msgspec"} & loaded
print(sorted(heavy), threading.active_count())
"""
    assert in_a_new_process(code, tmp_path) == "[] 1"
    assert list(tmp_path.iterdir()) == []


def test_importing_every_module_starts_no_thread_and_writes_no_file(tmp_path):
    names = ["spark_plugin.plugin", "spark_plugin.cli.app", "spark_plugin.coordinator", "spark_plugin.demo.arms"]
    code = f"import threading, {', '.join(names)}; print(threading.active_count())"
    assert in_a_new_process(code, tmp_path) == "1"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["spark_hooks", "spark_eidos", "spark_advisor", "spark_plugin"])
def test_packages_are_typed_and_name_what_they_offer(package):
    module = __import__(package)
    assert (PACKAGES[package] / "py.typed").exists()
    assert len(module.__all__) == len(set(module.__all__))
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_the_repository_names_no_registry():
    hosts = ("files.python" + "hosted", "pypi.org" + "/simple", "registry.npm" + "js")
    for path in filter(Path.is_file, [*ROOT.glob("*"), *(ROOT / "docs").glob("*"), *MODULES]):
        text = path.read_text("utf-8")
        assert not any(host in text for host in hosts), path
