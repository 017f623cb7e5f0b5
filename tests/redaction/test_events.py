"""Whole events: names in nested data, ids that stay unique, plugins before the built-in, failures that withhold."""

from __future__ import annotations

import random

import pytest

from spark_hooks import Hooks, hookimpl
from spark_hooks.events import CustomEvent, TaskAssigned, TaskFailed, TaskPosted, ToolExecuted
from spark_hooks.plugins import WITHHELD, Plugins
from spark_plugin.redaction import redacted
from tests.redaction.planting import KNOWN, machine_made, password

TOKEN = KNOWN["github token"](random.Random(1))
OTHER = KNOWN["github token"](random.Random(2))


def extra(**data):
    return redacted(CustomEvent(type="x", extra=data)).extra


NAMES = """password DB_PASSWORD passwd userPassword secret client_secret api_key apiKey x-api-key private_key
secret_access_key passphrase"""


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize("value", ["hunter2", "swordfish", "correct horse battery staple", "Tr0ub4dor&3"])
def test_a_plain_value_under_a_secret_name_goes(name, value):
    for data in ({name: value}, {"a": [{"b": {name: value}}]}, {name: [value]}, {name: {"value": value}}):
        assert value not in repr(extra(**data))


@pytest.mark.parametrize("seed", range(30))
def test_values_under_weaker_names_go_when_they_look_like_it(seed):
    rng = random.Random(seed)
    name = rng.choice(["token", "auth_token", "auth", "credentials", "bearer", "access_token"])
    value = machine_made(rng)
    assert value not in repr(extra(plan=[{name: value}]))


def test_what_surrounds_it_stays():
    data = {"user": "bob", "password": password(random.Random(2)), "port": 5432, "tls": True, "note": None}
    assert extra(db=data)["db"] == {**data, "password": "[redacted: password]"}


@pytest.mark.parametrize(
    ("data", "clean"),
    [
        ({"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "DB_PASSWORD", "value": "[redacted: password]"}),
        (
            {"argv": ["mysql", "--password", "hunter2", "-v"]},
            {"argv": ["mysql", "--password", "[redacted: password]", "-v"]},
        ),
        ({"secrets": {"db": "hunter2", "n": 3}}, {"secrets": {"db": "[redacted: secret]", "n": 3}}),
        ({"password": 12345678}, {"password": "[redacted: password]"}),
        (
            {"headers": {"Authorization": "token a1b2c3d4"}},
            {"headers": {"Authorization": "token [redacted: credentials]"}},
        ),
        ({"env": ["A=1", "API_KEY=a1b2c3d4"]}, {"env": ["A=1", "API_KEY=[redacted: key]"]}),
    ],
)
def test_shapes_in_which_tools_write_secrets(data, clean):
    assert extra(x=data)["x"] == clean


def test_a_secret_that_is_a_key_goes():
    assert extra(seen={TOKEN: 1}) == {"seen": {"[redacted: github token]": 1}}


def test_keys_that_become_one_stay_two():
    assert list(extra(seen={TOKEN: 1, OTHER: 2})["seen"].values()) == [1, 2]


def test_attributes_and_every_text_of_an_event_are_looked_at():
    event = ToolExecuted(
        agent_id="a", tool=f"t {TOKEN}", success=True, extra={"arguments": f"x {TOKEN}"}, attributes={"k": TOKEN}
    )
    assert TOKEN not in repr(redacted(event))


def test_the_envelope_stays():
    event = TaskFailed(task_id="t", reason=TOKEN, id=TOKEN, source=f"/{TOKEN}", writer=TOKEN, time=1.0)
    clean = redacted(event)
    assert (clean.id, clean.source, clean.writer, clean.time) == (event.id, event.source, event.writer, event.time)
    assert clean.reason == "[redacted: github token]"


def test_ids_lose_their_secrets_and_stay_apart():
    first, again, second = (redacted(TaskAssigned(task_id=f"fix {t}", agent_id="a")) for t in (TOKEN, TOKEN, OTHER))
    assert TOKEN not in first.task_id
    assert first.task_id == again.task_id != second.task_id
    assert redacted(first) == first


def test_an_id_is_the_same_in_every_event():
    name = f"agent {TOKEN}"
    posted = redacted(TaskPosted(task_id="t", description="", candidates=[name, "bo"]))
    assigned = redacted(TaskAssigned(task_id="t", agent_id=name))
    custom = redacted(CustomEvent(type="x", about=name, extra={"agent_id": name}))
    assert posted.candidates == (assigned.agent_id, "bo")
    assert custom.subject == custom.agent == assigned.agent_id


def test_everyday_ids_stay():
    for name in (
        "task-1",
        "django__django-14534--0",
        "20241106_navie-2-gpt4o-sonnet",
        "3f2a9c1e-5b7d-4a6f-8e2c-1b0a9d8e7f6a",
    ):
        event = TaskAssigned(task_id=name, agent_id=name)
        assert redacted(event) is event


# --- with plugins ----------------------------------------------------------------------------------------------------


class Answering:
    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def redact(self, text):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(text)


def hooks_of(*answers):
    hooks = Hooks(Plugins())
    for answer in answers:
        hooks.register(Answering(answer))
    return hooks


def test_none_leaves_it_to_the_built_in():
    clean = redacted(TaskFailed(task_id="t", reason=f"see {TOKEN}"), hooks_of(lambda text: None).redact)
    assert clean.reason == "see [redacted: github token]"


def test_what_a_plugin_answers_still_goes_through_the_built_in():
    hooks = hooks_of(lambda text: f"{text} and {TOKEN}")
    assert TOKEN not in redacted(TaskFailed(task_id="t", reason="x"), hooks.redact).reason


@pytest.mark.parametrize("failure", [RuntimeError("no"), SystemExit(), lambda text: 5, lambda text: ["x"]], ids=repr)
def test_a_text_that_a_plugin_failed_to_redact_is_withheld(failure):
    hooks = hooks_of(lambda text: None, failure, lambda text: None)
    event = TaskFailed(task_id="t", agent_id="a", reason="the merger", extra={"k": ["deep merger"]})
    clean = redacted(event, hooks.redact)
    assert clean.reason == WITHHELD
    assert "merger" not in repr(clean)


def test_ids_that_are_withheld_stay_apart():
    hooks = hooks_of(RuntimeError("no"))
    first, second = (redacted(TaskAssigned(task_id=t, agent_id="a"), hooks.redact) for t in ("t1", "t2"))
    assert first.task_id != second.task_id
    assert first.task_id.startswith(WITHHELD) and "t1" not in first.task_id.split("#")[0]


def test_the_error_of_a_redactor_does_not_tell_the_text(caplog):
    def failing(text):
        raise ValueError(f"cannot parse {text}")

    hooks = hooks_of(failing)
    assert hooks.redact("the merger") == WITHHELD
    assert "ValueError" in caplog.text
    assert "merger" not in caplog.text


def test_strict_raises_the_plugins_own_error():
    hooks = Hooks(Plugins(strict=True))
    hooks.register(Answering(KeyError("mine")))
    with pytest.raises(KeyError, match="mine"):
        hooks.redact("x")
