"""The built-in plugins: what Spark itself does behind the hooks that anybody may implement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from spark_advisor import Contender, about, capture_health, ranked, recommend
from spark_eidos import Forecast, Tally, TaskFacts
from spark_eidos.rules import clip
from spark_hooks import Advisory, Prediction, Receipt, Recommendation, hookimpl
from spark_hooks.events import Event, TaskPosted
from spark_plugin.capture import Capture
from spark_plugin.projection import Projection, State, tasks
from spark_plugin.projection.cards import AgentCard, TaskCard
from spark_plugin.readers import Readable

T = TypeVar("T")


class Recorder:
    """Keeps every event."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    @hookimpl
    def event_captured(self, event: Event) -> Receipt:
        """Journal the event."""
        return self._capture.take(event)

    @hookimpl(trylast=True)
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        """What ails the capture of this process; asked about everything only."""
        if subject is not None or task is not None:
            return []
        return capture_health(self._capture.trouble, self._capture.lag, self._capture.dropped)


class Answers:
    """Answers from the read models. With `catch_up`, it first reads what others have stored since the last question."""

    def __init__(self, projection: Projection, readable: Readable, *, seed: int, catch_up: bool) -> None:
        self._projection = projection
        self._readable = readable
        self._seed = seed
        self._catch_up = catch_up

    @hookimpl(trylast=True)
    def predict(self, task: TaskPosted | str) -> Prediction | None:
        """The forecast frozen at posting; for a task not posted yet, what would be forecast now."""
        task_id, card = self._card(task)
        return self._ask(lambda state: _predicted(state, task_id, task, card))

    @hookimpl(trylast=True)
    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None) -> list[Recommendation] | None:
        """The candidates by Thompson sampling from the success posteriors."""
        task_id, card = self._card(task)
        contenders = self._ask(lambda state: _contenders(state, task, card, candidates))
        if contenders is None:
            return None
        return recommend(contenders, seed=self._seed, task_id=task_id, attempt=card.attempts + 1 if card else 1)

    @hookimpl(trylast=True)
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        """The live advisories, as far as they are about what was asked."""
        card = None if task is None else self._card(task)[1]
        return self._ask(lambda state: _advice(state, subject, task, card, limit)) or []

    def _card(self, task: TaskPosted | str) -> tuple[str, TaskCard | None]:
        """A task's id and its card: the one at hand, else read back from the store; None for one never heard of."""
        task_id = task if isinstance(task, str) else task.task_id
        card = self._ask(lambda state: state.tasks.get(task_id))
        if card is None and self._ask(lambda state: state.tasks_left > 0):
            store = self._readable.store()
            card = tasks.read_back(task_id, store.position() + 1, store)
        return task_id, card

    def _ask(self, question: Callable[[State], T]) -> T | None:
        if self._catch_up:
            self._projection.catch_up(self._readable.store())
        return self._projection.ask(question)


def _predicted(state: State, task_id: str, task: TaskPosted | str, card: TaskCard | None) -> Prediction | None:
    if card is not None and card.forecast is not None:
        facts, forecast = card.facts, card.forecast
    elif isinstance(task, TaskPosted):
        facts = TaskFacts(task.candidates, task.category, task.reserve)
        forecast = state.eidos.forecast(facts)
    else:
        return None
    reasoning = _reasoning(state, facts, forecast)
    return Prediction(task_id, dict(forecast.winner), dict(forecast.success), forecast.bid, reasoning)


def _reasoning(state: State, facts: TaskFacts, forecast: Forecast) -> str:
    """What speaks for the likeliest candidate, in the terms of its record."""
    if not forecast.success:
        return "no candidates named"
    best = max(forecast.success, key=lambda agent: (forecast.success[agent], agent))
    where = f"in category '{facts.category}' " if facts.category else ""
    return f"{where}{best} is the likeliest to succeed: {_record(state.agents.get(best), facts.category)}"


def _record(agent: AgentCard | None, category: str | None) -> str:
    """An agent's record in words: in the category, if it has one there, and overall."""
    if agent is None or not agent.outcomes:
        return "no outcomes yet"
    overall = f"{agent.successes} of {agent.outcomes} attempts succeeded"
    here = agent.by_category.get(category or "", Tally())
    return f"{here.successes} of {here.outcomes} {category} attempts, {overall} overall" if here.outcomes else overall


def _asked_about(task: TaskPosted | str | None, card: TaskCard | None) -> tuple[tuple[str, ...], str | None]:
    """(candidates, category) of a task: as it was posted, or as it is given."""
    if isinstance(task, TaskPosted):
        return task.candidates, task.category
    return (card.candidates, card.category) if card is not None else ((), None)


def _contenders(
    state: State, task: TaskPosted | str, card: TaskCard | None, candidates: Sequence[str] | None
) -> list[Contender]:
    named, category = _asked_about(task, card)
    chosen = dict.fromkeys(named if candidates is None else candidates)
    return [_contender(state, agent, category, card) for agent in chosen]


def _contender(state: State, agent_id: str, category: str | None, card: TaskCard | None) -> Contender:
    mean, strength = state.eidos.success.posterior(agent_id, category)
    agent = state.agents.get(agent_id)
    return Contender(agent_id, clip(mean), strength, _cost(agent_id, agent, card), (_record(agent, category),))


def _cost(agent_id: str, agent: AgentCard | None, card: TaskCard | None) -> float | None:
    """What it will cost: the agent's bid for this task, else its mean cost, else its mean bid."""
    if card is not None and agent_id in card.bids:
        return card.bids[agent_id]
    if agent is None:
        return None
    known = agent.cost if agent.cost.n else agent.bids
    return known.mean if known.n else None


def _advice(
    state: State, subject: str | None, task: TaskPosted | str | None, card: TaskCard | None, limit: int
) -> list[Advisory]:
    found = state.book.live()
    if subject is not None:
        found = about(found, {subject})
    if task is not None:
        candidates, category = _asked_about(task, card)
        found = about(found, {*candidates, *([category] if category else [])})
    return ranked(found, limit)
