"""`register`: from a coordinator's signals to answers, and out again without a trace."""

from __future__ import annotations

import asyncio
import gc
import sys
import textwrap
import threading
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from spark_hooks import Advisory, Finding, InvalidEvent, InvalidPlugin, Prediction, Receipt, hookimpl, signals
from spark_hooks.events import CustomEvent, Event, TaskCompleted, TaskPosted
from spark_plugin import Settings, Spark, register
from spark_plugin.capture.journal import Journal
from spark_plugin.errors import SettingsError, StoreCorrupt, StoreError
from spark_plugin.projection import Projection, projection, tasks
from tests.projection.swarmlog import record

ALL_HOOKS_EMPTY: dict[str, Callable[[Spark], object]] = {
    "predict": lambda spark: spark.hooks.predict("t1").winner,
    "recommend": lambda spark: spark.hooks.recommend("t1", ["ada"]),
    "advisories": lambda spark: spark.hooks.advisories(),
    "events": lambda spark: spark.events.query(),
    "predictions": lambda spark: list(spark.predictions.rows()),
    "memories": lambda spark: spark.memories.rows(),
}


class Swarm:
    """A coordinator."""


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test, in a directory of its own."""
    for name in ("ENABLED", "STORE", "BATCH", "STRICT", "SEED"):
        monkeypatch.delenv(f"SPARK_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spark.db'}"


@pytest.fixture
def settings(url: str) -> Settings:
    return Settings(store=url)


@pytest.fixture
def swarm() -> Swarm:
    return Swarm()


@pytest.fixture
def spark(swarm: Swarm, settings: Settings) -> Iterator[Spark]:
    with register(swarm, settings=settings) as spark:
        yield spark


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an answer that does not come."""
    monkeypatch.setattr(Projection, "ask", partialmethod(Projection.ask, timeout=0.02))


def send(swarm: object, event: Event) -> Receipt:
    [(_, receipt)] = signals.SIGNALS.get(event.type, signals.custom).send(swarm, event=event)
    assert isinstance(receipt, Receipt)
    return receipt


def post(swarm: object, task: str, **more: Any) -> list[Receipt]:
    return [receipt for _, receipt in signals.task_posted.send(swarm, task_id=task, description="", **more)]


def work_off(swarm: object, agent: str, outcomes: list[bool], **more: Any) -> None:
    """One task after the other for one agent."""
    for event in record(agent, outcomes, **more):
        send(swarm, event)


def stored(url: str) -> list[str]:
    """The tasks of all stored events, in order."""
    spark = Spark.open(url)
    try:
        return [row["task_id"] for row in spark.events.query(limit=None, newest_first=False)]
    finally:
        spark.close()


# who is heard


def test_the_same_coordinator_again_gives_the_same_spark(swarm: Swarm, settings: Settings, spark: Spark) -> None:
    assert register(swarm, settings=settings) is spark
    assert register(swarm) is spark
    assert len(post(swarm, "t1")) == 1


def test_threads_that_register_the_same_coordinator_at_once_get_the_same_spark(
    swarm: Swarm, settings: Settings
) -> None:
    together = threading.Barrier(6)
    found: list[Spark] = []

    def register_it() -> None:
        together.wait(30)
        found.append(register(swarm, settings=settings))

    threads = [threading.Thread(target=register_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    try:
        assert len(found) == 6
        assert len({id(spark) for spark in found}) == 1
        assert len(post(swarm, "t1")) == 1, "heard once"
    finally:
        for spark in found:
            spark.close()


def test_two_coordinators_have_a_spark_each(tmp_path: Path) -> None:
    one, other = Swarm(), Swarm()
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "other")]
    with register(one, settings=Settings(store=urls[0])) as first:
        with register(other, settings=Settings(store=urls[1])) as second:
            assert first is not second
            post(one, "for one")
            post(other, "for the other")
            assert first.flush(60) and second.flush(60)
        post(other, "nobody listens")
        post(one, "for one again")
    assert [stored(url) for url in urls] == [["for one", "for one again"], ["for the other"]]


def test_nobody_but_the_registered_object_is_heard(settings: Settings, url: str) -> None:
    class Alike:
        """Equal to all of its kind."""

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    mine, double = Alike(), Alike()
    with register(mine, settings=settings):
        assert len(post(mine, "t1")) == 1
        assert post(double, "t2") == []
        assert post(Swarm(), "t3") == []
        assert post(None, "t4") == []
    assert stored(url) == ["t1"]


class Unhashable:
    __hash__ = None  # type: ignore[assignment]


class Slotted:
    __slots__ = ()


@pytest.mark.parametrize(
    "coordinator",
    [Unhashable(), Slotted(), [], {}, types.SimpleNamespace(), Swarm, signals, len, "a name", 7, object()],
    ids=lambda value: type(value).__name__,
)
def test_any_object_may_be_a_coordinator(coordinator: object, settings: Settings, url: str) -> None:
    with register(coordinator, settings=settings) as spark:
        assert register(coordinator) is spark
        assert [receipt.state for receipt in post(coordinator, "t1")] == ["journaled"]
    assert post(coordinator, "t2") == []
    assert stored(url) == ["t1"]


def test_a_coordinator_is_kept_alive_until_spark_is_closed(settings: Settings) -> None:
    swarm = Swarm()
    alive = weakref.ref(swarm)
    spark = register(swarm, settings=settings)
    del swarm
    gc.collect()
    assert alive() is not None
    spark.close()
    gc.collect()
    assert alive() is None


def test_events_are_named_after_their_swarm(swarm: Swarm, settings: Settings, spark: Spark) -> None:
    other = Swarm()
    with register(other, settings=settings, source="/depot") as depot:
        post(swarm, "t1")
        post(other, "t2")
        post(other, "t3", source="/elsewhere")
        assert spark.flush(60) and depot.flush(60)
        rows = depot.events.query()
    assert {row["task_id"]: row["source"] for row in rows} == {"t1": "/Swarm", "t2": "/depot", "t3": "/elsewhere"}


# what is sent is there to read


def test_what_was_sent_before_a_flush_can_be_read_after_it(swarm: Swarm, spark: Spark) -> None:
    for n in range(30):
        work_off(swarm, "ada", [True], name=f"n{n}")
        assert spark.flush(60)
        assert spark.events.count() == 3 * (n + 1)
        assert len(list(spark.predictions.rows())) == n + 1
        assert spark.predictions.summary()["evaluated"] == n + 1
        assert spark.status()["tasks"]["completed"] == n + 1


def test_envelope_fields_may_be_given(swarm: Swarm, spark: Spark) -> None:
    [receipt] = post(swarm, "t1", event_id="mine", time="2026-11-20T08:30:00Z", source="/import")
    assert receipt == Receipt("mine", "journaled")
    assert spark.flush(60)
    [row] = spark.events.query()
    assert (row["id"], row["source"], row["time"]) == ("mine", "/import", "2026-11-20T08:30:00Z")


def test_an_event_told_twice_is_stored_once(swarm: Swarm, spark: Spark) -> None:
    receipts = [*post(swarm, "t1", event_id="same"), *post(swarm, "t1", event_id="same")]
    assert [receipt.state for receipt in receipts] == ["journaled", "journaled"]
    post(swarm, "t1", event_id="same", source="/another")
    assert spark.flush(60)
    assert spark.ingested == (2, 1, 0)
    assert spark.events.count() == 2


def test_threads_and_coroutines_send_at_once(swarm: Swarm, spark: Spark, url: str) -> None:
    def from_a_thread(name: str) -> None:
        for n in range(100):
            assert post(swarm, f"{name}-{n}")[0].state == "journaled"

    async def from_a_coroutine(name: str) -> None:
        for n in range(100):
            assert post(swarm, f"{name}-{n}")[0].state == "journaled"
            await asyncio.sleep(0)

    async def several() -> None:
        await asyncio.gather(*(from_a_coroutine(f"task{n}") for n in range(3)))

    threads = [threading.Thread(target=from_a_thread, args=(f"thread{n}",)) for n in range(3)]
    threads.append(threading.Thread(target=asyncio.run, args=(several(),)))
    for thread in threads:
        thread.start()
    asyncio.run(several())
    for thread in threads:
        thread.join(60)
    assert spark.flush(60)
    found = stored(url)
    assert Counter(found) == Counter(
        [f"thread{k}-{n}" for k in range(3) for n in range(100)]
        + [f"task{k}-{n}" for k in range(3) for n in range(100)] * 2
    )
    for k in range(3):
        own = [name for name in found if name.startswith(f"thread{k}-")]
        assert own == [f"thread{k}-{n}" for n in range(100)], "one thread's events keep their order"


async def test_a_coroutine_may_send_and_ask(swarm: Swarm, spark: Spark) -> None:
    post(swarm, "t1", candidates=["ada"])
    assert await asyncio.to_thread(spark.flush, 60)
    assert spark.hooks.predict("t1").winner == {"ada": 1.0}


def test_a_flush_with_nothing_to_do_is_done(spark: Spark) -> None:
    assert spark.flush(0) is True
    assert spark.flush() is True


def test_a_flush_that_takes_too_long_says_so(swarm: Swarm, spark: Spark, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    project = Projection.project

    def slow(projection: Projection, position: int, event: Event) -> float:
        go_on.wait(60)
        return project(projection, position, event)

    monkeypatch.setattr(Projection, "project", slow)
    post(swarm, "t1")
    assert spark.flush(0.05) is False
    go_on.set()
    assert spark.flush(60) is True


@pytest.mark.parametrize(
    "send_it",
    [
        lambda swarm: signals.custom.send(swarm, type="swarm.task_posted", x=1),
        lambda swarm: signals.custom.send(swarm, type="advisories", task_id=7),
        lambda swarm: signals.custom.send(swarm, type="swarm.a.b", subject=5),
        lambda swarm: signals.custom.send(swarm, event=CustomEvent(type="moved", attributes={"subject": "x"})),
        lambda swarm: signals.custom.send(swarm, event=CustomEvent(type="moved", attributes={"sparkwriter": 1})),
        lambda swarm: signals.task_posted.send(
            swarm, event=TaskPosted(task_id="t1", description="", extra={"task_id": 5})
        ),
        lambda swarm: signals.task_posted.send(
            swarm, event=TaskPosted(task_id="t1", description="", attributes={"data": 1, "id": None, "type": []})
        ),
        lambda swarm: signals.task_posted.send(swarm, task_id="t\0\ud800", description="\udfff", id=5, type=7, data=8),
        lambda swarm: signals.task_posted.send(swarm, task_id="t1", description="", time=-62135510400.5, deadline=0),
        lambda swarm: signals.task_completed.send(swarm, task_id="t1", agent_id="ada", cost=5e-324, duration_s=1e308),
        lambda swarm: signals.tool_executed.send(swarm, agent_id="a", tool="t", success=False, note=float("nan")),
    ],
    ids=lambda _: "",
)
def test_whatever_was_taken_in_can_be_read_again(
    swarm: Swarm, settings: Settings, send_it: Callable[[Swarm], object]
) -> None:
    """By another process, from the log alone: an event that only its own process understood would stop all others."""
    with register(swarm, settings=settings) as spark:
        try:
            send_it(swarm)
        except InvalidEvent:
            pytest.skip("cannot even be built")
        post(swarm, "after", candidates=["ada"])
        assert spark.flush(60)
        taken = spark.events.query(newest_first=False)
        other = Swarm()
        with register(other, settings=settings) as second:  # catches up from the log: no snapshot was written yet
            post(other, "by the other")
            assert second.flush(60)
            assert second.trouble is None
            assert second.hooks.predict("after").winner == {"ada": 1.0}
            assert second.events.query(newest_first=False)[: len(taken)] == taken


# questions


def experienced(swarm: Swarm, spark: Spark) -> None:
    """A swarm in which ada succeeds and bo fails."""
    work_off(swarm, "bo", [False] * 15, category="bug")
    work_off(swarm, "ada", [True] * 15, category="bug")
    assert spark.flush(60)


def test_predict_a_posted_task_gives_what_was_frozen(swarm: Swarm, spark: Spark) -> None:
    experienced(swarm, spark)
    post(swarm, "t1", candidates=["ada", "bo"], category="bug", reserve=100.0)
    assert spark.flush(60)
    frozen = spark.hooks.predict("t1")
    assert frozen.task_id == "t1"
    assert frozen.success["ada"] > 0.7 > 0.3 > frozen.success["bo"]
    assert sum(frozen.winner.values()) == pytest.approx(1.0)
    assert frozen.bid is not None and frozen.bid.high <= 100.0
    assert "ada" in frozen.reasoning and "15 of 15" in frozen.reasoning
    [row] = [row for row in spark.predictions.rows() if row["task_id"] == "t1"]
    assert (row["winner"], row["success"]) == (frozen.winner, frozen.success)
    work_off(swarm, "bo", [True] * 10, name="better", category="bug")
    assert spark.flush(60)
    assert spark.hooks.predict("t1").success == frozen.success


def test_predict_a_task_not_posted_yet(swarm: Swarm, spark: Spark) -> None:
    experienced(swarm, spark)
    plan = TaskPosted(task_id="plan", description="", candidates=("ada", "bo"), category="bug", reserve=50.0)
    asked = spark.hooks.predict(plan)
    assert asked.success["ada"] > asked.success["bo"]
    assert asked.bid is not None and asked.bid.high <= 50.0
    assert spark.hooks.predict(plan) == asked
    before = spark.events.count()
    assert spark.flush(60) and spark.events.count() == before, "a question leaves no trace"


def test_predict_a_task_nobody_heard_of_is_empty(spark: Spark) -> None:
    assert spark.hooks.predict("unheard") == Prediction("unheard")


def test_recommend_for_posted_and_unposted_tasks(swarm: Swarm, spark: Spark) -> None:
    experienced(swarm, spark)
    post(swarm, "t1", candidates=["ada", "bo", "cy"], category="bug")
    signals.bid_submitted.send(swarm, task_id="t1", agent_id="ada", bid=12.0)
    signals.bid_submitted.send(swarm, task_id="t1", agent_id="ada", bid=11.0)
    assert spark.flush(60)
    given = spark.hooks.recommend("t1")
    assert {one.agent_id for one in given} == {"ada", "bo", "cy"}
    assert sum(one.propensity for one in given) == pytest.approx(1.0)
    assert min(one.propensity for one in given) > 0.0
    by_agent = {one.agent_id: one for one in given}
    assert by_agent["ada"].success_probability > by_agent["bo"].success_probability
    assert by_agent["ada"].propensity > 0.5
    assert by_agent["ada"].expected_cost == 11.0, "the last bid of an agent counts"
    assert "15 of 15" in by_agent["ada"].reasons[0]
    assert spark.hooks.recommend("t1") == given, "the same question has the same answer"
    assert {one.agent_id for one in spark.hooks.recommend("t1", ["bo", "dee"])} == {"bo", "dee"}
    plan = TaskPosted(task_id="plan", description="", candidates=("ada", "bo"), category="bug")
    assert {one.agent_id for one in spark.hooks.recommend(plan)} == {"ada", "bo"}
    assert spark.hooks.recommend("unheard") == []
    assert [one.agent_id for one in spark.hooks.recommend("unheard", ["ada"])] == ["ada"]
    assert spark.hooks.recommend(plan, []) == []


def test_advisories_in_general_by_subject_and_for_a_task(swarm: Swarm, spark: Spark) -> None:
    experienced(swarm, spark)
    post(swarm, "with bo", candidates=["bo"], category="other")
    post(swarm, "without", candidates=["cy"], category="other")
    assert spark.flush(60)
    everything = spark.hooks.advisories()
    assert {advisory.subject for advisory in everything} >= {"ada", "bo"}
    priorities = [advisory.priority for advisory in everything]
    assert priorities == sorted(priorities, reverse=True)
    assert spark.hooks.advisories(limit=1) == everything[:1]
    assert spark.hooks.advisories(limit=0) == []
    assert {advisory.subject for advisory in spark.hooks.advisories(subject="bo")} == {"bo"}
    assert {advisory.subject for advisory in spark.hooks.advisories(task="with bo")} == {"bo"}
    assert spark.hooks.advisories(task="without") == []
    plan = TaskPosted(task_id="plan", description="", candidates=("ada",))
    assert {advisory.subject for advisory in spark.hooks.advisories(task=plan)} == {"ada"}
    assert spark.hooks.advisories(task="unheard") == []


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch, url: str) -> Settings:
    """Few tasks are kept at hand; the others are in the store alone."""
    monkeypatch.setattr(tasks, "MAX_TASKS", 4)
    return Settings(store=url, batch=2)


@pytest.mark.parametrize("early", [False, True], ids=["posted first", "heard of before it was posted"])
def test_a_task_posted_long_ago_is_still_forecast(swarm: Swarm, short_memory: Settings, early: bool) -> None:
    with register(swarm, settings=short_memory) as spark:
        if early:
            signals.tool_executed.send(swarm, agent_id="ada", tool="grep", success=True, task_id="old")
        post(swarm, "old", candidates=["ada", "bo"], category="bug")
        assert spark.flush(60)
        frozen = spark.hooks.predict("old")
        assert set(frozen.winner) == {"ada", "bo"}
        work_off(swarm, "ada", [True] * 10)
        assert spark.flush(60)
        again = spark.hooks.predict("old")
        assert (again.winner, again.success, again.bid) == (frozen.winner, frozen.success, frozen.bid)


def test_a_task_posted_long_ago_still_has_candidates_and_advice(swarm: Swarm, short_memory: Settings) -> None:
    with register(swarm, settings=short_memory) as spark:
        post(swarm, "old", candidates=["ada", "bo"], category="bug")
        signals.bid_submitted.send(swarm, task_id="old", agent_id="bo", bid=17.0)
        experienced(swarm, spark)
        post(swarm, "new", candidates=["bo"])
        signals.bid_submitted.send(swarm, task_id="new", agent_id="bo", bid=99.0)
        assert spark.flush(60)
        given = {one.agent_id: one.expected_cost for one in spark.hooks.recommend("old")}
        assert given == {"ada": None, "bo": 17.0}
        assert {advisory.subject for advisory in spark.hooks.advisories(task="old")} >= {"ada", "bo"}


# plugins


class Opinionated:
    """A plugin that answers every question."""

    @hookimpl
    def predict(self, task: TaskPosted | str) -> Prediction | None:
        return Prediction("mine", reasoning="because") if task == "t1" else None

    @hookimpl
    def advisories(self) -> list[Advisory]:
        return [
            Advisory(
                id="mine",
                category="system_health",
                priority=0.99,
                title="look here",
                detail="",
                suggested_action="",
                action={},
                subject=None,
                evidence=(),
                evidence_count=0,
            )
        ]


def test_a_plugin_is_asked_first_and_the_built_in_last(swarm: Swarm, spark: Spark) -> None:
    name = spark.hooks.register(Opinionated())
    assert name == "Opinionated"
    experienced(swarm, spark)
    assert spark.hooks.predict("t1").reasoning == "because"
    plan = TaskPosted(task_id="plan", description="", candidates=("ada",))
    assert spark.hooks.predict(plan).success, "it has no opinion of this one"
    assert {"mine"} < {advisory.id for advisory in spark.hooks.advisories()}, "advice is merged"


def test_a_plugins_detector_is_heard_from_when_it_joins_until_it_leaves(swarm: Swarm, spark: Spark) -> None:
    class Sees:
        name = "sees"

        @hookimpl
        def advisory_detectors(self) -> list[Any]:
            return [self]

        def detect(self, view: object, touched: Any) -> list[Finding]:
            return [Finding("system_health", f"saw {touched.agent}", "", "", {}, 0.1, (), 1, agent=touched.agent)]

    plugin = Sees()
    for step, agent in enumerate(("before", "during", "after")):
        if step == 1:
            spark.hooks.register(plugin)
        if step == 2:
            spark.hooks.unregister(plugin)
        signals.agent_joined.send(swarm, agent_id=agent)
        assert spark.flush(60)
    assert [advisory.title for advisory in spark.hooks.advisories()] == ["saw during"]


class Misspelt:
    @hookimpl
    def task_compleeted(self, event: TaskCompleted) -> None: ...


class Overreaching:
    @hookimpl
    def task_completed(self, event: TaskCompleted, mood: str) -> None: ...


class Asynchronous:
    @hookimpl
    async def task_completed(self, event: TaskCompleted) -> None: ...


class Wrapping:
    @hookimpl(wrapper=True)
    def task_completed(self, event: TaskCompleted) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        (Misspelt(), "task_compleeted"),
        (Overreaching(), "mood"),
        (Asynchronous(), "coroutine"),
        (Wrapping(), "wrapper"),
        (Opinionated, "class"),
    ],
    ids=["unknown hook", "unknown argument", "coroutine", "wrapper", "class"],
)
def test_a_plugin_that_does_not_fit_is_refused_and_leaves_nothing(
    swarm: Swarm, spark: Spark, plugin: object, why: str
) -> None:
    with pytest.raises(InvalidPlugin, match=why):
        spark.hooks.register(plugin)
    assert [receipt.state for receipt in post(swarm, "t1", candidates=["ada"])] == ["journaled"]
    assert spark.flush(60)
    assert spark.hooks.predict("t1").winner == {"ada": 1.0}
    assert spark.hooks.register(Opinionated()) == "Opinionated"


def test_a_plugin_joins_once(spark: Spark) -> None:
    plugin = Opinionated()
    spark.hooks.register(plugin)
    with pytest.raises(InvalidPlugin, match="already"):
        spark.hooks.register(plugin)


def test_a_plugin_that_raises_harms_nobody_and_is_counted(
    swarm: Swarm, spark: Spark, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        @hookimpl
        def event_captured(self, event: Event) -> None:
            raise RuntimeError("on the event")

        @hookimpl
        def task_posted(self, event: TaskPosted) -> None:
            raise SystemExit("on the task")

        @hookimpl
        def predict(self, task: TaskPosted | str) -> Prediction:
            raise RuntimeError("on the question")

    spark.hooks.register(Broken())
    assert [receipt.state for receipt in post(swarm, "t1", candidates=["ada"])] == ["journaled"]
    assert spark.flush(60)
    assert spark.hooks.predict("t1").winner == {"ada": 1.0}
    spark.close()
    assert spark.status()["capture"]["plugin_errors"] == 3


def test_strict_raises_what_would_be_counted(swarm: Swarm, url: str) -> None:
    class Broken:
        @hookimpl
        def task_posted(self, event: TaskPosted) -> None:
            raise RuntimeError("on the task")

    with register(swarm, settings=Settings(store=url, strict=True)) as spark:
        with pytest.raises(InvalidEvent, match="task_id"):
            signals.task_posted.send(swarm, task_id="", description="")
        spark.hooks.register(Broken())
        with pytest.raises(RuntimeError, match="on the task"):
            post(swarm, "t1")
    assert stored(url) == ["t1"], "it was journaled before the plugin was told"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a distribution that names plugins in the entry-point group."""

    def install(code: str, entry_points: str) -> None:
        site = tmp_path / "site"
        info = site / "stranger-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "stranger.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[spark]\n" + textwrap.dedent(entry_points))
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "stranger", raising=False)

    return install


STRANGER = """
    from spark_hooks import hookimpl

    class Plugin:
        @hookimpl
        def score_importance(self, event):
            return 0.42

    class Broken:
        def __init__(self):
            raise RuntimeError("cannot start")

    class Misspelt:
        @hookimpl
        def task_compleeted(self, event): ...
"""


def test_an_entry_point_joins_by_itself(
    swarm: Swarm, settings: Settings, installed: Callable[[str, str], None]
) -> None:
    installed(STRANGER, "opinion = stranger:Plugin\n")
    with register(swarm, settings=settings) as spark:
        post(swarm, "t1")
        assert spark.flush(60)
        assert [row["importance"] for row in spark.events.query()] == [0.42]


def test_an_entry_point_that_cannot_be_loaded_is_counted_and_harms_nobody(
    swarm: Swarm, settings: Settings, installed: Callable[[str, str], None]
) -> None:
    installed(
        STRANGER,
        """\
        a = stranger:Broken
        b = stranger:Misspelt
        c = stranger:Missing
        d = no_such_module:Plugin
        e = stranger:Plugin
        """,
    )
    with register(swarm, settings=settings) as spark:
        post(swarm, "t1")
        assert spark.flush(60)
        assert [row["importance"] for row in spark.events.query()] == [0.42]
    assert spark.status()["capture"]["plugin_errors"] == 4


# off, and what cannot be turned on


def test_disabled_it_touches_nothing_and_answers_empty(
    swarm: Swarm, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_ENABLED", "false")
    monkeypatch.setenv("SPARK_STORE", url)
    with register(swarm) as spark:
        assert spark.enabled is False
        assert post(swarm, "t1") == []
        assert spark.flush() is True
        for ask in ALL_HOOKS_EMPTY.values():
            assert not ask(spark)
        assert spark.status()["enabled"] is False
        assert spark.status()["events"] == 0
        assert spark.advisories.live(5) == []
        assert spark.trouble is None
        spark.hooks.register(Opinionated())
    assert list(tmp_path.iterdir()) == []


UNUSABLE = ["nonsense", "sqlite://", "postgresql:///x", "sqlite:////dev/null/spark.db", "sqlite:////proc/none/spark.db"]


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_store_that_cannot_be_had_leaves_the_coordinator_unharmed(
    swarm: Swarm, url: str, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setenv("SPARK_STORE", url)
    with register(swarm) as spark:
        assert {receipt.state for receipt in post(swarm, "t1")} <= {"dropped"}
        assert signals.agent_joined.send(swarm, agent_id=None) is not None
        assert spark.hooks.predict("t1") == Prediction("t1")
        assert spark.hooks.recommend("t1") == []
        assert {advisory.category for advisory in spark.hooks.advisories()} <= {"system_health"}
        spark.flush(0.1)
    assert post(swarm, "t2") == []


BAD_SETTINGS = [{"SPARK_BATCH": "many"}, {"SPARK_BATCH": "0"}, {"SPARK_ENABLED": "perhaps"}, {"SPARK_SEED": "x"}]


@pytest.mark.parametrize("variables", BAD_SETTINGS, ids=str)
def test_bad_settings_leave_the_coordinator_unharmed(
    swarm: Swarm, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with register(swarm) as spark:
        assert spark.enabled is False
        assert post(swarm, "t1") == []
        assert spark.hooks.predict("t1") == Prediction("t1")
    assert next(iter(variables)) in caplog.text, "the log names the setting"


@pytest.mark.parametrize("content", ["batch = 'many'", "no toml at all", "colour = 'red'"])
def test_a_bad_file_leaves_the_coordinator_unharmed(
    swarm: Swarm, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spark.toml").write_text(content)
    assert register(swarm).enabled is False
    assert post(swarm, "t1") == []
    assert "spark.toml" in caplog.text


@pytest.mark.parametrize("strict", ["1", "true", "yes"])
@pytest.mark.parametrize(
    ("name", "value", "error"), [("SPARK_BATCH", "many", SettingsError), ("SPARK_STORE", "nonsense", StoreError)]
)
def test_strict_raises_what_is_wrong_with_the_settings(
    swarm: Swarm, strict: str, name: str, value: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_STRICT", strict)
    monkeypatch.setenv(name, value)
    with pytest.raises(error):
        register(swarm)
    assert post(swarm, "t1") == []


@pytest.mark.parametrize("strict", ["0", "false", "no", "off", "False"])
def test_strict_turned_off_raises_nothing(swarm: Swarm, strict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_STRICT", strict)
    monkeypatch.setenv("SPARK_BATCH", "many")
    assert register(swarm).enabled is False


def test_settings_come_from_environment_and_file(
    swarm: Swarm, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spark.toml").write_text("batch = 3\nseed = 5\n")
    monkeypatch.setenv("SPARK_STORE", url)
    monkeypatch.setenv("SPARK_SEED", "7")
    with register(swarm) as spark:
        assert (spark.settings.store, spark.settings.batch, spark.settings.seed) == (url, 3, 7)
        post(swarm, "t1")
    assert stored(url) == ["t1"]


# the end


def test_closing_twice_is_the_same_as_once(swarm: Swarm, settings: Settings, url: str) -> None:
    spark = register(swarm, settings=settings)
    post(swarm, "t1")
    spark.close()
    spark.close()
    assert spark.enabled is False
    assert spark.flush() is True
    assert post(swarm, "t2") == []
    assert stored(url) == ["t1"]


def test_closing_from_many_threads_at_once(swarm: Swarm, settings: Settings, url: str) -> None:
    spark = register(swarm, settings=settings)
    post(swarm, "t1")
    threads = [threading.Thread(target=spark.close) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert stored(url) == ["t1"]


def test_closing_stores_what_was_sent_and_leaves_no_journal(swarm: Swarm, settings: Settings, tmp_path: Path) -> None:
    with register(swarm, settings=settings):
        for n in range(500):
            post(swarm, f"t{n}")
    assert len(stored(settings.store)) == 500
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["spark.db", "spark.db.capture"]


def test_closing_leaves_a_snapshot_so_that_the_next_start_need_not_read_the_log(
    swarm: Swarm, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with register(swarm, settings=settings):
        post(swarm, "t1", candidates=["ada"])
    monkeypatch.setattr(projection.codec, "decode", lambda line: pytest.fail("the log was read"))
    with register(swarm, settings=settings) as spark:
        assert spark.hooks.predict("t1").winner == {"ada": 1.0}
        assert spark.flush(60)
        assert spark.trouble is None


def test_no_thread_stays_behind(swarm: Swarm, settings: Settings) -> None:
    before = set(threading.enumerate())
    with register(swarm, settings=settings):
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) == before


def test_it_closes_when_the_block_raises(swarm: Swarm, settings: Settings, url: str) -> None:
    class Trouble(Exception):
        pass

    def work() -> None:
        with register(swarm, settings=settings):
            post(swarm, "t1")
            raise Trouble

    with pytest.raises(Trouble):
        work()
    assert post(swarm, "t2") == []
    assert stored(url) == ["t1"]


def test_another_store_may_be_registered_afterwards(swarm: Swarm, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "two", "one")]
    sparks = []
    for n, url in enumerate(urls):
        with register(swarm, settings=Settings(store=url)) as spark:
            sparks.append(spark)
            post(swarm, f"t{n}", candidates=["ada"])
            assert spark.flush(60)
            assert spark.hooks.predict(f"t{n}").winner == {"ada": 1.0}
    assert len({id(spark) for spark in sparks}) == 3
    assert [stored(url) for url in urls[:2]] == [["t0", "t2"], ["t1"]]


def test_after_the_end_it_can_still_be_read(swarm: Swarm, settings: Settings) -> None:
    with register(swarm, settings=settings) as spark:
        post(swarm, "t1", candidates=["ada"])
    assert [row["task_id"] for row in spark.events.query()] == ["t1"]
    assert spark.hooks.predict("t1").winner == {"ada": 1.0}
    assert spark.status()["events"] == 1
    spark.close()


# the read side alone


def listing(folder: Path) -> dict[str, bytes]:
    """All files but the working files that SQLite makes beside a database that is open."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }


def test_open_reads_and_writes_nothing(swarm: Swarm, settings: Settings, url: str, tmp_path: Path) -> None:
    with register(swarm, settings=settings) as spark:
        experienced(swarm, spark)
        post(swarm, "t1", candidates=["ada", "bo"], category="bug")
        assert spark.flush(60)
        assert spark.hooks.advisories()
        assert spark.flush(60)  # that it was delivered is known now
        status, advice, forecast = spark.status(), spark.hooks.advisories(), spark.hooks.predict("t1")
        assert {one.state for one in advice} == {"delivered"}
        choice = spark.hooks.recommend("t1")
        assert spark.flush(60)
        status = spark.status()  # what was recommended is on record
    before = listing(tmp_path)
    reading = Spark.open(url)
    assert reading.enabled is False
    assert reading.exists
    assert reading.hooks.predict("t1") == forecast
    assert reading.hooks.recommend("t1") == choice
    assert reading.hooks.advisories() == advice
    assert reading.status() == status
    assert reading.events.count() == status["events"]
    assert reading.memories.rows()
    assert reading.advisories.live(10)
    assert list(reading.predictions.rows())
    assert reading.flush() is True
    assert post(swarm, "t2") == []
    reading.close()
    assert listing(tmp_path) == before


def test_open_catches_up_with_what_is_written_meanwhile(swarm: Swarm, spark: Spark, url: str) -> None:
    reading = Spark.open(url)
    for n in range(3):
        post(swarm, f"t{n}", candidates=["ada"])
        assert spark.flush(60)
        assert reading.hooks.predict(f"t{n}").winner == {"ada": 1.0}
        assert reading.events.count() == n + 1
    reading.close()


def test_open_a_store_that_is_not_there_reads_as_empty_and_makes_nothing(tmp_path: Path) -> None:
    reading = Spark.open(f"sqlite:///{tmp_path / 'nowhere' / 'spark.db'}")
    assert not reading.exists
    for ask in ALL_HOOKS_EMPTY.values():
        assert ask(reading) in ({}, [], [*reading.hooks.recommend("t1", ["ada"])])
    assert reading.status()["events"] == 0
    reading.close()
    assert list(tmp_path.iterdir()) == []


def test_open_sees_a_store_that_is_made_later(swarm: Swarm, settings: Settings, url: str) -> None:
    reading = Spark.open(url)
    assert reading.events.count() == 0
    with register(swarm, settings=settings):
        post(swarm, "t1", candidates=["ada"])
    assert reading.events.count() == 1
    assert reading.hooks.predict("t1").winner == {"ada": 1.0}
    reading.close()


def test_open_refuses_what_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("Dear diary, " * 500)
    with pytest.raises(StoreCorrupt):
        Spark.open(f"sqlite:///{tmp_path / 'diary.db'}")
    with pytest.raises(StoreError):
        Spark.open("nonsense")


def test_open_uses_the_store_of_the_settings(swarm: Swarm, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with register(swarm, settings=settings):
        post(swarm, "t1")
    assert Spark.open(settings=settings).events.count() == 1
    monkeypatch.setenv("SPARK_STORE", settings.store)
    assert Spark.open().events.count() == 1


def test_open_tells_how_many_events_wait_for_this_store(tmp_path: Path, url: str) -> None:
    journal = Journal(tmp_path / "spark.db.capture")
    for _ in range(3):
        journal.append(b"waits")
    reading = Spark.open(url, settings=Settings(store=f"sqlite:///{tmp_path / 'other.db'}"))
    assert reading.status()["capture"]["lag"] == 3
    reading.close()
    journal.close(drained=True)
