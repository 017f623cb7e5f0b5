"""The event store: the protocol, and the backends behind it."""

from __future__ import annotations

from pathlib import Path

from spark_plugin.errors import StoreError
from spark_plugin.store.base import DeadLetter, DerivedRow, EventRow, Filter, Reader, Store, Transaction
from spark_plugin.store.driver import translated
from spark_plugin.store.sqlite import SqliteStore, has_store

__all__ = [
    "DeadLetter",
    "DerivedRow",
    "EventRow",
    "Filter",
    "Reader",
    "Store",
    "Transaction",
    "absolute",
    "exists",
    "open_store",
    "path_of",
]


def path_of(url: str) -> Path:
    """The file behind a store's URL. Raises `StoreError` for a URL that no backend serves."""
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found or not path or path == ":memory:":
        raise StoreError(url, "is no URL of a store", "write sqlite:///relative.db or sqlite:////absolute.db")
    return Path(path).expanduser()


def absolute(url: str) -> str:
    """The URL that names the same store from any directory. Raises `StoreError` for one that names none."""
    return f"sqlite:///{path_of(url).absolute()}"


def exists(url: str) -> bool:
    """Whether there is a store at `url`. Raises `StoreError` where that cannot be told."""
    with translated(url):
        return has_store(path_of(url))


def open_store(url: str, *, create: bool = True, durable: bool = False) -> Store:
    """The store at `url`. Raises `StoreError`.

    Without `create`, a missing one reads as empty. With `durable`, what is committed survives a power cut.
    """
    return SqliteStore(path_of(url), url, create=create, durable=durable)
