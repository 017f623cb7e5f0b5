"""``spark predict`` and ``spark recommend``: ask about a task that is not posted yet."""

from __future__ import annotations

from typing import Annotated

import typer

from spark_hooks import InvalidEvent
from spark_hooks.events import TaskPosted
from spark_plugin.cli.common import BadInput, JsonOption, StoreOption, console, number, print_json, reading, table

DescriptionOption = Annotated[str, typer.Option("--description", help="What is to be done.")]
CategoryOption = Annotated[str | None, typer.Option("--category", help="What kind of task it is.")]
CandidateOption = Annotated[list[str] | None, typer.Option("--candidate", help="Who may do it; give it repeatedly.")]
ReserveOption = Annotated[float | None, typer.Option("--reserve", help="The highest acceptable bid.")]


def predict(
    description: DescriptionOption = "",
    category: CategoryOption = None,
    candidate: CandidateOption = None,
    reserve: ReserveOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """What to expect of a task not posted yet: winner, success per candidate, winning bid."""
    task = _task(description, category, candidate, reserve)
    with reading(store) as spark:
        prediction = spark.hooks.predict(task)
    if as_json:
        print_json(prediction)
        return
    rows = table("What to expect", "candidate", "wins#", "succeeds#")
    for agent, chance in sorted(prediction.success.items(), key=lambda item: (-item[1], item[0])):
        rows.add_row(agent, f"{prediction.winner[agent]:.1%}", f"{chance:.1%}")
    out = console()
    if prediction.success:
        out.print(rows)
    if prediction.bid is not None:
        bid = prediction.bid
        out.print(
            f"Winning bid: {bid.median:g}, between {bid.low:g} and {bid.high:g} with {bid.level:.0%} probability."
        )
    out.print(prediction.reasoning)


def recommend(
    description: DescriptionOption = "",
    category: CategoryOption = None,
    candidate: CandidateOption = None,
    reserve: ReserveOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who should get a task not posted yet, the choice first."""
    task = _task(description, category, candidate, reserve)
    if not task.candidates:
        raise BadInput("recommend needs candidates to choose from; give --candidate once for each")
    with reading(store) as spark:
        recommendations = spark.hooks.recommend(task)
    if as_json:
        print_json({"recommendations": recommendations})
        return
    rows = table("Recommended, best first", "candidate", "succeeds#", "cost#", "chosen#", "because")
    for one in recommendations:
        rows.add_row(
            one.agent_id,
            f"{one.success_probability:.1%}",
            number(one.expected_cost, 1),
            f"{one.propensity:.0%}",
            "; ".join(one.reasons),
        )
    console().print(rows)


def _task(description: str, category: str | None, candidates: list[str] | None, reserve: float | None) -> TaskPosted:
    try:
        return TaskPosted(
            task_id="(not posted)",
            description=description,
            category=category,
            candidates=tuple(candidates or ()),
            reserve=reserve,
        )
    except InvalidEvent as error:
        raise BadInput(f"--{error.field.rstrip('s')} {error.reason}") from None
