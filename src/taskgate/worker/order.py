"""What the supervisor hands to the link process on its standard input: who it is, and everything it was told.

The credential travels here and nowhere else: not in the arguments, which every user of the machine can read, and
not in the environment, which a task process could.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from taskgate.worker.settings import WorkerSettings, settings_from

EXIT_FATAL = 78  # starting it again would end the same way


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a link process. `nonce` marks the task processes of this worker, over restarts."""

    worker_id: str
    folder: str
    nonce: str
    supervisor_pid: int
    settings: dict[str, Any]


def write_order(settings: WorkerSettings, *, worker_id: str, folder: str, nonce: str, supervisor_pid: int) -> bytes:
    """The order as bytes."""
    values = dataclasses.asdict(settings) | {"token": str(settings.token), "labels": dict(settings.labels)}
    order = Order(worker_id=worker_id, folder=folder, nonce=nonce, supervisor_pid=supervisor_pid, settings=values)
    return msgspec.json.encode(order)


def read_order(raw: bytes) -> tuple[Order, WorkerSettings]:
    """The order and the settings in it."""
    order = msgspec.json.decode(raw, type=Order)
    return order, settings_from(order.settings)
