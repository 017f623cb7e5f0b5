"""Cleaning: whatever a coordinator holds becomes plain, bounded and storable; it never raises, and once is enough."""

from __future__ import annotations

import enum
import itertools
import math
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_hooks import cleaning

bounded = settings(max_examples=150, deadline=None)

any_text = st.text(alphabet=st.characters(), max_size=40)  # surrogates and NUL among them
long_text = st.builds(
    lambda part, n: part * n, st.text(st.characters(), min_size=1, max_size=6), st.integers(1, 70_000)
)
plain_leaves = st.none() | st.booleans() | st.integers() | st.floats() | any_text
odd_leaves = (
    plain_leaves
    | st.binary(max_size=30)
    | st.uuids()
    | st.datetimes()
    | st.dates()
    | st.decimals()
    | st.complex_numbers()
    | st.integers(-(2**200), 2**200)
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**31), 2**31 - 1).map(np.int64)
    | any_text.map(np.str_)
    | st.sets(st.integers() | any_text, max_size=4)
    | st.just(object())
)
anything = st.recursive(
    odd_leaves,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.lists(inside, max_size=4).map(tuple)
        | st.dictionaries(any_text | st.integers() | st.none(), inside, max_size=4)
    ),
    max_leaves=25,
)


class Level(enum.Enum):
    HIGH = "high"
    LIST = (1, 2)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Liar:
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


class Recursive:
    def __str__(self) -> str:
        return str(self)


class BrokenMapping(Mapping):
    def __getitem__(self, key: object) -> object:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[object]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class EndlessMapping(BrokenMapping):
    def items(self):
        return ((str(n), n) for n in itertools.count())


class BrokenList(list):
    def __iter__(self) -> Iterator[object]:
        raise RuntimeError("no")

    __len__ = __getitem__ = __repr__ = __iter__


class ShoutingText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def nested(levels: int) -> object:
    value: object = "bottom"
    for n in range(levels):
        value = [value] if n % 2 else {"in": value}
    return value


# --- laws ------------------------------------------------------------------------------------------------------------


@bounded
@given(anything)
def test_what_is_cleaned_can_be_stored_and_comes_back_the_same(value):
    cleaned = cleaning.plain(value)
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(cleaned)) == cleaned


@bounded
@given(anything)
def test_cleaning_twice_is_cleaning_once(value):
    cleaned = cleaning.plain(value)
    assert cleaning.plain(cleaned) == cleaned
    assert depth_of(cleaned) <= cleaning.MAX_DEPTH


@bounded
@given(any_text | long_text)
def test_text_is_cleaned_once_and_for_all(value):
    cleaned = cleaning.text(value)
    assert cleaning.text(cleaned) == cleaned
    assert len(cleaned.encode()) <= cleaning.MAX_TEXT
    assert "\0" not in cleaned


@bounded
@given(any_text | long_text)
def test_ids_are_cleaned_once_and_for_all(value):
    cleaned = cleaning.identifier(value)
    assert cleaning.identifier(cleaned) == cleaned
    assert len(cleaned) <= cleaning.MAX_ID
    cleaned.encode()


@bounded
@given(st.text(max_size=100).filter(lambda t: "\0" not in t))
def test_good_text_stays_as_it_is(value):
    assert cleaning.text(value) == value
    assert cleaning.identifier(value) == value


@bounded
@given(st.text("ab", min_size=600, max_size=700), st.text("ab", min_size=600, max_size=700))
def test_long_ids_are_the_same_only_if_they_were(one, other):
    assert (cleaning.identifier(one) == cleaning.identifier(other)) == (one == other)


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("é\0b", "é\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ud83d\ude42", "🙂"),
        ("x" * 65_536, "x" * 65_536),
        ("é" * 32_768, "é" * 32_768),
    ],
)
def test_text_keeps_what_can_be_kept(given, kept):
    assert cleaning.text(given) == kept


@pytest.mark.parametrize("letter", ["x", "é", "日", "🙂", "\0", "\ud800"])
def test_text_beyond_the_bound_is_cut_between_letters_and_marked(letter):
    size = 1_000_000 // len(cleaning.text(letter).encode())
    cleaned = cleaning.text(letter * size)
    body, mark = cleaned.split("[cut: ")
    assert set(body) == set(cleaning.text(letter))
    assert mark == f"{size * len(cleaning.text(letter).encode())} bytes]"
    assert cleaning.MAX_TEXT - 4 < len(cleaned.encode()) <= cleaning.MAX_TEXT


def test_text_of_a_strangers_class_gives_up_its_value_not_its_looks():
    for value in (ShoutingText("quiet"), ShoutingText("stîll"), np.str_("quiet")):
        for kept in (cleaning.plain(value), cleaning.text(value)):
            assert type(kept) is str
            assert kept in ("quiet", "stîll")


# --- values ----------------------------------------------------------------------------------------------------------

KEY = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63 - 1), -(2**63 - 1)),
        (2**63, "0x8000000000000000"),
        (1.5, 1.5),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (np.float64(1.5), 1.5),
        (np.float32("nan"), None),
        (np.int32(7), 7),
        (np.bool_(True), True),
        (np.uint64(2**64 - 1), "0xffffffffffffffff"),
        (np.array([1, 2]), [1, 2]),
        (np.array([[0.5]]), [[0.5]]),
        (np.array(3), 3),
        (KEY, str(KEY)),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (date(2026, 1, 1), "2026-01-01"),
        (Level.HIGH, "high"),
        (Level.LIST, [1, 2]),
        (b"bytes", "bytes"),
        (bytearray(b"bytes"), "bytes"),
        (b"caf\xe9\0", "caf\ufffd\ufffd"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ((1, (2,)), [1, [2]]),
        (OrderedDict(a=1), {"a": 1}),
        ({None: "b", KEY: "c", "d\0": "e"}, {"None": "b", str(KEY): "c", "d\ufffd": "e"}),
        (Unprintable(), "[unprintable Unprintable]"),
        (Liar(), "[unprintable Liar]"),
        (Recursive(), "[unprintable Recursive]"),
        ({Unprintable()}, "[unprintable set]"),
        (BrokenList([1]), "[unprintable BrokenList]"),
    ],
)
def test_values_become_plain(given, kept):
    cleaned = cleaning.plain(given)
    assert cleaned == kept
    assert type(cleaned) is type(kept)


def test_numbers_as_keys_become_what_json_makes_of_them():
    assert cleaning.plain({1: "a", 2.5: "b"}) == {"1": "a", "2.5": "b"}


def test_a_huge_int_becomes_text_that_is_not_huge():
    cleaned = cleaning.plain(10**100_000)
    assert isinstance(cleaned, str)
    assert cleaned.startswith("0x")
    assert len(cleaned) <= cleaning.MAX_ID


def test_bytes_beyond_the_bound_are_cut_and_marked_as_text_is():
    cleaned = cleaning.plain(b"x" * 1_000_000)
    assert len(cleaned) <= cleaning.MAX_TEXT
    assert cleaned.endswith("[cut: 1000000 bytes]")


def test_an_unknown_object_becomes_its_text():
    assert cleaning.plain(range(3)) == "range(0, 3)"
    assert isinstance(cleaning.plain(BrokenMapping()), str)


@pytest.mark.parametrize("levels", [8, 9, 50, 100_000])
def test_nesting_ends_at_the_bound_and_says_so(levels):
    cleaned = cleaning.plain(nested(levels))
    assert depth_of(cleaned) <= 8
    text = msgspec.json.encode(cleaned).decode()
    assert ("bottom" in text) == (levels <= 8)
    assert (cleaning.TOO_DEEP in text) == (levels > 8)


def test_what_contains_itself_ends():
    ring: list[object] = [1]
    ring.append(ring)
    assert depth_of(cleaning.plain(ring)) <= 8


def count_of(value: object) -> int:
    """How many values there are inside, at all levels."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return len(inside) + sum(map(count_of, inside))


def test_lists_end_at_the_bound_and_say_so():
    assert cleaning.plain(list(range(cleaning.MAX_ITEMS))) == list(range(cleaning.MAX_ITEMS))
    cleaned = cleaning.plain(list(range(20_000)))
    assert cleaned == [*range(cleaning.MAX_ITEMS), cleaning.TOO_MANY]


def test_mappings_end_at_the_bound():
    assert len(cleaning.plain({str(n): n for n in range(20_000)})) == cleaning.MAX_ITEMS
    assert len(cleaning.plain(EndlessMapping())) == cleaning.MAX_ITEMS


@bounded
@given(anything)
def test_the_bound_counts_the_values_of_all_levels(value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "MAX_ITEMS", 8)
        cleaned = cleaning.plain(value)
        assert cleaning.plain(cleaned) == cleaned
    assert count_of(cleaned) <= 8 + 8  # and one mark for each list that was cut


def test_long_keys_are_cut_and_stay_apart():
    cleaned = cleaning.plain({"k" * 10_000 + "a": 1, "k" * 10_000 + "b": 2})
    assert sorted(cleaned.values()) == [1, 2]
    assert max(map(len, cleaned)) <= cleaning.MAX_ID


def test_what_contains_itself_many_times_stays_small():
    """Five references each at eight levels are 400,000 values; ten would be a hundred million, and hang the sender."""
    ring: list[object] = []
    ring.extend([ring] * 5)
    assert len(msgspec.json.encode(cleaning.plain(ring))) < 4 * 1024 * 1024


class Endless(list):
    def __iter__(self) -> Iterator[object]:
        return itertools.count()


class EndlessSet(set):
    def __iter__(self) -> Iterator[object]:
        return itertools.count()


@pytest.mark.parametrize("endless", [Endless([1]), EndlessSet({1})], ids=["list", "set"])
def test_what_has_no_end_is_cut(endless):
    assert len(cleaning.plain(endless)) == cleaning.MAX_ITEMS + 1


def test_many_long_texts_stay_within_a_few_mebibytes():
    """One text, a thousand times in a list, costs its sender nothing: it must not cost Spark 640 MiB."""
    for long in ("x" * cleaning.MAX_TEXT, "\U0001f642" * cleaning.MAX_TEXT, b"x" * cleaning.MAX_TEXT):
        for many in ([long] * 10_000, {str(n): long for n in range(10_000)}, [[long] * 10] * 1000):
            cleaned = cleaning.plain(many)
            assert len(msgspec.json.encode(cleaned)) < 3 * 1024 * 1024
            assert cleaning.plain(cleaned) == cleaned
    keys = cleaning.plain({"\U0001f642" * 400 + str(n): n for n in range(10_000)})
    assert len(msgspec.json.encode(keys)) < 3 * 1024 * 1024


@bounded
@given(st.recursive(odd_leaves | long_text, lambda inside: st.lists(inside) | st.dictionaries(any_text, inside)))
def test_once_is_enough_also_where_texts_use_up_the_bound(value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "MAX_ITEMS", 20)
        patch.setattr(cleaning, "_BYTES_OF_A_VALUE", 4)
        patch.setattr(cleaning, "_CHARACTERS_FREE", 1)
        cleaned = cleaning.plain(value)
        assert cleaning.plain(cleaned) == cleaned


class Gone:
    pass


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, MemoryError, StopIteration])
def test_a_value_that_raises_anything_is_unprintable(error):
    def leave(self: object) -> str:
        raise error

    leaving = type("Leaving", (), {"__str__": leave, "__repr__": leave, "tolist": leave})()
    assert cleaning.plain([leaving]) == ["[unprintable Leaving]"]


def test_of_a_weak_reference_to_what_is_gone_not_even_the_class_can_be_asked():
    assert "unprintable" in cleaning.plain([weakref.proxy(Gone())])[0]


def test_the_name_of_a_class_is_of_a_readable_length():
    class Nameless(type):
        @property
        def __name__(cls) -> str:
            raise RuntimeError("no")

    assert cleaning.class_name(Nameless("Own", (), {})()) == "Own"
    assert len(cleaning.class_name(type("x" * 10_000_000, (), {})())) == 80
