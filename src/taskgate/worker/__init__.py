"""The worker: the SDK for people who write tasks, and the processes that run them.

Names are handed on when first asked for: a task process loads the SDK alone, never the link.
No module here is named like one of them: importing the module would hide the name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskgate.worker.context import Context
    from taskgate.worker.declaration import task
    from taskgate.worker.diagnosis import Finding, doctor
    from taskgate.worker.settings import WorkerSettings, read_settings
    from taskgate.worker.supervisor import run_worker
    from taskgate.worker.verdicts import NonRetryable, Retry, RunStopped

__all__ = [
    "Context", "Finding", "NonRetryable", "Retry", "RunStopped", "WorkerSettings", "doctor", "read_settings",
    "run_worker", "task",
]  # fmt: skip

_MODULE_OF = {
    "Context": "context",
    "Finding": "diagnosis",
    "NonRetryable": "verdicts",
    "Retry": "verdicts",
    "RunStopped": "verdicts",
    "WorkerSettings": "settings",
    "doctor": "diagnosis",
    "read_settings": "settings",
    "run_worker": "supervisor",
    "task": "declaration",
}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"taskgate.worker.{module}"), name)
    globals()[name] = value
    return value
