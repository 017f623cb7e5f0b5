"""Shared helpers assert as well: pytest explains their failures too."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.projection.swarmlog", "tests.contracts.store_contract")
