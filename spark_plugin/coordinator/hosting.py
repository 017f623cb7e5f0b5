"""The coordinator's own pluggy hooks, and its announcer: the one place that tells others what happened.

The hooks have names and signatures of the swarm's own, as any host's would; plugins implement them with `hookimpl`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pluggy
from blinker import Signal

from spark_hooks import signals
from spark_plugin.coordinator.records import Outcome, Task

PROJECT = "swarm"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

log = logging.getLogger("spark.coordinator")


class SwarmHooks:
    """What plugins of the swarm may implement. All run, last registered first; what they return is not used."""

    @hookspec
    def swarm_agent_joined(self, agent_id: str, capabilities: tuple[str, ...]) -> None:
        """An agent takes work from now on."""

    @hookspec
    def swarm_agent_left(self, agent_id: str) -> None:
        """An agent takes no more work; what it has in hand it may finish."""

    @hookspec
    def swarm_task_posted(self, task: Task, candidates: tuple[str, ...]) -> None:
        """A task is on offer to `candidates`; nobody has bid yet."""

    @hookspec
    def swarm_bid_opened(self, task: Task, agent_id: str, bid: float) -> None:
        """The window has closed and a sealed bid was opened."""

    @hookspec
    def swarm_task_awarded(self, task: Task, agent_id: str, bid: float) -> None:
        """A task was given to a bidder."""

    @hookspec
    def swarm_task_finished(self, task: Task, agent_id: str | None, outcome: Outcome) -> None:
        """A task ended; `agent_id` is None where it was never awarded."""


class Announcer:
    """Tells of each happening twice: as a signal of `sender`, and through the hooks of `plugins`.

    An error of a listener's is logged and goes no further: who only watches must not be able to stop the swarm.
    """

    def __init__(self, sender: object) -> None:
        self.plugins = pluggy.PluginManager(PROJECT)
        self.plugins.add_hookspecs(SwarmHooks)
        self._sender = sender

    def joined(self, agent_id: str, capabilities: tuple[str, ...]) -> None:
        self._send(signals.agent_joined, agent_id=agent_id, capabilities=capabilities)
        self._call(self.plugins.hook.swarm_agent_joined, agent_id=agent_id, capabilities=capabilities)

    def left(self, agent_id: str) -> None:
        self._send(signals.agent_left, agent_id=agent_id)
        self._call(self.plugins.hook.swarm_agent_left, agent_id=agent_id)

    def posted(self, task: Task, candidates: tuple[str, ...]) -> None:
        known = {"category": task.category, "reserve": task.reserve, "deadline": task.deadline}
        given = {name: value for name, value in known.items() if value is not None}
        self._send(
            signals.task_posted,
            task_id=task.task_id,
            description=task.description,
            candidates=candidates,
            **given,
        )
        self._call(self.plugins.hook.swarm_task_posted, task=task, candidates=candidates)

    def opened(self, task: Task, bids: Mapping[str, float]) -> None:
        for agent_id, bid in bids.items():
            self._send(signals.bid_submitted, task_id=task.task_id, agent_id=agent_id, bid=bid)
            self._call(self.plugins.hook.swarm_bid_opened, task=task, agent_id=agent_id, bid=bid)

    def awarded(self, task: Task, agent_id: str, bid: float) -> None:
        self._send(signals.task_assigned, task_id=task.task_id, agent_id=agent_id, bid=bid)
        self._call(self.plugins.hook.swarm_task_awarded, task=task, agent_id=agent_id, bid=bid)

    def finished(self, task: Task, agent_id: str, outcome: Outcome, duration_s: float) -> None:
        told: dict[str, Any] = {"task_id": task.task_id, "agent_id": agent_id, "duration_s": duration_s}
        if outcome.cost is not None:
            told["cost"] = outcome.cost
        if outcome.succeeded:
            self._send(signals.task_completed, result=outcome.detail, **told)
        else:
            self._send(signals.task_failed, reason=outcome.detail, **told)
        self._call(self.plugins.hook.swarm_task_finished, task=task, agent_id=agent_id, outcome=outcome)

    def unassigned(self, task: Task, outcome: Outcome) -> None:
        """A custom event, not task_failed: with no attempt made there is none to close, and nobody to learn about."""
        told = {"type": "swarm.task_unassigned", "subject": task.task_id, "task_id": task.task_id}
        self._send(signals.custom, reason=outcome.detail, **told)
        self._call(self.plugins.hook.swarm_task_finished, task=task, agent_id=None, outcome=outcome)

    def _send(self, signal: Signal, **fields: Any) -> None:
        try:
            signal.send(self._sender, **fields)
        except Exception:
            log.exception("a receiver of a signal failed")

    def _call(self, hook: pluggy.HookCaller, **arguments: object) -> None:
        """Call each implementation by itself: pluggy's own loop stops at the first that raises."""
        for impl in reversed(hook.get_hookimpls()):
            try:
                impl.function(*[arguments[name] for name in impl.argnames])
            except Exception:
                log.exception("the plugin %s of the swarm failed", impl.plugin_name)
