"""Spark, the learning layer for swarms of agents: ``spark = register(coordinator)``.

Importing this starts nothing and loads little; the parts come with the first use of a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spark_plugin.plugin import Spark, host_plugin, register
    from spark_plugin.settings import Settings

__all__ = ["Settings", "Spark", "host_plugin", "register"]


def __getattr__(name: str) -> Any:
    if name == "Settings":
        from spark_plugin.settings import Settings

        return Settings
    if name in __all__:
        from spark_plugin import plugin

        return getattr(plugin, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
