"""The reference coordinator: auctions that no agent, policy or listener can break."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from spark_hooks import signals
from spark_hooks.events import EVENT_TYPES, CustomEvent, build
from spark_plugin.coordinator import (
    Outcome,
    Policy,
    Result,
    SwarmCoordinator,
    SwarmHooks,
    Task,
    hookimpl,
    hookspec,
    lowest_bid,
)

DONE = Outcome(True, 2.0, "done")
TASK = Task("t1", "Fix the login bug", category="bug")


class Worker:
    """An agent whose bid and work are what the test says: a value, an exception to raise, or a function to await."""

    def __init__(self, agent_id: str, bid: Any = 1.0, work: Any = DONE, capabilities: tuple[str, ...] = ()) -> None:
        self.agent_id = agent_id
        self.capabilities = capabilities
        self._bid = bid
        self._work = work
        self.worked: list[str] = []

    async def bid(self, task: Task) -> Any:
        return await _acted_out(self._bid, task)

    async def work(self, task: Task) -> Any:
        self.worked.append(task.task_id)
        return await _acted_out(self._work, task)


async def _acted_out(part: Any, task: Task) -> Any:
    if isinstance(part, BaseException):
        raise part
    return await part(task) if callable(part) else part


async def never(task: Task) -> Any:
    await asyncio.Event().wait()


async def deaf(task: Task) -> Any:
    """Ignores the first request to stop."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.sleep(0.3)
    return DONE


async def cancels_itself(task: Task) -> Any:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.sleep(0)


def swarm(*agents: Worker, **options: Any) -> SwarmCoordinator:
    options = {"bid_window_s": 0.05, "work_timeout_s": 0.05, "award_timeout_s": 0.05, "grace_s": 0.05} | options
    coordinator = SwarmCoordinator(**options)
    for agent in agents:
        coordinator.join(agent)
    return coordinator


@contextlib.contextmanager
def heard(coordinator: SwarmCoordinator) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the coordinator sends while the block runs; everything must be a valid event of the contract."""
    log: list[tuple[str, dict[str, Any]]] = []
    receivers: dict[str, Callable[..., None]] = {}
    for name in signals.SIGNALS:

        def receive(sender: object, _name: str = name, **fields: Any) -> None:
            log.append((_name, fields))
            if _name == "custom":
                build(CustomEvent, {"type": fields["type"], "about": fields["subject"]})
            else:
                build(EVENT_TYPES[_name], fields)

        receivers[name] = receive
        signals.SIGNALS[name].connect(receive, sender=coordinator, weak=False)
    try:
        yield log
    finally:
        for name, receiver in receivers.items():
            signals.SIGNALS[name].disconnect(receiver, sender=coordinator)


def names(log: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in log]


def others() -> set[asyncio.Task[Any]]:
    """The asyncio tasks that run beside the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


# --- the auction -----------------------------------------------------------------------------------------------------


async def test_the_lowest_bid_wins_and_its_work_is_the_result() -> None:
    ada, bo = Worker("ada", 3.0), Worker("bo", 2.0)
    result = await swarm(ada, bo).post(TASK)
    assert (result.task_id, result.agent_id, result.bid, result.outcome) == ("t1", "bo", 2.0, DONE)
    assert result.assigned
    assert result.bids == {"ada": 3.0, "bo": 2.0}
    assert (ada.worked, bo.worked) == ([], ["t1"])


@pytest.mark.parametrize("order", [("ada", "bo", "cy"), ("cy", "bo", "ada")])
async def test_equal_bids_are_decided_by_agent_id(order: tuple[str, ...]) -> None:
    result = await swarm(*(Worker(name, 1.0) for name in order)).post(TASK)
    assert result.agent_id == "ada"
    assert lowest_bid(TASK, {name: 1.0 for name in order}) == "ada"


async def test_signals_tell_the_whole_story_in_order() -> None:
    coordinator = swarm()
    with heard(coordinator) as log:
        coordinator.join(Worker("ada", 3.0))
        coordinator.join(Worker("bo", 2.0, capabilities=("bug", "docs")))
        await coordinator.post(Task("t1", "Fix it", category="bug", reserve=9.0, deadline=1.0, payload=object()))
        coordinator.leave("ada")
        coordinator.leave("ada")
    duration = log[-2][1].pop("duration_s")
    assert 0 <= duration < 5
    assert log == [
        ("agent_joined", {"agent_id": "ada", "capabilities": ()}),
        ("agent_joined", {"agent_id": "bo", "capabilities": ("bug", "docs")}),
        (
            "task_posted",
            {
                "task_id": "t1",
                "description": "Fix it",
                "candidates": ("ada", "bo"),
                "category": "bug",
                "reserve": 9.0,
                "deadline": 1.0,
            },
        ),
        ("bid_submitted", {"task_id": "t1", "agent_id": "ada", "bid": 3.0}),
        ("bid_submitted", {"task_id": "t1", "agent_id": "bo", "bid": 2.0}),
        ("task_assigned", {"task_id": "t1", "agent_id": "bo", "bid": 2.0}),
        ("task_completed", {"task_id": "t1", "agent_id": "bo", "cost": 2.0, "result": "done"}),
        ("agent_left", {"agent_id": "ada"}),
    ]


async def test_a_failed_outcome_is_told_with_its_reason_and_cost() -> None:
    coordinator = swarm(Worker("ada", work=Outcome(False, 7.0, "tests are red")))
    with heard(coordinator) as log:
        result = await coordinator.post(TASK)
    name, fields = log[-1]
    assert name == "task_failed"
    assert (fields["agent_id"], fields["reason"], fields["cost"]) == ("ada", "tests are red", 7.0)
    assert result.outcome == Outcome(False, 7.0, "tests are red")


async def test_bids_are_sealed_until_all_are_in() -> None:
    """No agent, and no listener, learns of a bid while another may still bid."""
    coordinator = swarm()
    seen: list[list[str]] = []

    async def late(task: Task) -> float:
        await asyncio.sleep(0.01)
        seen.append(names(log))
        return 1.0

    coordinator.join(Worker("ada", 5.0))
    coordinator.join(Worker("bo", late))
    with heard(coordinator) as log:
        await coordinator.post(TASK)
    assert seen == [["task_posted"]]


async def test_the_window_closes_as_soon_as_all_have_answered() -> None:
    coordinator = swarm(Worker("ada"), Worker("bo", None), bid_window_s=3600)
    result = await asyncio.wait_for(coordinator.post(TASK), 2)
    assert result.bids == {"ada": 1.0}


async def test_candidates_are_asked_all_at_once() -> None:
    """Each waits for the other: asked one after the other, they would both run into the window's end."""
    meeting = asyncio.Barrier(3)

    async def meets(task: Task) -> float:
        await meeting.wait()
        return 1.0

    result = await swarm(*(Worker(name, meets) for name in "abc"), bid_window_s=2).post(TASK)
    assert result.bids == {"a": 1.0, "b": 1.0, "c": 1.0}


async def test_only_the_capable_and_the_named_are_asked() -> None:
    coordinator = swarm(Worker("any"), Worker("bugs", capabilities=("bug",)), Worker("docs", capabilities=("docs",)))
    assert (await coordinator.post(TASK)).bids.keys() == {"any", "bugs"}
    assert (await coordinator.post(Task("t2", "No category"))).bids.keys() == {"any", "bugs", "docs"}
    named = Task("t3", "By name", category="bug", candidates=("docs", "nobody"))
    assert (await coordinator.post(named)).bids.keys() == {"docs"}


async def test_bids_above_the_reserve_are_heard_but_cannot_win() -> None:
    coordinator = swarm(Worker("ada", 5.0), Worker("bo", 6.0), policy=lambda task, bids: "bo")
    result = await coordinator.post(Task("t1", "Cheap", reserve=5.0))
    assert (result.agent_id, result.bids) == ("ada", {"ada": 5.0, "bo": 6.0})


@pytest.mark.parametrize(
    ("agents", "reserve", "reason"),
    [
        ((), None, "no candidates"),
        ((Worker("ada", None),), None, "no bids"),
        ((Worker("ada", 5.0),), 4.0, "no acceptable bid"),
    ],
)
async def test_a_task_nobody_can_get_ends_unassigned(
    agents: tuple[Worker, ...], reserve: float | None, reason: str
) -> None:
    coordinator = swarm(*agents)
    with heard(coordinator) as log:
        result = await coordinator.post(Task("t1", "Unloved", reserve=reserve))
    assert (result.assigned, result.agent_id, result.bid, result.duration_s) == (False, None, None, 0.0)
    assert result.outcome == Outcome(False, None, reason)
    assert "task_failed" not in names(log)
    told = {"type": "swarm.task_unassigned", "subject": "t1", "task_id": "t1", "reason": reason}
    assert log[-1] == ("custom", told)


# --- agents that misbehave -------------------------------------------------------------------------------------------

BAD_BIDS = [
    math.nan,
    math.inf,
    -0.01,
    "3",
    True,
    b"1",
    [1.0],
    Decimal("0.5"),
    10**400,
    np.array([0.5, 0.5]),
    ValueError("out of order"),
    SystemExit(3),
    asyncio.CancelledError(),
    never,
    cancels_itself,
    deaf,
]


@pytest.mark.parametrize("bad", BAD_BIDS, ids=lambda bad: getattr(bad, "__name__", type(bad).__name__))
async def test_a_bad_bid_is_no_bid_and_harms_no_other(bad: Any) -> None:
    coordinator = swarm(Worker("bad", bad), Worker("good", 9.0))
    with heard(coordinator) as log:
        result = await coordinator.post(TASK)
    assert result.bids == {"good": 9.0}
    assert (result.agent_id, result.outcome) == ("good", DONE)
    assert names(log) == ["task_posted", "bid_submitted", "task_assigned", "task_completed"]


@pytest.mark.parametrize("good", [0, 0.0, 3, np.float32(0.5), np.int64(4), Fraction(1, 2)], ids=repr)
async def test_any_finite_number_is_a_bid_and_is_told_as_a_float(good: Any) -> None:
    result = await swarm(Worker("ada", good)).post(TASK)
    assert result.bids == {"ada": float(good)}
    assert type(result.bid) is float


async def test_an_agent_whose_bid_is_no_coroutine_function_is_isolated_too() -> None:
    class Sync(Worker):
        def bid(self, task: Task) -> Any:
            raise RuntimeError("raised before there was anything to await")

    assert (await swarm(Sync("bad"), Worker("good")).post(TASK)).agent_id == "good"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (never, "timeout after 0.05 s"),
        (deaf, "timeout after 0.05 s"),
        (RuntimeError("disk on fire"), "RuntimeError: disk on fire"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "cancelled by the agent itself"),
        (cancels_itself, "cancelled by the agent itself"),
        (None, "TypeError: the agent gave no outcome but NoneType"),
        (Outcome("yes"), "TypeError: the agent gave no outcome but Outcome"),  # type: ignore[arg-type]
    ],
)
async def test_work_that_goes_wrong_is_a_failure_with_a_reason(bad: Any, reason: str) -> None:
    coordinator = swarm(Worker("ada", 1.0, work=bad), Worker("bo", 2.0))
    with heard(coordinator) as log:
        result = await coordinator.post(TASK)
    assert result.outcome == Outcome(False, None, reason)
    assert names(log)[-2:] == ["task_assigned", "task_failed"]
    assert log[-1][1]["reason"] == reason
    assert (await coordinator.post(Task("t2", "Another", candidates=("bo",)))).outcome == DONE


async def test_an_error_that_cannot_be_put_in_words_is_still_a_failure() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    result = await swarm(Worker("ada", work=Mute())).post(TASK)
    assert not result.outcome.succeeded
    assert "Mute" in result.outcome.detail


@pytest.mark.parametrize("cost", [math.nan, -1.0, "much", pytest.param(10**400, id="huge")])
async def test_a_cost_that_is_no_amount_does_not_spoil_the_outcome(cost: Any) -> None:
    coordinator = swarm(Worker("ada", work=Outcome(True, cost, "done")))
    with heard(coordinator) as log:
        result = await coordinator.post(TASK)
    assert result.outcome == Outcome(True, None, "done")
    assert log[-1][0] == "task_completed"
    assert "cost" not in log[-1][1]


async def test_no_asyncio_task_is_left_behind() -> None:
    coordinator = swarm(Worker("ada", never), Worker("bo", 1.0, never), policy=lambda task, bids: never(task))
    await coordinator.post(TASK)
    assert others() == set()


# --- the policy ------------------------------------------------------------------------------------------------------


async def test_a_policy_decides_and_sees_only_what_may_win() -> None:
    calls: list[tuple[Task, dict[str, float]]] = []

    def dearest(task: Task, bids: Mapping[str, float]) -> str:
        calls.append((task, dict(bids)))
        return max(bids, key=lambda name: bids[name])

    coordinator = swarm(Worker("ada", 1.0), Worker("bo", 2.0), Worker("cy", math.nan), policy=dearest)
    assert (await coordinator.post(TASK)).agent_id == "bo"
    assert calls == [(TASK, {"ada": 1.0, "bo": 2.0})]


async def test_a_policy_may_be_asynchronous() -> None:
    async def dearest(task: Task, bids: Mapping[str, float]) -> str:
        await asyncio.sleep(0)
        return "bo"

    assert (await swarm(Worker("ada", 1.0), Worker("bo", 2.0), policy=dearest).post(TASK)).agent_id == "bo"


def _raises(task: Task, bids: Mapping[str, float]) -> str:
    raise KeyError("no idea")


async def _raises_later(task: Task, bids: Mapping[str, float]) -> str:
    raise asyncio.CancelledError


async def _thinks(task: Task, bids: Mapping[str, float]) -> str:
    await asyncio.Event().wait()
    return "bo"


def _empties(task: Task, bids: Mapping[str, float]) -> str:
    bids.clear()  # type: ignore[attr-defined]
    return "nobody"


@pytest.mark.parametrize(
    "policy",
    [_raises, _raises_later, _empties, _thinks, lambda t, b: "stranger", lambda t, b: None, lambda t, b: ["bo"]],
)
async def test_a_policy_that_fails_leaves_it_to_the_lowest_bid(policy: Any) -> None:
    result = await swarm(Worker("ada", 1.0), Worker("bo", 2.0), policy=policy).post(TASK)
    assert (result.agent_id, result.outcome) == ("ada", DONE)


async def test_an_agent_that_left_in_the_meantime_cannot_win() -> None:
    coordinator = swarm(Worker("ada", 1.0), Worker("bo", 2.0))

    def leaves(task: Task, bids: Mapping[str, float]) -> str:
        coordinator.leave("ada")
        return "ada"

    coordinator.policy = leaves
    assert (await coordinator.post(TASK)).agent_id == "bo"
    assert coordinator.agents == ("bo",)


async def test_when_all_have_left_in_the_meantime_the_task_ends_unassigned() -> None:
    coordinator = swarm(Worker("ada", 1.0))

    def leaves(task: Task, bids: Mapping[str, float]) -> str:
        coordinator.leave("ada")
        return "ada"

    coordinator.policy = leaves
    assert not (await coordinator.post(TASK)).assigned


# --- many at once, and cancelling ------------------------------------------------------------------------------------


async def test_tasks_posted_at_once_run_at_once_and_keep_their_own_order() -> None:
    """All must be at work at the same time to get past the barrier; each task's own signals stay in order."""
    together = asyncio.Barrier(5)

    async def works(task: Task) -> Outcome:
        await together.wait()
        return DONE

    coordinator = swarm(Worker("ada", 1.0, works), Worker("bo", 2.0), work_timeout_s=2)
    with heard(coordinator) as log:
        results = await asyncio.gather(*(coordinator.post(Task(f"t{n}", "Together")) for n in range(5)))
    assert [result.task_id for result in results] == [f"t{n}" for n in range(5)]
    assert all(result.outcome == DONE for result in results)
    for n in range(5):
        own = [name for name, fields in log if fields["task_id"] == f"t{n}"]
        assert own == ["task_posted", "bid_submitted", "bid_submitted", "task_assigned", "task_completed"]


async def test_one_agents_trouble_leaves_concurrent_tasks_alone() -> None:
    async def moody(task: Task) -> Outcome:
        if task.task_id == "t1":
            raise asyncio.CancelledError
        await asyncio.sleep(0.01)
        return DONE

    coordinator = swarm(Worker("ada", 1.0, moody))
    first, second = await asyncio.gather(coordinator.post(TASK), coordinator.post(Task("t2", "Another")))
    assert (first.outcome.succeeded, second.outcome.succeeded) == (False, True)


async def _cancel_when(post: asyncio.Task[Result], ready: asyncio.Event) -> None:
    await asyncio.wait_for(ready.wait(), 2)
    post.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post


def _waits(ready: asyncio.Event, stopped: list[str]) -> Callable[..., Any]:
    async def waits(*arguments: Any) -> Any:
        ready.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append("stopped")
            raise

    return waits


@pytest.mark.parametrize("stage", ["bidding", "award"])
async def test_cancelling_a_post_before_the_award_stops_whom_it_asked(stage: str) -> None:
    ready, stopped = asyncio.Event(), list[str]()
    waits = _waits(ready, stopped)
    policy: Policy = waits if stage == "award" else lowest_bid
    coordinator = swarm(
        Worker("ada", waits if stage == "bidding" else 1.0), policy=policy, bid_window_s=9, award_timeout_s=9
    )
    with heard(coordinator) as log:
        await _cancel_when(asyncio.create_task(coordinator.post(TASK)), ready)
    assert stopped == ["stopped"]
    assert others() == set()
    assert log[-1][0] == "custom"
    assert log[-1][1]["reason"] == "cancelled by the coordinator"


async def test_cancelling_a_post_at_work_closes_the_attempt() -> None:
    ready, stopped = asyncio.Event(), list[str]()
    coordinator = swarm(Worker("ada", 1.0, _waits(ready, stopped)), work_timeout_s=9)
    with heard(coordinator) as log:
        await _cancel_when(asyncio.create_task(coordinator.post(TASK)), ready)
    assert stopped == ["stopped"]
    assert others() == set()
    assert names(log) == ["task_posted", "bid_submitted", "task_assigned", "task_failed"]
    assert log[-1][1]["reason"] == "cancelled by the coordinator"


async def test_an_agent_that_will_not_stop_does_not_hold_up_a_cancelled_post() -> None:
    ready = asyncio.Event()

    async def stubborn(task: Task) -> Any:
        ready.set()
        return await deaf(task)

    coordinator = swarm(Worker("ada", 1.0, stubborn), work_timeout_s=9, grace_s=0.01)
    await _cancel_when(asyncio.create_task(coordinator.post(TASK)), ready)
    left = others()
    assert len(left) == 1
    await asyncio.wait(left, timeout=2)


# --- listeners -------------------------------------------------------------------------------------------------------


class Diary:
    """A plugin of the swarm's own."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    @hookimpl
    def swarm_agent_joined(self, agent_id: str) -> None:  # fewer arguments than the specification
        self.lines.append(("joined", agent_id))

    @hookimpl
    def swarm_agent_left(self, agent_id: str) -> None:
        self.lines.append(("left", agent_id))

    @hookimpl
    def swarm_task_posted(self, task: Task, candidates: tuple[str, ...]) -> None:
        self.lines.append(("posted", task, candidates))

    @hookimpl
    def swarm_bid_opened(self, task: Task, agent_id: str, bid: float) -> None:
        self.lines.append(("bid", agent_id, bid))

    @hookimpl
    def swarm_task_awarded(self, task: Task, agent_id: str, bid: float) -> None:
        self.lines.append(("awarded", agent_id, bid))

    @hookimpl
    def swarm_task_finished(self, task: Task, agent_id: str | None, outcome: Outcome) -> None:
        self.lines.append(("finished", agent_id, outcome))


async def test_the_swarm_hosts_plugins_of_its_own() -> None:
    coordinator = swarm()
    diary = Diary()
    coordinator.plugins.register(diary)
    coordinator.plugins.check_pending()
    coordinator.join(Worker("ada", 1.5))
    await coordinator.post(TASK)
    coordinator.leave("ada")
    await coordinator.post(TASK)
    assert diary.lines == [
        ("joined", "ada"),
        ("posted", TASK, ("ada",)),
        ("bid", "ada", 1.5),
        ("awarded", "ada", 1.5),
        ("finished", "ada", DONE),
        ("left", "ada"),
        ("posted", TASK, ()),
        ("finished", None, Outcome(False, None, "no candidates")),
    ]


def test_the_hooks_are_the_swarms_own() -> None:
    coordinator = swarm()
    assert coordinator.plugins.project_name == "swarm"
    specified = {name for name in vars(SwarmHooks) if name.startswith("swarm_")}
    assert specified == set(vars(coordinator.plugins.hook))
    assert hookspec.project_name == hookimpl.project_name == "swarm"


async def test_a_listener_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Grump:
        @hookimpl
        def swarm_task_awarded(self) -> None:
            raise RuntimeError("grumble")

    def grumbles(sender: object, **fields: object) -> None:
        raise RuntimeError("grumble")

    coordinator = swarm(Worker("ada"))
    coordinator.plugins.register(Grump())
    with signals.task_posted.connected_to(grumbles, sender=coordinator):
        result = await coordinator.post(TASK)
    assert result.outcome == DONE
    assert caplog.text.count("RuntimeError: grumble") == 2


async def test_an_agent_that_joins_again_is_replaced() -> None:
    old, new = Worker("ada", 5.0), Worker("ada", 2.0)
    coordinator = swarm(old, new)
    assert coordinator.agents == ("ada",)
    assert (await coordinator.post(TASK)).bid == 2.0
    assert (old.worked, new.worked) == ([], ["t1"])
