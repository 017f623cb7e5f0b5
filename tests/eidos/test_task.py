"""What is read of a task: the same in every process, bounded, whatever was written."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_eidos import task as read
from spark_eidos.task import MAX_WORDS, READ, SLOTS, facts, slot


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.text(max_size=30))
def test_any_text_can_be_read(description, task_id):
    found = facts(task_id, description, ["ada"], None, None)
    slots = found.slots.tolist()
    assert slots == sorted(set(slots))
    assert all(0 <= place < SLOTS for place in slots)
    assert bool(found.fingerprint) == bool(description)
    assert found == facts(task_id, description, ["ada"], None, None)


@given(st.text(max_size=100), st.text(max_size=100))
def test_only_the_same_text_has_the_same_fingerprint(one, other):
    same = facts("t", one, [], None, None).fingerprint == facts("t", other, [], None, None).fingerprint
    assert same == (one == other)


def test_a_long_text_is_read_to_a_bound_and_fingerprinted_whole():
    words = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(5_000))
    long = facts("t", words, [], None, None)
    assert len(long.slots) <= MAX_WORDS
    assert long.fingerprint != facts("t", words[:READ], [], None, None).fingerprint
    assert long.words == facts("t", words[:READ], [], None, None).words


@pytest.mark.parametrize(
    ("task_id", "family"),
    [("gt-7.3", "gt-7"), ("gt-7", "gt"), ("task", ""), ("", ""), ("a/b/c", "a/b"), ("x_1", "x"), ("-1", "")],
)
def test_a_family_is_what_siblings_share(task_id, family):
    assert read.family(task_id) == family


def test_slots_are_the_same_in_another_process():
    """Python's own hash is not: it is drawn anew for each."""
    code = "from spark_eidos.task import facts, slot; f = facts('t', 'Fix the login bug', [], None, None)"
    code += "; print(slot('agent', 'ada'), f.fingerprint, f.words.hex())"
    run = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    here = facts("t", "Fix the login bug", [], None, None)
    assert run[0] == run[1] == f"{slot('agent', 'ada')} {here.fingerprint} {here.words.hex()}\n"


def test_slots_spread_over_the_table():
    places = [slot("agent", f"agent-{n}") for n in range(5_000)]
    assert len(set(places)) > 4_700
    halves = sum(place < SLOTS // 2 for place in places)
    assert 2_300 < halves < 2_700
