"""What a log comes to, said as simply as possible: the model that random histories are held against.

It knows nothing of forecasts, batches, snapshots or memory. It reads the contract: an attempt is an award; an outcome
closes the newest open one of its agent; what comes early waits, a day at most, and is then taken in the order of the
log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spark_hooks.events import (
    AgentJoined,
    AgentLeft,
    BidSubmitted,
    Event,
    TaskAssigned,
    TaskCompleted,
    TaskFailed,
    TaskPosted,
)

DAY = 24 * 3600.0
OUTCOMES = (TaskCompleted, TaskFailed)
OF_A_TASK = (TaskPosted, BidSubmitted, TaskAssigned, *OUTCOMES)


@dataclass
class Task:
    posted: bool = False
    waited_in_vain: bool = False
    forecast: bool = False
    attempts: list[list[Any]] = field(default_factory=list)
    """[agent, None while it is open, else whether it succeeded], by number."""

    @property
    def state(self) -> str:
        results = [result for _, result in self.attempts]
        if True in results:
            return "completed"
        return "failed" if results and None not in results else "open"

    def open_attempt(self, agent: str | None) -> list[Any] | None:
        """The one that an outcome of `agent` closes."""
        running = [attempt for attempt in self.attempts if attempt[1] is None]
        if agent is None:
            return running[0] if len(running) == 1 else None
        return next((attempt for attempt in reversed(running) if attempt[0] == agent), None)


@dataclass
class Agent:
    events: int = 0
    assigned: int = 0
    outcomes: int = 0
    successes: int = 0
    present: bool = True


@dataclass
class Model:
    """Take events in the order of the log; `waiting_room` is how many may wait."""

    waiting_room: int
    types: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, Task] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    waiting: list[tuple[float, Event]] = field(default_factory=list)
    unmatched: int = 0
    now: float = 0.0
    writers: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def take(self, events: Iterable[Event]) -> Model:
        for event in events:
            self._tick(event)
            self.types[event.type] += 1
            if not isinstance(event, OF_A_TASK):
                self._other(event)
            elif self._is_early(event):
                self.waiting.append((self.now, event))
            else:
                self._apply(event)
                self._let_in(event.task_id)
            self._give_up()
        return self

    def _tick(self, event: Event) -> None:
        """Each writer's own steps count, none back, none by more than a day."""
        time, writer = event.time or 0.0, (event.source, event.writer)
        if not self.writers:
            self.now = time
        last, running = self.writers.get(writer, (time, self.now))
        running += min(max(time - last, 0.0), DAY)
        self.writers[writer] = [time, running]
        self.now = max(self.now, running)

    def _is_early(self, event: Event) -> bool:
        task = self.tasks.get(event.task_id)
        if isinstance(event, TaskPosted) or (task and task.waited_in_vain):
            return False
        if task is None or not task.posted:
            return True
        awarded = {agent for agent, _ in task.attempts}
        return isinstance(event, OUTCOMES) and (
            not awarded if event.agent_id is None else event.agent_id not in awarded
        )

    def _let_in(self, task_id: str) -> None:
        """The oldest that waits for nothing more, then the oldest again."""
        while ready := [one for one in self.waiting if one[1].task_id == task_id and not self._is_early(one[1])]:
            self.waiting.remove(ready[0])
            self._apply(ready[0][1])

    def _give_up(self) -> None:
        while self.waiting and (len(self.waiting) > self.waiting_room or self.waiting[0][0] + DAY <= self.now):
            task_id = self.waiting[0][1].task_id
            given_up = [event for _, event in self.waiting if event.task_id == task_id]
            self.waiting = [one for one in self.waiting if one[1].task_id != task_id]
            if task_id in self.tasks or any(not isinstance(event, OUTCOMES) for event in given_up):
                self._task(task_id).waited_in_vain = True
            for event in given_up:
                self._apply(event)

    def _apply(self, event: Event) -> None:
        if isinstance(event, OUTCOMES):
            self._outcome(event)
            return
        task = self._task(event.task_id)
        if isinstance(event, TaskPosted):
            task.forecast = task.forecast or (not task.posted and not task.attempts)
            task.posted = True
        else:
            self._agent(event.agent_id)
        if isinstance(event, TaskAssigned):
            task.attempts.append([event.agent_id, None])
            self.agents[event.agent_id].assigned += 1

    def _outcome(self, event: Event) -> None:
        task = self.tasks.get(event.task_id)
        attempt = task.open_attempt(event.agent_id) if task else None
        if attempt is None:
            self.unmatched += 1
            return
        attempt[1] = isinstance(event, TaskCompleted)
        agent = self._agent(attempt[0])
        agent.outcomes += 1
        agent.successes += attempt[1]

    def _other(self, event: Event) -> None:
        if event.agent is not None:
            agent = self._agent(event.agent)
            if isinstance(event, AgentJoined):
                agent.present = not isinstance(event, AgentLeft)

    def _task(self, task_id: str) -> Task:
        return self.tasks.setdefault(task_id, Task())

    def _agent(self, agent_id: str) -> Agent:
        agent = self.agents.setdefault(agent_id, Agent())
        agent.events += 1
        return agent

    # what readers should say

    def counts(self) -> dict[str, Any]:
        states = Counter(task.state for task in self.tasks.values())
        scored = [result for task in self.tasks.values() for _, result in task.attempts if result is not None]
        forecasts = sum(max(len(task.attempts), 1) for task in self.tasks.values() if task.forecast or task.attempts)
        return {
            "event_types": dict(self.types),
            "tasks": {state: states[state] for state in ("open", "completed", "failed")},
            "agents": len(self.agents),
            "unmatched": self.unmatched,
            "parked": len(self.waiting),
            "evaluated": len(scored),
            "made": forecasts,
        }

    def attempts(self) -> dict[tuple[str, int], tuple[str, bool | None]]:
        """By task and number: who, and what came of it."""
        return {
            (task_id, number): (agent, result)
            for task_id, task in self.tasks.items()
            for number, (agent, result) in enumerate(task.attempts, start=1)
        }

    def cards(self) -> dict[str, dict[str, Any]]:
        """By agent: the numbers of its record."""
        running = Counter(agent for task in self.tasks.values() for agent, result in task.attempts if result is None)
        return {name: {**vars(agent), "open_attempts": running[name]} for name, agent in self.agents.items()}
