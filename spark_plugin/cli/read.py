"""``spark status``, ``timeline``, ``predictions``, ``memories``, ``advise``: the read models."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from spark_plugin.cli.common import (
    AgentOption,
    JsonOption,
    LimitOption,
    SinceOption,
    StoreOption,
    TaskOption,
    TypeOption,
    console,
    moment,
    number,
    print_json,
    print_json_lines,
    reading,
    table,
)


def status(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """What is stored, and whether the forecasts are worth anything."""
    with reading(store) as spark:
        known = spark.status()
        url = spark.settings.store
    if as_json:
        print_json(known)
        return
    out = console()
    out.print(f"Store {url}{'' if known['enabled'] else ' (SPARK_ENABLED is off)'}")
    rows = table("", "what", "how many#")
    rows.add_row("events", f"{known['events']:,}")
    for name, n in sorted(known["event_types"].items(), key=lambda item: (-item[1], item[0])):
        rows.add_row(f"  {name}", f"{n:,}")
    for name, n in known["tasks"].items():
        rows.add_row(f"tasks {name}", f"{n:,}")
    for name in ("agents", "memories", "advisories"):
        rows.add_row(name, f"{known[name]:,}")
    if known["parked"]:
        rows.add_row("waiting for the post or award they belong to", f"{known['parked']:,}")
    if known["unmatched"]:
        rows.add_row("outcomes that belong to no attempt", f"{known['unmatched']:,}")
    out.print(rows)
    out.print(verdict(known["predictions"]))
    if (line := advantage(known["recommendations"])) is not None:
        out.print(line)
    out.print("Capture: " + ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in known["capture"].items()))
    if known["trouble"]:
        out.print(f"Events are not being stored: {known['trouble']}")


def verdict(scores: dict[str, Any]) -> str:
    """One line on whether the forecasts are worth anything."""
    if not scores["evaluated"] or scores["skill"] is None:
        return "Forecasts: none has met its outcome yet."
    skill, interval = scores["skill"], scores.get("skill_interval")
    sure = interval is None or interval[0] > 0.0 or interval[1] < 0.0
    word = (
        "not yet told from" if not sure else "worth their while: better than" if skill > 0 else "worth nothing beside"
    )
    range_ = "" if interval is None else f" (95% {interval[0]:+.1%} to {interval[1]:+.1%})"
    return (
        f"Forecasts: {word} the base rate over {scores['evaluated']:,} attempts; skill {skill:+.1%}{range_}, log loss "
        f"{number(scores['log_loss'])} against {number(scores['base_rate_log_loss'])} for the base rate and "
        f"{number(scores.get('agent_rate_log_loss'))} for each agent's own, calibration error {number(scores['ece'])}."
    )


def advantage(told: dict[str, Any]) -> str | None:
    """One line on what following the recommendations was worth; None where none was given."""
    if not told["asked"]:
        return None
    line = f"Recommendations: {told['asked']:,} given, {told['followed']:,} followed"
    if told["success"] is not None:
        line += f", of which {told['success']:.1%} succeeded"
    if told["gain_interval"] is not None:
        low, high = told["gain_interval"]
        line += f"; {told['gain']:+.1%} success over an even choice (95% {low:+.1%} to {high:+.1%})"
    return line + "."


def timeline(
    type_name: TypeOption = None,
    agent: AgentOption = None,
    task: TaskOption = None,
    since: SinceOption = None,
    limit: LimitOption = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The newest events, with what was derived from them beside."""
    start = moment(since)
    with reading(store) as spark:
        events = spark.events.timeline(limit=limit, type=type_name, agent=agent, task=task, since=start)
    if as_json:
        print_json({"events": events})
        return
    if not events:
        console().print("No events match.")
        return
    rows = table("Timeline, newest first; ~ marks what Spark derived", "position#", "weight#", "what")
    for row in events:
        name = f"~ {row['type']}" if row["derived"] else row["type"]
        shown = {key: value for key, value in row["data"].items() if key not in ("task_id", "agent_id")}
        about = [row["time"], name, row["task_id"], row["agent_id"], _short(shown)]
        rows.add_row(str(row["position"]), f"{row['importance']:.2f}", "  ".join(filter(None, about)))
    console().print(rows)


def predictions(
    all_rows: Annotated[bool, typer.Option("--all", help="Every row of the ledger, oldest first.")] = False,
    limit: LimitOption = 20,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was forecast, and what came of it."""
    with reading(store) as spark:
        if as_json and all_rows:
            print_json_lines(spark.predictions.rows())
            return
        found = list(spark.predictions.rows()) if all_rows else spark.predictions.newest(limit)
        scores = spark.predictions.summary()
    if as_json:
        print_json({"predictions": found})
        return
    rows = table("Predictions", "task", "attempt#", "agent", "forecast#", "came", "log loss#")
    for row in found:
        award, actual = row["award"] or {}, row["actual"]
        came = "" if actual is None else "success" if actual["succeeded"] else "failure"
        rows.add_row(
            row["task_id"],
            str(row["attempt"]),
            award.get("agent_id", ""),
            number(award.get("success")),
            came,
            number((row["scores"] or {}).get("log_loss")),
        )
    out = console()
    out.print(rows)
    out.print(verdict(scores))


def memories(
    type_name: Annotated[str | None, typer.Option("--type", help="Only pattern or anomaly.")] = None,
    agent: AgentOption = None,
    limit: LimitOption = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was learned and kept."""
    with reading(store) as spark:
        found = spark.memories.rows(kind=type_name, agent=agent, limit=limit)
    if as_json:
        print_json({"memories": found})
        return
    rows = table("Memories", "kind", "what", "outcomes#", "state", "since position#")
    for row in found:
        rows.add_row(row["kind"], row["text"], str(row["outcomes"]), row["state"], str(row["created_position"]))
    console().print(rows)


def _short(data: dict[str, Any], width: int = 80) -> str:
    text = json.dumps(data, ensure_ascii=False) if data else ""
    return text if len(text) <= width else text[: width - 1] + "…"
