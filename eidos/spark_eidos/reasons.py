"""Why a forecast says what it says: the terms that moved it most, in words, with the record behind each."""

from __future__ import annotations

from collections.abc import Sequence

from spark_eidos.arithmetic import logit
from spark_eidos.pool import EXPERTS
from spark_eidos.success import SuccessModel
from spark_eidos.tally import Tally, cell_key
from spark_eidos.task import TaskFacts

LEAST = 0.1
"""Log odds that a term must move the forecast by to be worth a word."""
MOST = 3


def reasons(
    model: SuccessModel, task: TaskFacts, agent: str, now: float, said: Sequence[float] | None = None
) -> list[str]:
    """What moves the forecast for `agent` at `task` away from the swarm's rate, the weightiest first; at most three.

    `said`: what the experts say, where it is at hand.
    """
    if not model.rates.swarm.outcomes:
        return []
    told = model.experts(task, (agent,), now)[0].tolist() if said is None else said
    say = dict(zip(EXPERTS, told, strict=True))
    base, weights = logit(model.rates.base_rate()), dict(zip(EXPERTS, model.pool.shares().tolist(), strict=True))
    ability, ease = model.skill.terms(task, agent)
    here = say["cell"] - say["agent"]
    moved = {
        _agent: weights["skill"] * ability + weights["agent"] * (say["agent"] - base),
        _here: weights["cell"] * (say["cell"] - base) + weights["text"] * here,
        _again: weights["skill"] * ease + weights["kin"] * say["kin"],
        _text: weights["text"] * (say["text"] - base),
        _lately: weights["agent_lately"] * (say["agent_lately"] - base),
        _family: weights["family_now"] * (say["family_now"] - base),
        _now: weights["swarm_now"] * (say["swarm_now"] - base) + weights["swarm_lately"] * (say["swarm_lately"] - base),
    }
    found: list[str] = []
    for tell, by in sorted(moved.items(), key=lambda item: (-abs(item[1]), item[0].__name__)):
        words = tell(model, task, agent, by) if abs(by) >= LEAST else None
        if words is not None and words not in found:
            found.append(words)
    return found[:MOST]


def _agent(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    return _record(agent, model.rates.agents.get(agent), "tasks")


def _here(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    tally = model.rates.cells.get(cell_key(agent, task.category or ""))
    return _record(agent, tally, f"{task.category} tasks")


def _again(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    trials = model.kinship.tasks.get(task.fingerprint)
    if trials is None:
        return None
    times, residuals = f"{len(trials.agents)} times before, last with", trials.residuals
    failed = [agent for agent, residual in zip(trials.agents, residuals, strict=True) if residual < 0.0]
    if by < 0.0 and failed:
        return f"the same task failed {len(failed)} of {times} {failed[-1]}"
    done = [agent for agent, residual in zip(trials.agents, residuals, strict=True) if residual > 0.0]
    return f"the same task succeeded {len(done)} of {times} {done[-1]}" if done else None


def _text(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    return f"tasks worded like this one go {_well(by)} than usual" if task.words else None


def _lately(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    return f"{agent} has done {_well(by)} lately than the swarm does"


def _family(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    return f"tasks of {task.family} go {_well(by)} than usual just now" if task.family else None


def _now(model: SuccessModel, task: TaskFacts, agent: str, by: float) -> str | None:
    return f"the whole swarm does {_well(by)} than usual just now"


def _record(agent: str, tally: Tally | None, what: str) -> str | None:
    """``ada fails 4 of 5 database tasks``."""
    if tally is None or not tally.outcomes:
        return None
    failures = tally.outcomes - tally.successes
    if failures > tally.successes:
        return f"{agent} fails {failures} of {tally.outcomes} {what}"
    return f"{agent} succeeds in {tally.successes} of {tally.outcomes} {what}"


def _well(by: float) -> str:
    return "better" if by > 0.0 else "worse"
