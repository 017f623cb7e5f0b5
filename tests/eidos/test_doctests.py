"""What the docstrings of the forecaster show is what happens."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import spark_eidos

MODULES = sorted(f"spark_eidos.{module.name}" for module in pkgutil.iter_modules(spark_eidos.__path__))
WITH_EXAMPLES = {
    "bidding", "bids", "bounds", "change", "checks", "effort", "fading", "mean", "pace", "rules", "skill", "success",
    "task", "winner",
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    if name.removeprefix("spark_eidos.") in WITH_EXAMPLES:
        assert result.attempted > 0


def test_the_modules_with_examples_are_there():
    assert {f"spark_eidos.{name}" for name in WITH_EXAMPLES} <= set(MODULES)
