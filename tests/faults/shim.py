"""A disk that is slow, or whose syncs fail: a library loaded before all others, in place of `fsync` and `fdatasync`.

It needs a C compiler; where there is none, the tests that want it are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned long number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoul(text, 0, 10) : 0;
}

static void note(char what) {  /* one byte a call: appended whole, whoever else does */
    int file = open(getenv("SHIM_NOTES"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file >= 0) {
        if (write(file, &what, 1) < 0) {}
        close(file);
    }
}

static int drawn(unsigned long one_in) {  /* splitmix64 over the calls: the same seed fails the same ones */
    static unsigned long calls;
    unsigned long z = number("SHIM_SEED") + __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) * 0x9e3779b97f4a7c15ul;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
    return one_in && (z ^ (z >> 31)) % one_in == 0;
}

static int sync_as_told(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (access(getenv("SHIM_WHILE"), F_OK) != 0)
        return real(file);
    unsigned long micros = number("SHIM_DELAY_US");
    struct timespec delay = {micros / 1000000, micros % 1000000 * 1000};
    if (micros)
        nanosleep(&delay, 0);
    if (drawn(number("SHIM_FAIL_ONE_IN"))) {
        note('x');
        errno = EIO;
        return -1;
    }
    note('.');
    return real(file);
}

int fsync(int file) { return sync_as_told("fsync", file); }
int fdatasync(int file) { return sync_as_told("fdatasync", file); }
"""


class Notes(NamedTuple):
    """How many syncs there were while the fault was on, and how many of them failed."""

    syncs: int
    failed: int


class Shim:
    """The library, built in a folder. `environ` is for the process that is to suffer; the fault is on from `on` to
    `off`. Skips the test where there is no compiler."""

    def __init__(self, folder: Path) -> None:
        self._library = _built(folder)
        self._while = folder / "shim-on"
        self._notes = folder / "shim-notes"

    def environ(self, *, delay_ms: float = 0, fail_one_in: int = 0, seed: int = 0) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "SHIM_WHILE": str(self._while),
            "SHIM_NOTES": str(self._notes),
            "SHIM_DELAY_US": str(int(delay_ms * 1000)),
            "SHIM_FAIL_ONE_IN": str(fail_one_in),
            "SHIM_SEED": str(seed),
        }

    def on(self) -> None:
        self._while.touch()

    def off(self) -> None:
        self._while.unlink(missing_ok=True)

    def notes(self) -> Notes:
        """Of the time since the last call."""
        found = self._notes.read_bytes() if self._notes.exists() else b""
        self._notes.unlink(missing_ok=True)
        return Notes(len(found), found.count(b"x"))


def _built(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here: the library that makes syncs slow or fail cannot be built")
    source, library = folder / "shim.c", folder / "shim.so"
    source.write_text(SOURCE)
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"the library that makes syncs slow or fail cannot be built here: {made.stderr.strip()}")
    return library
