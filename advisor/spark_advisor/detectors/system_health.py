"""Whether Spark itself can be trusted: its forecasts (a detector), and its capture (asked outside the log)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spark_hooks.records import Advisory, Finding
from spark_hooks.views import SwarmView, Touched

MIN_EVALUATED = 50


class WorthlessForecasts:
    """The success forecasts score worse than the plain base rate."""

    name = "worthless_forecasts"

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        loss, base = view.forecasts.mean_log_loss, view.forecasts.mean_base_log_loss
        if view.forecasts.evaluated < MIN_EVALUATED or loss is None or base is None or loss <= base:
            return
        yield Finding(
            category="system_health",
            title="The success forecasts are worth less than the base rate",
            detail=f"Over {view.forecasts.evaluated} attempts they lost {loss:.4f} nats each, the base rate "
            f"{base:.4f}.",
            suggested_action="Do not follow recommendations until the forecasts have caught up.",
            action={"action": "ignore_forecasts"},
            priority=round(min(1.0, 0.4 + (loss - base) / base), 4),
            evidence=(touched.event_id,),
            evidence_count=view.forecasts.evaluated,
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
