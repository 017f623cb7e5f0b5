"""Whether the capture of this process can be trusted, and its plugins. It is asked outside the log."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from spark_hooks.records import Advisory

LAGGING = 50_000
"""Events that wait in the journal, from which on that is worth a word."""


def capture_health(trouble: str | None, lag: int, dropped: Mapping[str, int]) -> list[Advisory]:
    """Advice about the capture of this process: what keeps events from the store, what was dropped.

    `trouble` is the last error in words, `lag` the number of events waiting, `dropped` counts by event type.
    """
    found = []
    if trouble is not None:
        title = f"Events are not being stored: {lag} wait in the journal"
        found.append(_advisory("capture-stalled", title, trouble, lag))
    elif lag >= LAGGING:
        title = f"Spark is behind: {lag:,} events wait in the journal"
        found.append(_advisory("capture-lag", title, "They are safe, but answers do not know of them yet.", lag))
    if lost := sum(dropped.values()):
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(dropped.items()))
        found.append(_advisory("capture-dropped", f"{lost} events were dropped", f"Lost for good: {kinds}.", lost))
    return found


def plugin_health(switched_off: Mapping[str, str]) -> list[Advisory]:
    """Advice about the plugins of this process that were switched off: by name, why."""
    return [
        msgspec.structs.replace(
            _advisory(f"plugin-off-{name}", f"The plugin {name} is switched off", f"It was too slow: {reason}.", 1),
            suggested_action=f"Make it quicker, then let it in again: spark.hooks.enable({name!r}).",
            action={"action": "enable_plugin", "plugin": name},
        )
        for name, reason in sorted(switched_off.items())
    ]


def _advisory(key: str, title: str, detail: str, count: int) -> Advisory:
    return Advisory(
        id=f"process:{key}",
        category="system_health",
        priority=1.0,
        title=title,
        detail=detail,
        suggested_action="Run `spark doctor`.",
        action={"action": "doctor"},
        subject=None,
        evidence=(),
        evidence_count=count,
    )
