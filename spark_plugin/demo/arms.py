"""The three arms: the same tasks awarded without advice, with Spark's, and with Spark's after shuffling the names."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from spark_hooks import Recommendation
from spark_hooks.events import TaskPosted
from spark_plugin.coordinator import Policy, Result, SwarmCoordinator, Task, lowest_bid
from spark_plugin.demo.records import ArmResult, Bin, DemoResult
from spark_plugin.demo.tasks import COUNTS, Job, prepare
from spark_plugin.demo.workers import workers
from spark_plugin.errors import StoreUnavailable
from spark_plugin.plugin import Spark, register
from spark_plugin.settings import Settings

ARMS = ("without", "with", "shuffled")

Progress = Callable[[int, int], None]
"""Called with (tasks done, tasks in all)."""

_CLOSE = 0.9
"""A candidate is recommended too when its success probability is at least this part of the best one's."""
FLUSH_S = 20.0
_SAMPLE_BYTES = 65_536
_ADVISORIES = 5
_BINS = 5


def recommended(advice: Sequence[Recommendation]) -> frozenset[str]:
    """Whom advice speaks for: its choice, which may be an exploration, and all that are about as good as the best."""
    if not advice:
        return frozenset()
    bar = _CLOSE * max(entry.success_probability for entry in advice)
    close = (entry.agent_id for entry in advice if entry.success_probability >= bar)
    return frozenset((advice[0].agent_id, *close))


def shuffled(advice: Sequence[Recommendation], rng: random.Random) -> list[Recommendation]:
    """The same advice with the agents' names permuted: as confident, as selective, and about nobody."""
    names = [entry.agent_id for entry in advice]
    rng.shuffle(names)
    return [msgspec.structs.replace(entry, agent_id=name) for entry, name in zip(advice, names, strict=True)]


def lowest_recommended(task: Task, bids: Mapping[str, float], advice: Sequence[Recommendation]) -> str:
    """The lowest bid among those the advice speaks for; among all where it speaks for none of the bidders."""
    named = recommended(advice)
    return lowest_bid(task, {name: bid for name, bid in bids.items() if name in named} or bids)


class Adviser:
    """Asks Spark once per task, so that both arms that use its advice get the same, whoever comes first."""

    def __init__(self, spark: Spark) -> None:
        self._spark = spark
        self._task_id = ""
        self._advice: list[Recommendation] = []

    async def about(self, task: Task, candidates: Iterable[str]) -> list[Recommendation]:
        """Spark's advice on a task after it has heard all that was sent so far."""
        if task.task_id != self._task_id:
            asked = tuple(sorted(candidates))
            question = TaskPosted(
                task_id=task.task_id, description=task.description, category=task.category, candidates=asked
            )
            self._advice = await asyncio.to_thread(self._ask, question)
            self._task_id = task.task_id
        return self._advice

    def _ask(self, question: TaskPosted) -> list[Recommendation]:
        caught_up(self._spark)
        return self._spark.hooks.recommend(question, question.candidates)


def caught_up(spark: Spark) -> None:
    """Wait until Spark has learned from all that was sent. Raises `StoreUnavailable` when it cannot."""
    if not spark.flush(FLUSH_S):
        raise StoreUnavailable(spark.settings.store, spark.trouble or f"has not caught up in {FLUSH_S:g} s")


def policies(spark: Spark, rng: random.Random) -> dict[str, Policy]:
    """How each arm awards; only ``with`` and ``shuffled`` ask Spark, which hears of ``with`` alone."""
    adviser = Adviser(spark)

    async def advised(task: Task, bids: Mapping[str, float]) -> str:
        return lowest_recommended(task, bids, await adviser.about(task, bids))

    async def misled(task: Task, bids: Mapping[str, float]) -> str:
        return lowest_recommended(task, bids, shuffled(await adviser.about(task, bids), rng))

    return {"without": lowest_bid, "with": advised, "shuffled": misled}


def run(
    seed: int,
    progress: Progress | None = None,
    counts: Mapping[str, int] = COUNTS,
    places: tuple[Path, ...] | None = None,
) -> DemoResult:
    """The whole demo, in an event loop of its own. `seed` fixes the tasks, the order of the arms and the shuffling.

    It works in a store of its own that starts empty and is kept. Raises `FileNotFoundError` when there is nothing on
    this machine to work on.
    """
    return asyncio.run(_run(seed, progress or _silent, counts, places))


def _silent(done: int, total: int) -> None:
    pass


async def _run(seed: int, progress: Progress, counts: Mapping[str, int], places: tuple[Path, ...] | None) -> DemoResult:
    started = time.perf_counter()
    tasks = await asyncio.to_thread(prepare, random.Random(f"tasks {seed}"), counts, places)
    swarms = {arm: SwarmCoordinator() for arm in ARMS}
    store = f"sqlite:///{Path(tempfile.mkdtemp(prefix='spark-demo-'), 'spark.db').as_posix()}"
    with register(swarms["with"], settings=Settings(store=store, seed=seed)) as spark:
        for arm, policy in policies(spark, random.Random(f"shuffling {seed}")).items():
            swarms[arm].policy = policy
        await _staff(swarms.values(), tasks)
        results = await _compare(tasks, swarms, spark, random.Random(f"order {seed}"), progress)
        return DemoResult(
            seed=seed,
            arms={arm: summed(tasks, results[arm]) for arm in ARMS},
            predictions=spark.predictions.summary(),
            calibration=tuple(calibration(spark.predictions.rows())),
            advisories=tuple(spark.hooks.advisories(limit=_ADVISORIES)),
            store=store,
            seconds=time.perf_counter() - started,
        )


async def _staff(swarms: Iterable[SwarmCoordinator], tasks: Sequence[Task]) -> None:
    """Agents of its own for each swarm, calibrated on the same sample: the beginning of the first sizeable file."""
    contents = [task.payload.data for task in tasks if isinstance(task.payload, Job)]
    sample = next((data for data in contents if len(data) >= _SAMPLE_BYTES), b"".join(contents))[:_SAMPLE_BYTES]
    for swarm in swarms:
        for worker in workers():
            await worker.calibrate(sample)
            swarm.join(worker)


async def _compare(
    tasks: Sequence[Task],
    swarms: Mapping[str, SwarmCoordinator],
    spark: Spark,
    rng: random.Random,
    progress: Progress,
) -> dict[str, list[Result]]:
    """Post every task in every arm, task by task and one at a time, in an order of arms that changes each time."""
    results: dict[str, list[Result]] = {arm: [] for arm in swarms}
    for done, task in enumerate(tasks):
        for arm in rng.sample(sorted(swarms), len(swarms)):
            results[arm].append(await swarms[arm].post(task))
            await asyncio.to_thread(caught_up, spark)  # so that what Spark has to do takes no time from the next arm
        progress(done + 1, len(tasks))
    return results


def summed(tasks: Sequence[Task], results: Sequence[Result]) -> ArmResult:
    """The figures of an arm whose `results` belong to `tasks`, one each and in their order."""
    won = [result.outcome.succeeded for result in results]
    by_category: dict[str, list[bool]] = {}
    for task, succeeded in zip(tasks, won, strict=True):
        by_category.setdefault(task.category or "", []).append(succeeded)
    return ArmResult(
        tasks=len(results),
        success=_mean(won),
        cost=_mean([result.outcome.cost or 0.0 for result in results]),
        late_success=_mean(won[len(won) // 2 :]),
        by_category={category: _mean(own) for category, own in sorted(by_category.items())},
    )


def calibration(rows: Iterable[Mapping[str, object]]) -> Iterator[Bin]:
    """Forecasts against what happened, from rows of the ledger, in bins of equal width; empty ones are left out."""
    filled: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for row in rows:
        award, actual = row["award"], row["actual"]
        if isinstance(award, Mapping) and isinstance(actual, Mapping):
            filled[min(int(award["success"] * _BINS), _BINS - 1)].append((award["success"], actual["succeeded"]))
    for n, pairs in enumerate(filled):
        if pairs:
            forecast, happened = _mean([p for p, _ in pairs]), _mean([won for _, won in pairs])
            yield Bin(n / _BINS, (n + 1) / _BINS, len(pairs), forecast, happened)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
