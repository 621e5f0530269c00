"""The SDK for callers: `Client` blocks, `AsyncClient` awaits, both have the same verbs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskgate.client.aio import AsyncClient, AsyncRun
    from taskgate.client.door import Door, find_door
    from taskgate.client.retries import Patience
    from taskgate.client.shapes import Entry, RunState, Verdict
    from taskgate.client.sync import Client, Run

__all__ = ["AsyncClient", "AsyncRun", "Client", "Door", "Entry", "Patience", "Run", "RunState", "Verdict", "find_door"]

_FILE_OF = {
    "AsyncClient": "aio",
    "AsyncRun": "aio",
    "Client": "sync",
    "Door": "door",
    "Entry": "shapes",
    "Patience": "retries",
    "Run": "sync",
    "RunState": "shapes",
    "Verdict": "shapes",
    "find_door": "door",
}


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    globals()[name] = value
    return value
