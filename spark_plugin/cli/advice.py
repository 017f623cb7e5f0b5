"""``spark advise``, and what people answer: ``ack``, ``dismiss``, ``follow``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from spark_hooks import Advisory
from spark_hooks.signals import SIGNALS
from spark_plugin.cli.common import (
    BadInput,
    JsonOption,
    LimitOption,
    StoreOption,
    console,
    note,
    number,
    print_json,
    reading,
    settings_for,
    table,
)
from spark_plugin.plugin import Spark, register
from spark_plugin.readers import EffectRow, Outcomes

IdArgument = Annotated[str, typer.Argument(help="The advisory's id, as `spark advise` shows it.", metavar="ID")]


class Desk:
    """The sender of what people say on the command line."""


def advise(
    all_rows: Annotated[bool, typer.Option("--all", help="Those held out, and the retired ones, too.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Show the evidence behind one.", metavar="ID")] = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Only this category of advice.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only advice about this agent.")] = None,
    limit: LimitOption = 10,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """What Spark advises, most valuable first."""
    with reading(store) as spark:
        if why is not None:
            _explain(spark, why, as_json)
            return
        found = spark.advisories.rows(retired=all_rows, category=type_name, agent=agent, limit=limit)
        effects = spark.advisories.effects()
    if as_json:
        print_json({"advisories": found, "detectors": effects})
        return
    out = console()
    if not found:
        out.print("No advice: nothing stands out so far.")
        return
    _show(out, found)
    if all_rows and effects:
        _show_effects(out, effects)
    out.print("Why: spark advise --why ID. Your answer: spark ack|dismiss|follow ID.")


def ack(advisory: IdArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Somebody looks after an advisory; it stays until its cause is gone."""
    _answer("acknowledged", advisory, store, as_json)


def dismiss(advisory: IdArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """An advisory is of no use: it is retired, and its like ranks lower for that subject."""
    _answer("dismissed", advisory, store, as_json)


def follow(advisory: IdArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """An advisory was followed."""
    _answer("followed", advisory, store, as_json)


def _show(out: Console, found: list[Advisory]) -> None:
    rows = table("Advice, most valuable first", "worth#", "id", "what", "what to do", "saves#", "state")
    for one in found:
        state = f"{one.state}, held out" if one.held_out else one.state
        rows.add_row(
            f"{one.priority:.2f}",
            one.id,
            one.title,
            one.suggested_action,
            number(one.saves, 1),
            state,
            end_section=True,
        )
    out.print(rows)
    out.print(
        "Worth: what acting on it would save, times the probability that it is true. Saves: failed tasks per 100."
    )


def _show_effects(out: Console, effects: list[EffectRow]) -> None:
    rows = table("What came of it", "detector", "followed#", "success with#", "held out#", "effect#", "95% interval")
    for one in effects:
        low, high = one["interval"] or (None, None)
        rows.add_row(
            one["detector"],
            f"{one['followed']:,} of {one['chances']:,}",
            _rate(one["given"]),
            _rate(one["held_out"]),
            number(one["effect"]),
            "" if low is None else f"{number(low)} to {number(high)}",
        )
    out.print(rows)


def _rate(tally: Outcomes) -> str:
    n = tally["outcomes"]
    return f"{tally['successes'] / n:.0%} of {n:,}" if n else "-"


def _explain(spark: Spark, advisory_id: str, as_json: bool) -> None:
    """The claim, its numbers, and the events behind it."""
    one = _found(spark, advisory_id)
    events = spark.events.behind(one)
    if as_json:
        print_json({"advisory": one, "events": events})
        return
    out = console()
    out.print(one.title, style="bold", soft_wrap=True)
    out.print(one.detail, soft_wrap=True)
    out.print(f"-> {one.suggested_action}", soft_wrap=True)
    about = table("", "what", "value")
    low, high = one.interval or (None, None)
    about.add_row("effect", "-" if one.effect is None else f"{one.effect:.3f}")
    about.add_row("95% interval", "-" if low is None else f"{number(low)} to {number(high)}")
    about.add_row("probability that it is so", number(one.probability))
    about.add_row("saves, in failed tasks per 100", number(one.saves, 2))
    for name, figure in one.figures.items():
        about.add_row(name.replace("_", " "), f"{figure:g}")
    about.add_row("found by", one.detector or "this process")
    about.add_row("issued at, counted up to position", f"{one.created_position}, {one.updated_position}")
    about.add_row("state", one.state)
    out.print(about)
    rows = table(f"The newest of {one.evidence_count:,} behind it", "position#", "time", "what", "task", "agent")
    for row in events:
        rows.add_row(
            str(row["position"]), row["time"] or "", row["type"] or "", row["task_id"] or "", row["agent_id"] or ""
        )
    out.print(rows)


def _found(spark: Spark, advisory_id: str) -> Advisory:
    found = spark.advisories.named(advisory_id)
    if found is None:
        raise BadInput(f"there is no advisory {advisory_id!r}; `spark advise --all` lists them")
    return found


def _answer(what: str, advisory_id: str, store: str | None, as_json: bool) -> None:
    """Send the event, and wait until it is stored."""
    settings = settings_for(store)
    with reading(store) as spark:
        _found(spark, advisory_id)
    if not settings.enabled:
        raise BadInput("SPARK_ENABLED is off: nothing can be told to the log")
    desk = Desk()
    with register(desk, settings=settings, source="/spark") as spark:
        SIGNALS[f"advisory_{what}"].send(desk, advisory_id=advisory_id)
        stored = spark.flush(30)
    with reading(store) as spark:
        one = _found(spark, advisory_id)
    if as_json:
        print_json({"advisory": one})
    elif one.state == what:
        console().print(f"{advisory_id} is {what}: {one.title}", soft_wrap=True)
    else:
        note(f"{advisory_id} was told to the log; it is {one.state}" if stored else "it will be stored by a worker")
