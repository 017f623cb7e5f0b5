"""The SQLite store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.store_contract import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'spark.db'}"
