"""`SwarmCoordinator`: posts tasks, collects sealed bids, awards, and sees the work through."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Mapping
from functools import partial

import pluggy

from spark_plugin.coordinator.asking import Answer, Asker
from spark_plugin.coordinator.hosting import Announcer
from spark_plugin.coordinator.records import Agent, Outcome, Policy, Result, Task, checked_bid, checked_outcome

log = logging.getLogger("spark.coordinator")


def lowest_bid(task: Task, bids: Mapping[str, float]) -> str:
    """The bidder with the lowest bid; among equals the first by agent id. `bids` must not be empty."""
    return min(bids, key=lambda agent_id: (bids[agent_id], agent_id))


class SwarmCoordinator:
    """A swarm that sells its tasks by sealed-bid auction, the lowest bid winning unless `policy` decides otherwise.

    All times are in seconds. `bid_window_s`: how long bids are waited for; it closes early when all have answered.
    `award_timeout_s`: how long the policy may think. `work_timeout_s`: how long an agent may work. `grace_s`: how long
    a cancelled agent may take to stop.

    It is the sender of its signals and belongs to one event loop. Agents and policies must not block that loop: work
    that computes belongs in a thread (`asyncio.to_thread`).
    """

    def __init__(
        self,
        *,
        policy: Policy = lowest_bid,
        bid_window_s: float = 5.0,
        award_timeout_s: float = 30.0,
        work_timeout_s: float = 600.0,
        grace_s: float = 1.0,
    ) -> None:
        self.policy = policy
        self.bid_window_s = bid_window_s
        self.award_timeout_s = award_timeout_s
        self.work_timeout_s = work_timeout_s
        self._agents: dict[str, tuple[Agent, tuple[str, ...]]] = {}
        self._asker = Asker(grace_s)
        self._announcer = Announcer(self)

    @property
    def plugins(self) -> pluggy.PluginManager:
        """The swarm's own plugin manager (project ``swarm``); its hooks are in `SwarmHooks`."""
        return self._announcer.plugins

    @property
    def agents(self) -> tuple[str, ...]:
        """Ids of the agents present, sorted."""
        return tuple(sorted(self._agents))

    def join(self, agent: Agent) -> None:
        """Take an agent in. One that is in already is taken in anew: the newest word about it counts."""
        capabilities = tuple(agent.capabilities)
        self._agents[agent.agent_id] = (agent, capabilities)
        self._announcer.joined(agent.agent_id, capabilities)

    def leave(self, agent_id: str) -> None:
        """Ask an agent no more; its open bids are void, what it has in hand it may finish. Unknown ids are ignored."""
        if self._agents.pop(agent_id, None) is not None:
            self._announcer.left(agent_id)

    async def post(self, task: Task) -> Result:
        """Offer a task, award it, and wait for its end. May be called for many tasks at once.

        A task that cannot be awarded ends unassigned (`Result.assigned` is False): the agents hear nothing of it, and
        listeners get a custom event ``swarm.task_unassigned`` with the reason. Nothing that agents or the policy do
        raises here. Cancelled, it stops the agents it has asked, tells how the task ended, and raises
        `asyncio.CancelledError`.
        """
        candidates = self._candidates(task)
        self._announcer.posted(task, candidates)
        try:
            bids = await self._collect(task, candidates)
            winner = await self._choose(task, bids)
        except asyncio.CancelledError:
            self._announcer.unassigned(task, Outcome(False, None, "cancelled by the coordinator"))
            raise
        if winner is None:
            return self._unassigned(task, candidates, bids)
        return await self._see_through(task, winner, bids)

    def _candidates(self, task: Task) -> tuple[str, ...]:
        """Who is asked, sorted by id: those the task names, else all that can do its category."""
        if task.candidates is not None:
            return tuple(sorted(self._agents.keys() & set(task.candidates)))
        able = (name for name, (_, can) in self._agents.items() if not can or task.category in (None, *can))
        return tuple(sorted(able))

    async def _collect(self, task: Task, candidates: tuple[str, ...]) -> dict[str, float]:
        """The valid bids, by agent id. They are opened together when the window closes: nobody hears one before."""
        asked = {name: partial(_bid, self._agents[name][0], task) for name in candidates}
        answers = await self._asker.ask(asked, self.bid_window_s)
        for name, answer in answers.items():
            if answer.problem is not None:
                log.info("no bid of %s for task %s: %s", name, task.task_id, answer.problem)
        bids = {name: answer.value for name, answer in answers.items() if answer.value is not None}
        self._announcer.opened(task, bids)
        return bids

    async def _choose(self, task: Task, bids: Mapping[str, float]) -> str | None:
        """The policy's choice where it names an acceptable bidder, else the lowest bid; None where there is none."""
        acceptable = self._acceptable(task, bids)
        if not acceptable:
            return None
        answers = await self._asker.ask(
            {"policy": partial(_award, self.policy, task, acceptable)}, self.award_timeout_s
        )
        choice = answers["policy"]
        standing = self._acceptable(task, bids)  # once more: agents may have left while the policy was thinking
        if choice.value in standing:
            return choice.value
        log.warning("the lowest bid gets task %s: %s", task.task_id, choice.problem or f"{choice.value!r} cannot")
        return lowest_bid(task, standing) if standing else None

    def _acceptable(self, task: Task, bids: Mapping[str, float]) -> dict[str, float]:
        """The bids within the reserve, of agents that are still here."""
        reserve = float("inf") if task.reserve is None else task.reserve
        return {name: bid for name, bid in bids.items() if bid <= reserve and name in self._agents}

    def _unassigned(self, task: Task, candidates: tuple[str, ...], bids: Mapping[str, float]) -> Result:
        reason = "no candidates" if not candidates else "no acceptable bid" if bids else "no bids"
        outcome = Outcome(False, None, reason)
        self._announcer.unassigned(task, outcome)
        return Result(task.task_id, None, None, outcome, bids, 0.0)

    async def _see_through(self, task: Task, winner: str, bids: Mapping[str, float]) -> Result:
        """Award the task and wait for the work to end, in whatever way."""
        agent, _ = self._agents[winner]
        self._announcer.awarded(task, winner, bids[winner])
        started = time.perf_counter()
        try:
            answers = await self._asker.ask({winner: partial(_work, agent, task)}, self.work_timeout_s)
            outcome = _outcome(answers[winner])
        except asyncio.CancelledError:
            spent = time.perf_counter() - started
            self._announcer.finished(task, winner, Outcome(False, None, "cancelled by the coordinator"), spent)
            raise
        spent = time.perf_counter() - started
        self._announcer.finished(task, winner, outcome, spent)
        return Result(task.task_id, winner, bids[winner], outcome, bids, spent)


async def _bid(agent: Agent, task: Task) -> float | None:
    return checked_bid(await agent.bid(task))


async def _work(agent: Agent, task: Task) -> Outcome:
    return checked_outcome(await agent.work(task))


async def _award(policy: Policy, task: Task, bids: Mapping[str, float]) -> str:
    choice = policy(task, bids)
    named = await choice if inspect.isawaitable(choice) else choice
    if not isinstance(named, str):
        raise TypeError(f"the policy named no agent but gave {type(named).__name__}")
    return named


def _outcome(answer: Answer[Outcome]) -> Outcome:
    """A problem with the work is a failed outcome, with the problem as its detail."""
    if answer.value is None:
        return Outcome(False, None, answer.problem or "no outcome")
    return answer.value
