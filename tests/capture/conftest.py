"""A journal's directory, a store beside it, and small segments where a test wants many."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_plugin import Settings
from spark_plugin.capture import journal
from spark_plugin.projection import projection
from spark_plugin.store import sqlite

PATIENCE_S = 60.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spark.db'}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the journal of the store at `url` lies."""
    return tmp_path / "spark.db.capture"


@pytest.fixture
def settings(url: str) -> Settings:
    return Settings(store=url)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> int:
    """Segments of 4 KiB; returns their size."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 4096)
    monkeypatch.setattr(journal, "MAX_RECORD", 2048)
    return 4096


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a lock or for an answer."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.02)
    monkeypatch.setattr(projection, "PATIENCE_S", 0.02)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds, with patience; the test fails when it never does."""

    def wait(holds: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "it never came to pass"
            time.sleep(0.01)

    return wait
