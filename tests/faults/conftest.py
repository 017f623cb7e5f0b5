"""Runs the fault matrix: sizes, seeds, and the table in the end.

``make faults`` runs a tenth of the sizes. ``SPARK_FAULTS=full make faults`` runs the stated ones and writes the table
into docs/reliability.md. A run of some files replaces the rows it ran whole and keeps the others.
``SPARK_FAULTS_SEED`` repeats a run by the seed it printed.

Each test is marked with its row: ``fault("F1")`` for the guarantee, ``mutant("F1", "what is broken")`` for a test that
breaks it on purpose and shows that the first one would fail.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.matrix import FULL, ROWS, Result, merged, table

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
RESULTS = pytest.StashKey[dict[str, Result]]()
TESTS = pytest.StashKey[dict[str, int]]()
"""How many tests a row has, in this run."""
BETWEEN = re.compile(r"(<!-- matrix -->\n)(.*)(<!-- end of matrix -->)", re.DOTALL)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("faults")
            if _row(item) not in ROWS:
                raise pytest.UsageError(f"{item.nodeid} is marked with no row of the matrix")


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[TESTS] = Counter(_row(item) for item in session.items if HERE in item.path.parents)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A new one every run; printed, and kept in the table."""
    seed = int(os.environ.get("SPARK_FAULTS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"seed {seed}")
    _result(request.node).seeds.append(seed)
    return seed


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with what was measured, in words: it goes into the table."""
    return _result(request.node).figures.append


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The store's."""
    return f"sqlite:///{tmp_path / 'spark.db'}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the journals of the store at `url` lie."""
    return tmp_path / "spark.db.capture"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if HERE in item.path.parents:
        result = _result(item)
        result.seconds += call.duration
        result.tests += report.when == "teardown"
        is_mutant = item.get_closest_marker("mutant") is not None
        if report.when == "call" and is_mutant:
            result.mutants += not report.skipped
            result.survived += report.failed
        elif report.failed:
            result.failed += 1
        elif report.skipped and not is_mutant:
            result.skipped += 1
            result.figures.append(report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped")
        elif report.when == "call" and report.passed:
            result.passed += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if not results:
        return
    terminalreporter.section("fault matrix, the stated sizes" if FULL else "fault matrix, a tenth of the sizes")
    for line in table(results).splitlines()[2:]:
        terminalreporter.write_line(line.replace("**", "").strip("| "))
    seeds = {row: result.seeds for row, result in results.items() if result.seeds}
    terminalreporter.write_line(f"seeds: {seeds}")
    if FULL and (whole := {row: result for row, result in results.items() if _is_whole(row, result, config)}):
        _write(whole)
        terminalreporter.write_line(f"docs/reliability.md has what is new about {', '.join(whole)}")


def _is_whole(row: str, result: Result, config: pytest.Config) -> bool:
    """Whether all there is about a row was run: a part of it must not pass for the row."""
    files = [path for path in HERE.glob("test_*.py") if f'("{row}"' in path.read_text("utf-8")]
    named = [Path(argument).resolve() for argument in config.args if "::" not in argument]
    chosen = config.option.keyword or len(named) < len(config.args)
    covered = all(any(path == name or name in path.parents for name in named) for path in files)
    return covered and not chosen and result.tests == config.stash[TESTS][row]


def _write(results: dict[str, Result]) -> None:
    page = ROOT / "docs" / "reliability.md"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    for result in results.values():
        result.run = f"{datetime.now(UTC):%Y-%m-%d} {commit.strip()}"
    text = page.read_text("utf-8")
    page.write_text(BETWEEN.sub(lambda found: found[1] + merged(found[2], results) + found[3], text), "utf-8")


def _row(item: pytest.Item) -> str:
    marker = item.get_closest_marker("mutant") or item.get_closest_marker("fault")
    return str(marker.args[0]) if marker and marker.args else ""


def _result(item: pytest.Item) -> Result:
    return item.config.stash[RESULTS].setdefault(_row(item), Result())
