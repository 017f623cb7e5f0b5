"""Spark's own steps, each of which may fail, and a swarm's day of work to see whether anybody notices."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from spark_advisor import AdvisoryBook, built_in
from spark_eidos import Eidos
from spark_hooks import Advisory, Hooks, Prediction, Recommendation, bridge, facade, signals
from spark_hooks.bridge import Bridge, Stamp
from spark_hooks.events import TaskPosted
from spark_hooks.plugins import Plugins
from spark_plugin import Spark, builtin, codec
from spark_plugin.builtin import Answers, Recorder
from spark_plugin.capture import Capture, Carrier, capture, carrier, journal
from spark_plugin.capture.drainer import Drainer
from spark_plugin.capture.journal import Journal
from spark_plugin.capture.segment import Segment
from spark_plugin.coordinator import Outcome, SwarmCoordinator, Task
from spark_plugin.projection import Projection, ledger, projection, published, tasks
from spark_plugin.projection.advising import Advising
from spark_plugin.projection.projector import Projector
from spark_plugin.readers import Readable
from spark_plugin.store.sqlite import SqliteStore, SqliteTransaction

SENDING = [
    (bridge, "build"), (bridge, "fresh"), (bridge, "_now"), (Stamp, "__call__"), (Bridge, "_event"),
    (Bridge, "receive"), (Plugins, "notify"), (Plugins, "_told"), (Plugins, "failed"), (Plugins, "timed"),
    (Recorder, "event_captured"), (Capture, "take"), (Capture, "_drop"), (capture, "encode"), (Journal, "append"),
    (Journal, "_taken_in"), (Journal, "_roll"), (Segment, "append"),
]  # fmt: skip
"""What happens in the sender's thread."""
STORING = [
    (Journal, "prepare"), (Journal, "read"), (Segment, "records"), (Segment, "keep_at_hand"), (carrier, "decode"),
    (carrier, "redacted"), (carrier, "ingest"), (SqliteStore, "_begun"), (SqliteTransaction, "known"),
    (SqliteTransaction, "position"), (SqliteTransaction, "append"), (SqliteTransaction, "derive"),
    (SqliteTransaction, "publish"), (SqliteTransaction, "save_snapshot"), (SqliteTransaction, "_many"),
    (codec, "stored"), (Journal, "release"), (Segment, "release"), (Segment, "_note"), (Segment, "remove"),
    (Drainer, "_move"), (Drainer, "_step"), (Drainer, "rest"), (Drainer, "untold"), (Carrier, "attempt"),
    (Carrier, "prepare"), (Carrier, "carry"), (Carrier, "_read"), (Carrier, "tell"), (Carrier, "_failed"),
    (Carrier, "_mend"), (Carrier, "_close_store"), (Capture, "tallies"), (SqliteStore, "close"),
]  # fmt: skip
"""What happens in the drainer's thread, up to the store."""
LEARNING = [
    (Projection, "begin"), (Projection, "project"), (Projection, "finish"), (Projection, "abort"),
    (Projection, "despair"), (Projection, "catch_up"), (Projection, "_save"), (Projector, "take"),
    (Projector, "overridden"), (Projector, "_apply"), (Advising, "review"),
    (Advising, "_note"), (Advising, "settle"), (Advising, "came"), (Advising, "answered"),
    (Eidos, "forecast"), (Eidos, "forecast_award"), (Eidos, "observe_award"), (Eidos, "observe_outcome"),
    (AdvisoryBook, "review"), (AdvisoryBook, "settle"), (AdvisoryBook, "answer"),
    (published, "write"), (published, "summary"),
    (ledger, "derived"), (projection, "dump"), (tasks, "recall"), (tasks, "keep"),
    *((type(detector), "detect") for detector in built_in()),
]  # fmt: skip
"""What happens in the drainer's thread beyond the store."""
ASKING = [
    (Answers, "predict"), (Answers, "recommend"), (Answers, "advisories"), (Answers, "_ask"), (Projection, "ask"),
    (tasks, "is_away"), (tasks, "read_back"), (Readable, "store"), (builtin, "recommend"), (builtin, "ranked"),
    (builtin, "capture_health"), (builtin, "clip"), (Plugins, "ask"), (Plugins, "_guarded"), (Hooks, "_checked"),
    (Hooks, "_refuse"), (facade, "sound"),
]  # fmt: skip
"""What happens in the thread of whoever asks."""
ENDING = [
    (Bridge, "close"), (Capture, "close"), (Drainer, "stop"), (Journal, "seal"), (Drainer, "_end"), (Carrier, "close"),
    (Carrier, "rest"), (Projection, "rest"), (Journal, "close"), (journal, "lock_path"), (Readable, "close"),
]  # fmt: skip
"""What happens when Spark is closed."""

ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("injected"),
    "OSError": lambda: OSError(5, "injected"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("injected"),
    "SystemExit": lambda: SystemExit(3),
}
AGENTS = ("ada", "bo", "cy")


class Worker:
    """An agent of which one knows what it will do."""

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.capabilities = ()

    async def bid(self, task: Task) -> float | None:
        place = (AGENTS.index(self.agent_id) + int(task.task_id)) % 3
        return None if place == 2 else 1.0 + place

    async def work(self, task: Task) -> Outcome:
        if int(task.task_id) % 7 == 6:
            raise RuntimeError("the work was too hard")
        return Outcome(int(task.task_id) % 3 != 0, 1.5, "done")


def coordinator() -> SwarmCoordinator:
    return SwarmCoordinator(bid_window_s=5.0, work_timeout_s=5.0, award_timeout_s=5.0)


def day(swarm: SwarmCoordinator, number: int, tasks: int, asks: Callable[[], None] = lambda: None) -> list[Any]:
    """A day of work; what came of it. With `asks`, that is called at every award."""

    def award(task: Task, bids: Any) -> str:
        asks()
        return min(bids, key=lambda agent: (bids[agent], agent))

    async def work() -> list[Any]:
        swarm.policy = award
        for agent in AGENTS:
            swarm.join(Worker(agent))
        results = [await swarm.post(Task(str(100 * number + n), "Fix it", category="bug")) for n in range(tasks)]
        swarm.leave(AGENTS[0])
        return [(one.task_id, one.agent_id, one.bid, one.outcome, dict(one.bids)) for one in results]

    results = asyncio.run(work())
    signals.tool_executed.send(swarm, agent_id="ada", tool="grep", success=True)
    signals.custom.send(swarm, type="swarm.moved", subject="x", where={"to": ["there"]})
    signals.task_posted.send(swarm, event=TaskPosted(task_id=f"whole {number}", description="", extra={"a": [1]}))
    return results


def unsound(spark: Spark) -> Iterator[str]:
    """What is wrong with Spark's answers: they must not raise, and be empty or right."""
    task = TaskPosted(task_id="new", description="", candidates=("ada", "bo"), category="bug")
    for name, ask, is_right in (
        ("predict", lambda: spark.hooks.predict(task), _is_prediction),
        ("predict by id", lambda: spark.hooks.predict("1"), _is_prediction),
        ("recommend", lambda: spark.hooks.recommend(task), _are_recommendations),
        ("recommend by id", lambda: spark.hooks.recommend("1", ["ada", "bo"]), _are_recommendations),
        ("advisories", lambda: spark.hooks.advisories(), _are_advisories),
        ("advisories of an agent", lambda: spark.hooks.advisories(subject="ada"), _are_advisories),
        ("advisories for a task", lambda: spark.hooks.advisories(task=task, limit=3), _are_advisories),
    ):
        try:
            answer = ask()
        except BaseException as error:
            yield f"{name} raised {error!r}"
        else:
            if not is_right(answer):
                yield f"{name} answered {answer!r}"


def _is_prediction(answer: object) -> bool:
    if not isinstance(answer, Prediction):
        return False
    certain = not answer.winner or math.isclose(sum(answer.winner.values()), 1.0)
    return certain and all(0.001 <= chance <= 0.999 for chance in answer.success.values())


def _are_recommendations(answer: object) -> bool:
    return isinstance(answer, list) and all(
        isinstance(one, Recommendation) and one.agent_id in AGENTS and 0 < one.propensity <= 1 for one in answer
    )


def _are_advisories(answer: object) -> bool:
    return isinstance(answer, list) and all(isinstance(one, Advisory) and 0 <= one.priority <= 1 for one in answer)


class Complaints(logging.Handler):
    """What reached the coordinator: it logs what a receiver of its signals raises, and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")


@contextmanager
def complaints() -> Iterator[list[str]]:
    handler, logger = Complaints(), logging.getLogger("spark.coordinator")
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)
