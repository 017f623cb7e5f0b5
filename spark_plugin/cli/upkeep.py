"""``spark worker``, ``spark doctor`` and ``spark config``."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from spark_plugin import settings as settings_module
from spark_plugin.capture import journal_directory, on_duty
from spark_plugin.cli.common import JsonOption, StoreOption, console, note, print_json, settings_for, table
from spark_plugin.doctor import Check, examine, rebuild, recover
from spark_plugin.draining import worker_for


def worker(
    store: StoreOption = None,
    parent: Annotated[int | None, typer.Option("--while", hidden=True, help="Only while this parent lives.")] = None,
) -> None:
    """Store and project what coordinators with SPARK_WORKER=external capture, until it is stopped."""
    settings = settings_for(store)
    own = worker_for(settings, parent)
    directory = journal_directory(settings.store)
    other = on_duty(directory)
    note(f"waits to take over from the worker with process id {other.pid}" if other else f"drains {directory}")
    own.run()


def doctor(
    do_recover: Annotated[bool, typer.Option("--recover", help="Store what dead processes left behind.")] = False,
    do_rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the read models anew from the log.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, store and journal, and say what to do."""
    settings = settings_for(store)
    done: list[Check] = []
    if do_recover:
        done.append(recover(settings))
    if do_rebuild:
        done.append(rebuild(settings))
    checks = [*done, *examine(settings)]
    sound = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": sound, "checks": checks})
    else:
        rows = table(f"Spark at {settings.store}", "", "check", "found", "what to do")
        for check in checks:
            rows.add_row("ok" if check.ok else "!!", check.name, check.found, check.advice)
        console().print(rows)
    raise typer.Exit(0 if sound else 1)


def config(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Every setting, its value, and where that comes from."""
    found = settings_module.explain()
    if store:
        found["store"] = settings_module.Setting(store, "--store")
    if as_json:
        print_json({"settings": {name: setting._asdict() for name, setting in found.items()}})
        return
    rows = table("Settings", "environment", "spark.toml", "value", "from")
    for field in msgspec.structs.fields(settings_module.Settings):
        setting = found[field.name]
        value = str(setting.value).lower() if isinstance(setting.value, bool) else str(setting.value)
        rows.add_row(f"SPARK_{field.name.upper()}", field.name, value, setting.origin)
    console().print(rows)
