"""One door for AI work: the names that callers and authors of tasks import.

This module only hands on the names of the two SDKs, each when it is first asked for:
`import taskgate` loads nothing else, so a script that needs the client never pays for
the worker. Server code is never reachable from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskgate.client import AsyncClient, Client
    from taskgate.worker import Context, NonRetryable, Retry, task

__all__ = ["AsyncClient", "Client", "Context", "NonRetryable", "Retry", "__version__", "task"]
__version__ = "0.1.0"

_ROOM_OF = {
    "AsyncClient": "taskgate.client",
    "Client": "taskgate.client",
    "Context": "taskgate.worker",
    "NonRetryable": "taskgate.worker",
    "Retry": "taskgate.worker",
    "task": "taskgate.worker",
}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
