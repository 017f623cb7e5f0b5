"""The built-in plugins: what Spark itself does behind the hooks that anybody may implement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from spark_advisor import Contender, about, capture_health, ranked, recommend
from spark_eidos import Forecast, TaskFacts
from spark_hooks import Advisory, Prediction, Receipt, Recommendation, hookimpl
from spark_hooks.events import Event, TaskPosted
from spark_plugin import codec
from spark_plugin.capture import Capture
from spark_plugin.projection import Projection, State, ledger
from spark_plugin.projection.cards import AgentCard, Tally, TaskCard
from spark_plugin.readers import Readable
from spark_plugin.store import Filter

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
        task_id = task if isinstance(task, str) else task.task_id
        found = self._ask(lambda state: _predicted(state, task_id, task))
        return found or self._from_ledger(task_id)

    @hookimpl(trylast=True)
    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None) -> list[Recommendation] | None:
        """The candidates by Thompson sampling from the success posteriors."""
        task_id = task if isinstance(task, str) else task.task_id
        asked = self._ask(lambda state: _contenders(state, task, task_id, candidates))
        if asked is None:
            return None
        contenders, attempt = asked
        return recommend(contenders, seed=self._seed, task_id=task_id, attempt=attempt)

    @hookimpl(trylast=True)
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        """The live advisories, as far as they are about what was asked."""
        return self._ask(lambda state: _advice(state, subject, task, limit)) or []

    def _ask(self, question: Callable[[State], T]) -> T | None:
        if self._catch_up:
            self._projection.catch_up(self._readable.store())
        return self._projection.ask(question)

    def _from_ledger(self, task_id: str) -> Prediction | None:
        """The forecast of a task that is no longer at hand."""
        store = self._readable.store()
        for row in store.events(Filter(task=task_id), limit=1):
            made = ledger.find(store.derived_of_task(row.position), ledger.ForecastRow)
            if made is not None:
                event = codec.decode(row.data)
                category = event.category if isinstance(event, TaskPosted) else None
                return _prediction(task_id, made.forecast(), f"forecast frozen at position {row.position}", category)
        return None


def _predicted(state: State, task_id: str, task: TaskPosted | str) -> Prediction | None:
    card = state.tasks.get(task_id)
    if card is not None and card.forecast is not None:
        return _prediction(task_id, card.forecast, _reasoning(state, card.facts, card.forecast), card.category)
    if isinstance(task, str):
        return None
    facts = TaskFacts(task.candidates, task.category, task.reserve)
    forecast = state.eidos.forecast(facts)
    return _prediction(task_id, forecast, _reasoning(state, facts, forecast), task.category)


def _prediction(task_id: str, forecast: Forecast, reasoning: str, category: str | None) -> Prediction:
    where = f"{category}: " if category else ""
    return Prediction(task_id, dict(forecast.winner), dict(forecast.success), forecast.bid, where + reasoning)


def _reasoning(state: State, facts: TaskFacts, forecast: Forecast) -> str:
    """What speaks for the likeliest candidate, in the terms of its record."""
    if not forecast.success:
        return "no candidates named"
    best = max(forecast.success, key=lambda agent: (forecast.success[agent], agent))
    return f"{best} is the likeliest to succeed: {_record(state.agents.get(best), facts.category)}"


def _record(agent: AgentCard | None, category: str | None) -> str:
    """An agent's record in words: in the category, if it has one there, and overall."""
    if agent is None or not agent.outcomes:
        return "no outcomes yet"
    overall = f"{agent.successes} of {agent.outcomes} attempts succeeded"
    here = agent.by_category.get(category or "", Tally())
    return f"{here.successes} of {here.outcomes} {category} attempts, {overall} overall" if here.outcomes else overall


def _contenders(
    state: State, task: TaskPosted | str, task_id: str, candidates: Sequence[str] | None
) -> tuple[list[Contender], int]:
    card = state.tasks.get(task_id)
    category = card.category if card else None
    named = card.candidates if card else ()
    if isinstance(task, TaskPosted):
        category, named = task.category, task.candidates
    chosen = dict.fromkeys(named if candidates is None else candidates)
    return [_contender(state, agent, category, card) for agent in chosen], card.attempts + 1 if card else 1


def _contender(state: State, agent_id: str, category: str | None, card: TaskCard | None) -> Contender:
    mean, strength = state.eidos.success.posterior(agent_id, category)
    agent = state.agents.get(agent_id)
    return Contender(agent_id, mean, strength, _cost(agent_id, agent, card), (_record(agent, category),))


def _cost(agent_id: str, agent: AgentCard | None, card: TaskCard | None) -> float | None:
    """What it will cost: the agent's bid for this task, else its mean cost, else its mean bid."""
    if card is not None and agent_id in card.bids:
        return card.bids[agent_id]
    if agent is None:
        return None
    known = agent.cost if agent.cost.n else agent.bids
    return known.mean if known.n else None


def _advice(state: State, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
    found = state.book.live()
    if subject is not None:
        found = about(found, {subject})
    if task is not None:
        card = state.tasks.get(task) if isinstance(task, str) else None
        candidates, category = (task.candidates, task.category) if isinstance(task, TaskPosted) else ((), None)
        if card is not None:
            candidates, category = card.candidates, card.category
        found = about(found, {*candidates, *([category] if category else [])})
    return ranked(found, limit)
