"""Settings: environment over file over default, each with its origin; an error names the setting and the place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from spark_hooks import SparkError
from spark_plugin import settings
from spark_plugin.errors import SettingsError
from spark_plugin.settings import Settings

NAMES = [field.name for field in msgspec.structs.fields(Settings)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "spark.toml"


@pytest.fixture
def write(file):
    def written(text: str) -> Path:
        file.write_text(text, "utf-8")
        return file

    return written


def test_the_defaults(file):
    found = settings.load({}, file)
    assert found == Settings()
    assert (found.enabled, found.batch, found.strict, found.seed) == (True, 1000, False, 0)
    assert found.store == settings.default_store()
    assert {setting.origin for setting in settings.explain({}, file).values()} == {"default"}


def test_the_default_store_is_an_absolute_file_in_the_users_directory():
    url = settings.default_store()
    assert url.startswith("sqlite:////")
    assert url.endswith("spark.db")


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(write):
    file = write('batch = 5\nseed = 6\nstore = "sqlite:///file.db"\n')
    environ = {"SPARK_BATCH": "7", "SPARK_STORE": "sqlite:///env.db", "UNRELATED": "x"}
    found = settings.load(environ, file)
    assert (found.batch, found.seed, found.store, found.strict) == (7, 6, "sqlite:///env.db", False)
    origins = {name: setting.origin for name, setting in settings.explain(environ, file).items()}
    assert origins == {
        "enabled": "default",
        "store": "environment",
        "batch": "environment",
        "strict": "default",
        "seed": str(file),
    } | {name: "default" for name in NAMES if name not in ("enabled", "store", "batch", "strict", "seed")}


def test_explain_and_load_say_the_same(write):
    file = write("seed = 3\nstrict = true\n")
    explained = settings.explain({"SPARK_ENABLED": "no"}, file)
    loaded = settings.load({"SPARK_ENABLED": "no"}, file)
    assert list(explained) == NAMES
    assert {name: setting.value for name, setting in explained.items()} == msgspec.structs.asdict(loaded)


def test_an_empty_variable_is_not_set(write):
    assert settings.load({"SPARK_BATCH": "", "SPARK_ENABLED": ""}, write("batch = 5\n")).batch == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("true", "TRUE", "1", "yes", "Yes", "on", " on ")]
    + [(text, False) for text in ("false", "False", "0", "no", "NO", "off")],
)
def test_switches_are_words_of_many_kinds(file, text, value):
    assert settings.load({"SPARK_ENABLED": text}, file).enabled is value
    assert settings.load({"SPARK_STRICT": text}, file).strict is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SPARK_BATCH", "many"),
        ("SPARK_BATCH", "0"),
        ("SPARK_BATCH", "-1"),
        ("SPARK_BATCH", str(settings.MAX_BATCH + 1)),
        ("SPARK_BATCH", "1.5"),
        ("SPARK_SEED", "lucky"),
        ("SPARK_ENABLED", "maybe"),
        ("SPARK_STRICT", "2"),
    ],
)
def test_a_variable_that_does_not_fit_is_named_with_its_place(file, variable, text):
    with pytest.raises(SettingsError) as caught:
        settings.load({variable: text}, file)
    assert (caught.value.name, caught.value.origin) == (variable, "environment")
    assert str(caught.value).startswith(f"{variable} (environment): ")
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_one_of_some_words_fits_they_are_told(file):
    with pytest.raises(SettingsError, match="'banana' does not fit: thread or process or external"):
        settings.load({"SPARK_WORKER": "banana"}, file)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("batch = 0", "batch"),
        ('batch = "many"', "batch"),
        ("batch = [1]", "batch"),
        ("store = 5", "store"),
        ("enabled = 5", "enabled"),
        ("btach = 5", "btach"),
        ("[spark]\nbatch = 5", "spark"),
        ("batch = ", "spark.toml"),
        ("batch = 5\nbatch = 6", "spark.toml"),
    ],
)
def test_a_line_of_the_file_that_does_not_fit_is_named_with_its_place(write, text, name):
    file = write(text)
    with pytest.raises(SettingsError) as caught:
        settings.load({}, file)
    assert (caught.value.name, caught.value.origin) == (name, str(file))
    assert str(file) in str(caught.value)
    assert isinstance(caught.value, SparkError)


def test_what_the_environment_overrides_need_not_fit_in_the_file(write):
    assert settings.load({"SPARK_BATCH": "5"}, write("batch = 0")).batch == 5


def test_the_ends_of_the_range_fit(file):
    for batch in (1, settings.MAX_BATCH):
        assert settings.load({"SPARK_BATCH": str(batch)}, file).batch == batch


def test_a_file_that_cannot_be_read_is_an_error_and_one_that_is_not_there_is_none(tmp_path, file):
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load({}, tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load({}, file)
    assert settings.load({}, tmp_path / "missing" / "spark.toml") == Settings()


def test_the_file_is_looked_for_where_the_program_stands(write, monkeypatch, tmp_path):
    write("seed = 11")
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(f"SPARK_{name.upper()}", raising=False)
    assert settings.load().seed == 11
    monkeypatch.setenv("SPARK_SEED", "12")
    assert settings.load().seed == 12
    assert settings.explain()["seed"] == (12, "environment")


def test_settings_are_frozen_and_know_no_other_name():
    with pytest.raises(AttributeError):
        Settings().seed = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        Settings(colour="red")  # type: ignore[call-arg]


def test_every_setting_may_be_written_in_either_place(write, file):
    samples = {"enabled": "false", "store": '"sqlite:///x.db"', "batch": "3", "strict": "true", "seed": "4"}
    text = "\n".join(f"{name} = {sample}" for name, sample in samples.items())
    from_file = settings.load({}, write(text))
    file.unlink()
    environ = {f"SPARK_{name.upper()}": str(tomllib.loads(text)[name]) for name in samples}
    assert settings.load(environ, file) == from_file != Settings()
