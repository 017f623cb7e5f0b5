"""The worker by itself: it ends when it is to, tells what it counts, and nothing of others' brings it down."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from spark_hooks.events import TaskPosted
from spark_hooks.plugins import Plugins
from spark_plugin import Settings, draining
from spark_plugin.capture import worker
from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.counts import Ingested
from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.capture.record import encode
from spark_plugin.capture.worker import Worker
from spark_plugin.projection import Projection

PATIENCE_S = 60.0


def record(n: int) -> bytes:
    return encode(TaskPosted(task_id=f"t{n}", description="d", id=f"e{n}", source="/s", time=1.0))


@pytest.fixture
def journal(directory: Path) -> Iterator[Journal]:
    """The journal of a process that leaves it to a worker."""
    journal = Journal(directory, JournalTerms(for_a_worker=True))
    yield journal
    journal.close(drained=False)


@pytest.fixture
def carrier(url: str) -> Carrier:
    return draining._carrier(Settings(store=url), Plugins(), Projection())


@pytest.fixture
def ever_more(carrier: Carrier, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever events are stored, the next has come already."""
    carry = carrier.carry

    def carry_and_send(payloads: Iterable[bytes]) -> Ingested:
        journal.append(record(journal.appended))
        return carry(payloads)

    journal.append(record(journal.appended))
    monkeypatch.setattr(carrier, "carry", carry_and_send)
    monkeypatch.setattr(worker, "LAST_S", 0.1)


@pytest.mark.usefixtures("ever_more")
def test_it_ends_when_it_is_not_wanted_however_much_comes(directory: Path, carrier: Carrier, journal: Journal) -> None:
    looks = iter([True] * 20)
    own = Worker(directory, carrier, durable=False, wanted=lambda: next(looks, False))
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert journal.drained.records >= 20


@pytest.mark.usefixtures("ever_more")
def test_it_ends_when_it_is_stopped_however_much_comes(directory: Path, carrier: Carrier, journal: Journal) -> None:
    own = Worker(directory, carrier, durable=False, wanted=lambda: journal.drained.records < 20 or own.stop() is None)
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_signal_may_come_at_any_moment(directory: Path, carrier: Carrier) -> None:
    """Even while the worker holds a lock that another thread would need to wake it."""
    looks = iter([True] * 20)
    own = Worker(directory, carrier, durable=False, wanted=lambda: next(looks, False))

    def signalled(frame: FrameType, what: str, _: object) -> Callable[..., object]:
        if what == "line" and frame.f_code.co_filename == threading.__file__:
            own.stop()
        return signalled

    def run() -> None:
        sys.settrace(signalled)
        own.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
