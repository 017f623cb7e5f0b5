"""Asking others and not waiting for ever: concurrent calls with one time limit, isolated from each other."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

log = logging.getLogger("spark.coordinator")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """`value` counts where `problem` is None; otherwise `problem` says in words what went wrong."""

    value: T | None
    problem: str | None = None


class Asker:
    """Runs calls as asyncio tasks of their own and ends all of them before it answers.

    A call that is cancelled from within, or raises, spoils its own answer only. One that ignores its cancellation is
    waited for no longer than `grace_s` seconds, then left to itself.
    """

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self._stopping: set[asyncio.Task[Any]] = set()  # asyncio itself keeps no strong reference to a task

    async def ask(self, calls: Mapping[str, Callable[[], Awaitable[T]]], within_s: float) -> dict[str, Answer[T]]:
        """One answer per call, in the order of `calls`, as soon as all have answered or `within_s` seconds are over.

        Raises `asyncio.CancelledError` when the caller is cancelled, and nothing else.
        """
        if not calls:
            return {}
        asked = {key: asyncio.create_task(_answer(call)) for key, call in calls.items()}
        late: set[asyncio.Task[Answer[T]]] = set()
        try:
            await asyncio.wait(asked.values(), timeout=within_s)
        finally:
            late.update(task for task in asked.values() if not task.done())
            await self._stop(late)
        silent: Answer[T] = Answer(None, f"timeout after {within_s:g} s")
        return {key: silent if task in late else _read(task) for key, task in asked.items()}

    async def _stop(self, tasks: set[asyncio.Task[Answer[T]]]) -> None:
        for task in tasks:
            task.cancel()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        if tasks:
            _, deaf = await asyncio.wait(tasks, timeout=self.grace_s)
            if deaf:
                log.warning("%d calls ignored their cancellation and are left to themselves", len(deaf))


async def _answer(call: Callable[[], Awaitable[T]]) -> Answer[T]:
    try:
        return Answer(await call())
    except (Exception, SystemExit) as error:  # an agent that exits is an agent that failed
        return Answer(None, traceback.format_exception_only(error)[-1].strip())


def _read(task: asyncio.Task[Answer[T]]) -> Answer[T]:
    """The answer of a finished task; a cancelled one was cancelled by the called side itself."""
    return Answer(None, "cancelled by the agent itself") if task.cancelled() else task.result()
