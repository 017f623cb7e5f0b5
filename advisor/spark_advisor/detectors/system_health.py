"""Whether Spark itself can be trusted: its forecasts (a detector), and its capture (asked outside the log)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from spark_advisor.statistics import Z95, mean_interval
from spark_hooks.records import Advisory, Finding
from spark_hooks.views import OUTCOMES, SwarmView, Touched

MIN_EVALUATED = 50
Z = 3.5  # it is looked at after every outcome: a mean that wanders by chance must not trip it


class WorthlessForecasts:
    """The success forecasts score worse than the plain base rate, beyond what chance would do."""

    name = "worthless_forecasts"
    watches = OUTCOMES

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        excess = view.forecasts.excess
        if excess.n < MIN_EVALUATED or excess.mean <= 0.0 or mean_interval(excess, Z)[0] <= 0.0:
            return
        low, high = mean_interval(excess, Z95)
        yield Finding(
            category="system_health",
            title="The success forecasts are worth less than the base rate",
            detail=f"Over {excess.n} attempts each lost {excess.mean:.4f} nats more than the base rate would have "
            f"(95% interval {low:.4f} to {high:.4f}).",
            suggested_action="Do not follow recommendations until the forecasts have caught up.",
            action={"action": "ignore_forecasts"},
            priority=round(min(1.0, 0.4 + excess.mean), 4),
            evidence=(touched.event_id,),
            evidence_count=excess.n,
            interval=(low, high),
        )


def capture_health(trouble: str | None, lag: int, dropped: Mapping[str, int]) -> list[Advisory]:
    """Advice about the capture of this process: what keeps events from the store, what was dropped.

    `trouble` is the last error in words, `lag` the number of events waiting, `dropped` counts by event type.
    """
    found = []
    if trouble is not None:
        title = f"Events are not being stored: {lag} wait in the journal"
        found.append(_advisory("capture-stalled", title, trouble, lag))
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
