"""The settings: ``SPARK_*`` in the environment, then ``spark.toml`` in the working directory, then the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
import platformdirs

from spark_plugin.errors import SettingsError

MAX_BATCH = 2000
FILE = "spark.toml"


def default_store() -> str:
    """URL of the store in the user's data directory."""
    return f"sqlite:///{Path(platformdirs.user_data_dir('spark', appauthor=False)) / 'spark.db'}"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set. Each field is `SPARK_` and its name in capitals in the environment, its name in `spark.toml`."""

    enabled: bool = True
    """Off: nothing is connected, nothing is written, every hook answers empty."""
    store: str = msgspec.field(default_factory=default_store)
    """URL of the event store; sqlite:///relative.db or sqlite:////absolute.db."""
    durability: Literal["process", "power"] = "process"
    """What an acknowledged event survives: the death of the process, or a power cut (synced before `send` returns)."""
    journal_max_bytes: Annotated[int, msgspec.Meta(ge=16 << 20)] = 1 << 30
    """Disk that a process's journal may take while the store takes nothing."""
    on_full: Literal["drop", "block"] = "drop"
    """What happens when the journal has reached its bound: the event is dropped and counted, or `send` waits."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)] = 1000
    """Most events stored and projected in one transaction."""
    worker: Literal["thread", "process", "external"] = "thread"
    """Who stores and projects: a thread of the coordinator's process, a child of it, or a `spark worker` elsewhere."""
    strict: bool = False
    """Raise plugin and validation errors instead of counting them; for tests."""
    seed: int = 0
    """Keys the random choices of `recommend`, and which advice is held out."""
    holdout: Annotated[float, msgspec.Meta(ge=0.0, le=0.5)] = 0.0
    """Share of the advice that is shown to nobody, so that the effect of the rest can be estimated."""


class Setting(NamedTuple):
    """One setting's value and where it came from."""

    value: object
    origin: str


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """The settings in force. Raises `SettingsError` for a value that does not fit or an unknown name in the file."""
    return Settings(**{name: setting.value for name, setting in explain(environ, file).items()})  # type: ignore[arg-type]


def explain(environ: Mapping[str, str] | None = None, file: Path | None = None) -> dict[str, Setting]:
    """Every setting by name, with its origin. Raises as `load` does."""
    environ = os.environ if environ is None else environ
    file = Path(FILE) if file is None else file
    written = _read(file)
    found: dict[str, Setting] = {}
    for field in msgspec.structs.fields(Settings):
        variable = f"SPARK_{field.name.upper()}"
        if environ.get(variable, "") != "":
            found[field.name] = Setting(_convert(variable, "environment", environ[variable], field), "environment")
        elif field.name in written:
            found[field.name] = Setting(_convert(field.name, str(file), written[field.name], field), str(file))
        else:
            found[field.name] = Setting(getattr(Settings(), field.name), "default")
    return found


def is_strict(environ: Mapping[str, str] | None = None) -> bool:
    """Whether SPARK_STRICT is on in the environment, when the settings themselves cannot be read."""
    environ = os.environ if environ is None else environ
    return environ.get("SPARK_STRICT", "").strip().lower() not in ("", "0", "false", "no", "off")


def _read(file: Path) -> dict[str, object]:
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(FILE, str(file), f"cannot be read: {error}") from error
    unknown = sorted(written.keys() - {field.name for field in msgspec.structs.fields(Settings)})
    if unknown:
        raise SettingsError(unknown[0], str(file), "is no setting; `spark config` lists them")
    return written


def _convert(name: str, origin: str, value: object, field: msgspec.structs.FieldInfo) -> object:
    if isinstance(value, str) and field.type is bool:
        value = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.strip().lower(), value)
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        choices = ("true", "false") if field.type is bool else get_args(field.type)
        is_choice = choices and all(type(choice) is str for choice in choices)
        wanted = " or ".join(choices) if is_choice else str(error).replace("`", "")
        raise SettingsError(name, origin, f"{value!r} does not fit: {wanted}") from None
