"""What a store holds after the processes that wrote to it died: what the rows about killed processes judge by."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from spark_hooks import signals
from spark_plugin import Settings, codec, register
from spark_plugin.store import Filter, open_store
from tests.projection.swarmlog import Run

ROOT = Path(__file__).parents[2]


TRIES = 10


class Swarm:
    """The next coordinator."""


class Recovered(NamedTuple):
    """A store after the next start has drained what the dead left."""

    tasks: dict[str, str]
    """Task by id of event."""
    twice: list[str]
    problems: list[str]
    """What the store's own check finds."""
    differing: list[str]
    """What of the read models differs from a rebuild out of the log."""
    buried: int
    """Events that were put aside as dead letters."""
    left: list[str]
    """Files that are still beside the store."""


def started_again(url: str, directory: Path) -> Recovered:
    """Start once more, as the next process would, and look at everything when its first event is stored."""
    swarm = Swarm()
    with register(swarm, settings=Settings(store=url)) as spark:
        signals.custom.send(swarm, type="started_again")
        for _ in range(TRIES):  # a damaged store is set aside first
            if spark.flush(60):
                break
    with closing(open_store(url)) as store:
        rows = store.events(Filter())
        times = Counter((row.source, row.id) for row in rows)
        found, rebuilt = Run(store).contents(), Run().take(codec.restored(row.data) for row in rows).contents()
        return Recovered(
            {row.id: row.task_id or "" for row in rows},
            [name for (_, name), n in times.items() if n > 1],
            list(store.check()),
            differences(found, rebuilt),
            store.buried(),
            sorted(path.name for path in directory.iterdir() if path.name != "mending"),
        )


def differences(found: Mapping[str, object], rebuilt: Mapping[str, object]) -> list[str]:
    """Names of the parts that are not the same."""
    parts = []
    for name, part in found.items():
        other = rebuilt[name]
        if isinstance(part, dict) and isinstance(other, dict):
            parts += [f"{name}.{inner}" for inner in part.keys() | other.keys() if part.get(inner) != other.get(inner)]
        elif part != other:
            parts.append(name)
    return parts


def judge(after: Recovered, acknowledged: Mapping[str, str]) -> None:
    """The figures that all these rows have in common; `acknowledged` gives the task of each event by its id."""
    lost = [name for name in acknowledged if name not in after.tasks]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged lost: {lost[:5]}"
    other = {name: task for name, task in acknowledged.items() if after.tasks[name] != task}
    assert not other, f"{len(other)} overwritten: {list(other)[:5]}"
    assert after.twice == [], "stored twice"
    assert after.problems == [], "the store is not sound"
    assert after.differing == [], "the read models are not what a rebuild gives"
    assert after.buried == 0, "sound events were buried"
    assert after.left == [], "files of the dead are left"


def told_in(text: str) -> dict[str, str]:
    """Task by id of event, of the lines ``id task …`` that a child wrote about what was acknowledged."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("!")]
    return {words[0]: words[1] for words in lines}


def child(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this directory in a process of its own."""
    return [sys.executable, "-m", f"tests.faults.{module}", *arguments]


def run(module: str, *arguments: str, output: Path, seconds: float = 60.0) -> int:
    """Run such a process to its end; its words go to `output`. Returns how it ended."""
    with output.open("ab") as told:
        return subprocess.run(child(module, *arguments), cwd=ROOT, stdout=told, timeout=seconds, check=False).returncode
