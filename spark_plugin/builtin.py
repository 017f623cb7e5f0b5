"""The built-in plugins: what Spark itself does behind the hooks that anybody may implement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from spark_advisor import Contender, about, capture_health, concerns, plugin_health, ranked, recommend
from spark_eidos import EffortModel, Forecast, TaskFacts, facts, reasons
from spark_eidos.rules import clip
from spark_hooks import Advisory, Interval, Prediction, Receipt, Recommendation, hookimpl
from spark_hooks.events import Event, TaskPosted
from spark_plugin.capture import Capture
from spark_plugin.projection import Projection, State, tasks
from spark_plugin.projection.cards import TaskCard
from spark_plugin.readers import Advice, Readable

T = TypeVar("T")


class Recorder:
    """Keeps every event, from `record_to` on. It is there before its capture: plugins of others come in between."""

    def __init__(self, switched_off: Mapping[str, str]) -> None:
        self._capture: Capture | None = None
        self._switched_off = switched_off

    def record_to(self, capture: Capture) -> None:
        """Begin."""
        self._capture = capture

    @hookimpl
    def event_captured(self, event: Event) -> Receipt | None:
        """Journal the event."""
        return None if self._capture is None else self._capture.take(event)

    @hookimpl(trylast=True)
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        """What ails the capture and the plugins of this process; asked about everything only."""
        if self._capture is None or subject is not None or task is not None:
            return []
        return [
            *capture_health(self._capture.trouble, self._capture.lag, self._capture.dropped),
            *plugin_health(self._switched_off),
        ]


class Models(Protocol):
    """What answers come from. `current`: whether the state knows all that the store has."""

    @property
    def current(self) -> bool: ...

    def ask(self, question: Callable[[State], T]) -> T | None:
        """The answer to a question about the state; None when there is no state to be had."""
        ...


class CatchingUp:
    """A projection that reads what others have stored before each answer: for processes that capture nothing."""

    current = True

    def __init__(self, projection: Projection, readable: Readable) -> None:
        self._projection = projection
        self._readable = readable

    def ask(self, question: Callable[[State], T]) -> T | None:
        """As `Models`. Raises `StoreError`."""
        self._projection.catch_up(self._readable.store())
        return self._projection.ask(question)


class Answers:
    """Answers from the models; about tasks and advice they do not know, or not newly enough, from published rows."""

    def __init__(self, models: Models, readable: Readable, *, seed: int) -> None:
        self._models = models
        self._readable = readable
        self._seed = seed

    @hookimpl(trylast=True)
    def predict(self, task: TaskPosted | str) -> Prediction | None:
        """The forecast frozen at posting; for a task not posted yet, what would be forecast now."""
        return self._ask(task, lambda state, card: _predicted(state, task, card))

    @hookimpl(trylast=True)
    def recommend(self, task: TaskPosted | str, candidates: Sequence[str] | None) -> list[Recommendation] | None:
        """The candidates by expected value, with exploration; see `spark_advisor.routing`."""
        return self._ask(task, lambda state, card: _recommended(state, task, card, candidates, seed=self._seed))

    @hookimpl(trylast=True)
    def advisories(self, subject: str | None, task: TaskPosted | str | None, limit: int) -> list[Advisory]:
        """The live advisories, as far as they are about what was asked."""
        if self._models.current:
            return self._ask(task, lambda state, card: _advice(state.book.shown(), subject, task, card, limit)) or []
        everything = subject is None and task is None
        issued = list(Advice(self._readable).issued(limit if everything else sys.maxsize))
        return self._ask(task, lambda state, card: _advice(issued, subject, task, card, limit)) or []

    def _ask(self, task: TaskPosted | str | None, question: Callable[[State, TaskCard | None], T]) -> T | None:
        """Answer from the state and the card of the task: the one at hand, else the one read back from the store."""
        if task is None:
            return self._models.ask(lambda state: question(state, None))
        task_id = _id_of(task)
        away = self._models.ask(lambda state: not self._models.current or tasks.is_away(state, task_id))
        if away is None:
            return None
        if not away:
            return self._models.ask(lambda state: question(state, state.tasks.get(task_id)))
        card = self._read_back(task_id)
        return self._models.ask(lambda state: question(state, card))

    def _read_back(self, task_id: str) -> TaskCard | None:
        no_part = self._models.ask(lambda state: tasks.no_part_of(state, task_id))
        if no_part is None:
            return None
        store = self._readable.store()
        return tasks.read_back(task_id, store.position() + 1, store, no_part)


def _id_of(task: TaskPosted | str) -> str:
    return task if isinstance(task, str) else task.task_id


def _predicted(state: State, task: TaskPosted | str, card: TaskCard | None) -> Prediction | None:
    if card is not None and card.forecast is not None:
        known, forecast = card.facts, card.forecast
    elif isinstance(task, TaskPosted):
        known = _facts(task)
        forecast, _ = state.eidos.forecast(known, state.own_time)
    else:
        return None
    eidos = state.eidos
    return Prediction(
        _id_of(task),
        dict(forecast.winner),
        dict(forecast.success),
        forecast.bid,
        _efforts(eidos.duration, known),
        _efforts(eidos.cost, known),
        _reasoning(state, known, forecast),
    )


def _efforts(model: EffortModel, task: TaskFacts) -> dict[str, Interval]:
    """What an attempt of each candidate would take, where that is known."""
    found = ((agent, model.predict_one(agent, task.category)) for agent in task.candidates)
    return {agent: interval for agent, interval in found if interval is not None}


def _facts(task: TaskPosted) -> TaskFacts:
    return facts(task.task_id, task.description, task.candidates, task.category, task.reserve)


def _reasoning(state: State, task: TaskFacts, forecast: Forecast) -> str:
    """What speaks for the likeliest candidate, in the model's own terms."""
    if not forecast.success:
        return "no candidates named"
    best = max(forecast.success, key=lambda agent: (forecast.success[agent], agent))
    why = reasons(state.eidos.success, task, best, state.own_time)
    if not why:
        return "nothing tells the candidates apart yet"
    return f"{best} is the likeliest to succeed: {'; '.join(why)}"


def _asked_about(task: TaskPosted | str | None, card: TaskCard | None) -> tuple[tuple[str, ...], str | None]:
    """(candidates, category) of a task: as it was posted, or as it is given."""
    if isinstance(task, TaskPosted):
        return task.candidates, task.category
    return (card.candidates, card.category) if card is not None else ((), None)


def _recommended(
    state: State, task: TaskPosted | str, card: TaskCard | None, candidates: Sequence[str] | None, *, seed: int
) -> list[Recommendation]:
    known = _facts(task) if isinstance(task, TaskPosted) else card.facts if card is not None else TaskFacts()
    named = list(dict.fromkeys(known.candidates if candidates is None else candidates))
    agents = [agent for agent in named if agent not in state.agents or state.agents[agent].present] or named
    model, now = state.eidos.success, state.own_time
    experts = model.experts(known, agents, now)
    contenders = [
        Contender(
            agent,
            clip(chance),
            model.spread(known, agent),
            _cost(state, known, agent, card),
            tuple(reasons(model, known, agent, now, said)),
        )
        for agent, chance, said in zip(agents, model.blend(experts).tolist(), experts.tolist(), strict=True)
    ]
    attempt = card.attempts + 1 if card is not None else 1
    return recommend(contenders, seed=seed, task_id=_id_of(task), attempt=attempt, worth=known.reserve)


def _cost(state: State, task: TaskFacts, agent_id: str, card: TaskCard | None) -> float | None:
    """What it will cost: the agent's bid for this task, else what its attempts cost, else its mean bid."""
    if card is not None and agent_id in card.bids:
        return card.bids[agent_id]
    agent = state.agents.get(agent_id)
    if agent is None or not agent.cost.n:
        return agent.bids.mean if agent is not None and agent.bids.n else None
    expected = state.eidos.cost.predict_one(agent_id, task.category)
    return agent.cost.mean if expected is None else expected.median


def _advice(
    found: list[Advisory], subject: str | None, task: TaskPosted | str | None, card: TaskCard | None, limit: int
) -> list[Advisory]:
    if subject is not None:
        found = about(found, {subject})
    if task is not None:
        candidates, category = _asked_about(task, card)
        found = [advisory for advisory in found if concerns(advisory, candidates, category)]
    return ranked(found, limit)
