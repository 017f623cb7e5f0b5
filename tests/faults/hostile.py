"""Values that no coordinator should send and some will: of the wrong type, too large, without end, or with a will of
their own."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import enum
import fractions
import pathlib
import random
import types
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np

from spark_hooks.events import CustomEvent, TaskPosted

Make = Callable[[random.Random], Any]

SCREAMS = (KeyError, RecursionError, MemoryError, StopIteration, SystemExit, asyncio.CancelledError, GeneratorExit)
"""What a hostile method raises. (A KeyboardInterrupt is the user's, whoever raises it.)"""


def screaming(error: type[BaseException], *methods: str) -> object:
    """An object whose methods raise; so does its name, as far as it has one."""

    def scream(*_: object, **__: object) -> Any:
        raise error("hostile")

    return type("Screaming", (), dict.fromkeys(methods, scream))()


def mirrored(method: str, of: type = object) -> object:
    """An object whose method calls itself without end."""
    return type("Mirrored", (of,), {method: lambda self, *rest: getattr(self, method)(*rest)})()


def lying(of: type, **methods: Any) -> Any:
    """A subclass of a plain type whose methods say something else."""
    return type(f"Lying{of.__name__}", (of,), {f"__{name}__": method for name, method in methods.items()})


def endless(*_: object) -> Iterator[Any]:
    while True:
        yield "again", 1


class Nameless(type):
    """Classes that do not tell their name."""

    @property
    def __name__(cls) -> str:
        raise RuntimeError("hostile")


class Endless(Mapping):
    """A mapping without end."""

    def __getitem__(self, key: object) -> object:
        return self

    def __iter__(self) -> Iterator[object]:
        return (n for n, _ in enumerate(iter(int, 1)))

    def __len__(self) -> int:
        return 1


class Own(enum.Enum):
    """Enumerations of what is none of ours."""

    TEXT = "a\ud800b"
    NUMBER = float("nan")
    LIST = ([1, 2],)
    BIG = 10**40


class Itself:
    """What unwraps to itself."""

    def tolist(self) -> object:
        return self

    def item(self) -> object:
        return self


class HasNoTruth:
    """Neither true nor false, equal to nothing, and not to be hashed."""

    __hash__ = None

    def __bool__(self) -> bool:
        raise ValueError("hostile")

    def __eq__(self, other: object) -> bool:
        raise ValueError("hostile")


@dataclasses.dataclass
class Data:
    """A stranger's record."""

    a: object = None


def in_itself() -> list[Any]:
    """A list and a dict that contain each other."""
    found: list[Any] = [1]
    found.append({"found": found})
    return found


def nested(depth: int) -> Any:
    found: Any = "bottom"
    for n in range(depth):
        found = [found] if n % 2 else {"below": found}
    return found


def laughs() -> list[Any]:
    """Ten times ten times ten …: 10^9 texts, of which none is there twice."""
    found: list[Any] = ["ha" * 100] * 10
    for _ in range(8):
        found = [found] * 10
    return found


def gone() -> object:
    """A weak reference to what is gone: nothing can be asked of it, not even its class."""
    return weakref.proxy(Data())


TEXTS: tuple[str, ...] = (
    "", " ", "\t\n", "\0", "a\0b", "\ud800", "x\udfff\ud800y", "\N{RIGHT-TO-LEFT OVERRIDE}txet", "\u2028", "\x1b[2J",
    "🙂" * 50, "i\u0307\u0130", "' OR 1=1; --", "%s%n{0}{a.b}", "../../etc/passwd", "NaN", "null", "None", "[]",
    "9" * 400, "1e999", "2026-02-30T25:61:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "swarm.",
    "swarm.swarm.task_posted", "task_posted", "\N{ZERO WIDTH SPACE}", "t1\n", "x" * 300, "é" * 600, "\U0010ffff" * 520,
)  # fmt: skip

PLAIN: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, -(10**400), float("nan"),
    float("inf"),
    float("-inf"), -0.0, 5e-324, 1.7e308, b"", b"\xff\xfe\0", bytearray(b"x\x80"), memoryview(b"abc"), (), [], {},
    set(), frozenset({1, "a", None}), {None: 1, 1: 2, "1": 3, (): 4}, {"": ""}, {"\0": "\ud800"}, [None] * 50,
    [[[[]]]],
    range(3), range(10**12), object(), object, type, Ellipsis, NotImplemented, 1j, len, lambda: 1, types,
    SystemExit(),
    Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+999999"), Decimal("0.1"),
    fractions.Fraction(1, 3), fractions.Fraction(10**400, 1), uuid.UUID(int=5), datetime(1, 1, 1),
    datetime(9999, 12, 31),
    datetime(2026, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=timezone(-timedelta(hours=23))), date(1, 1, 1),
    timedelta.max, *Own, pathlib.Path("x"), array.array("d", [1.0]), collections.deque([1, 2]), Data(),
    collections.ChainMap({"a": 1}), collections.defaultdict(list, a=[1]), collections.OrderedDict(a=float("inf")),
    np.int64(5), np.float32("nan"), np.float64("inf"), np.bool_(True), np.str_("a\ud800"), np.datetime64("NaT"),
    np.array(5), np.array([1.0, float("nan")]), np.zeros((2, 2)), np.array([object(), None], dtype=object),
    np.void(b"x"),
    np.ma.masked, np.array("text"), np.array(["a", "b"]), np.complex64(1j), np.timedelta64(1, "s"),
    TaskPosted(task_id="inner", description=""), CustomEvent(type="inner"), ValueError("x"), Itself(), HasNoTruth(),
    gone(),
    in_itself(), nested(7), nested(9), nested(50), nested(20_000), Nameless("N", (), {})(),
    [HasNoTruth(), gone()], {"a": gone()}, {HasNoTruth: 1}, mirrored("__str__"), mirrored("__repr__"),
    mirrored("__len__", list), mirrored("__iter__", list), mirrored("items", dict), mirrored("__str__", str),
    lying(str, str=lambda self: 5, eq=lambda self, other: True, hash=lambda self: 1)("text"),
    lying(str, len=lambda self: -1, bool=lambda self: False)("text"), lying(str, len=lambda self: 10**30)("x"),
    lying(int, str=lambda self: None, lt=lambda self, other: 1 / 0)(5), lying(float, float=lambda self: "x")(1.5),
    lying(float, eq=lambda self, other: 1 / 0, lt=lambda self, other: 1 / 0)(2.0),
    lying(bytes, len=lambda self: 1 / 0)(b"x"),
    lying(list, len=lambda self: 1 / 0)([1]), lying(list, len=lambda self: 10**9)([1]),
    lying(dict, len=lambda self: 0)(a=1),
    lying(tuple, getitem=lambda self, n: 1 / 0)((1,)),
    lying(dict, iter=endless, keys=endless, items=lambda self: iter([1, 2]))(a=1),
)  # fmt: skip
ENDLESS: tuple[Any, ...] = (
    laughs(), Endless(), lying(list, iter=endless)([1]), lying(list, iter=lambda self: iter("x".strip, ""))([1]),
    lying(dict, items=endless)(a=1), lying(set, iter=endless)({1}),
    lying(dict, items=lambda self: enumerate(endless()))(a=1),
)  # fmt: skip
"""Of these as much is kept as of the largest values."""

METHODS = ("__str__", "__repr__", "__eq__", "__hash__", "__len__", "__iter__", "__bool__", "__float__", "__int__",
           "__index__", "__format__", "__getattr__", "__class__", "tolist", "item", "items", "keys",
           "isoformat")  # fmt: skip


def screams(rng: random.Random) -> object:
    of = rng.sample(METHODS, rng.randrange(1, 6))
    return screaming(rng.choice(SCREAMS), *of)


def text(rng: random.Random) -> str:
    """Any characters at all."""
    return "".join(
        map(chr, (rng.choice((rng.randrange(128), rng.randrange(0x110000))) for _ in range(rng.randrange(12))))
    )


def mixture(rng: random.Random) -> Any:
    """Hostile values inside each other."""
    inside = [value(rng) for _ in range(rng.randrange(1, 4))]
    return rng.choice([inside, tuple(inside), {str(n): one for n, one in enumerate(inside)}, iter(inside)])


def odd_class(rng: random.Random) -> object:
    """An object of a class nobody has heard of before."""
    return type(f"Odd{rng.randrange(10**9)}", (), {})()


def value(rng: random.Random) -> Any:
    """Any hostile value that is small in its sender's hands."""
    kind = rng.random()
    if kind < 0.002:
        return rng.choice(ENDLESS)
    if kind < 0.3:
        return rng.choice(TEXTS)
    if kind < 0.8:
        return rng.choice(PLAIN)
    return rng.choice((text, text, screams, mixture, odd_class))(rng)


LONG = 10_000_000
_WORST = ("password=", "=a&a=a", "eyJa", "sk-1", "--password ", "cookie: a=b; ", "&quot;password", "1.", "-----BEGIN ")


def monster(rng: random.Random) -> Any:
    """A value whose sheer size is the trouble: ten megabytes of text, a million values, a text that is slow to read."""
    slow = rng.choice(_WORST)
    return rng.choice((
        lambda: "x" * LONG,
        lambda: "é\0" * (LONG // 2),
        lambda: "\ud800" * LONG,
        lambda: b"\xff" * LONG,
        lambda: "9" * LONG,
        lambda: [slow * (65536 // len(slow))] * 1000,
        lambda: ["x" * 65536] * 10_000,
        lambda: {f"k{n}": "x" * 65536 for n in range(1000)},
        lambda: list(range(1_000_000)),
        lambda: set(range(300_000)),
        lambda: dict.fromkeys(range(1_000_000)),
        lambda: np.zeros(1_000_000),
        lambda: 1 << 3_000_000,
        lambda: type("x" * LONG, (), {})(),
        lambda: nested(200_000),
    ))()  # fmt: skip
