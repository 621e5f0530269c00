"""Pieces of logs that leave a worker: what task code could put into one stays on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from taskgate.secret import Secret
from taskgate.wire.messages import EMPTY, Task
from taskgate.worker.assignment import Assignment
from taskgate.worker.credential import Credential
from taskgate.worker.frames import Piece, Taken
from taskgate.worker.handing import PIECE_BYTES
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.uploads import AT_ONCE, Uploads


def assignment() -> Assignment:
    task = Task(run_id="r1", attempt=1, lease_token="t", tracking_id="r1", capability="demo", payload=EMPTY)
    return Assignment(task=task, payload=b"", received_at=0.0, max_output_bytes=1, max_log_bytes=1)


def piece(serial: int, *, name: str = "x.log", content: bytes = b"x") -> Piece:
    return Piece(1, serial, name, 0, content, "")


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    """Towards a gateway that nobody is."""
    settings = WorkerSettings(tasks=("t",), gateway="http://127.0.0.1:9")
    return Uploads(settings, Credential(Secret(""), tmp_path))


@pytest.mark.parametrize(
    "name", ["", "..", ".", "../keys", "a/b", "a?final=true", "a#b", "%2e%2e", "-x", "x" * 65, "a\r\nX: y", "ü", "a\n"]
)
async def test_a_name_that_is_no_logs_is_never_asked_for(uploads: Uploads, name: str) -> None:
    """It becomes a part of an address that is asked with the worker's credential."""
    told: list[Taken] = []
    uploads.take(assignment(), piece(1, name=name), answer=told.append)
    assert [(taken.status, taken.code) for taken in told] == [(422, "BAD_LOG_NAME")]
    await uploads.close()


async def test_memory_is_bounded_whatever_a_task_process_sends(uploads: Uploads) -> None:
    told: list[Taken] = []
    held = assignment()
    uploads.take(held, piece(0, content=bytes(PIECE_BYTES + 1)), answer=told.append)
    for serial in range(1, AT_ONCE + 3):
        uploads.take(held, piece(serial), answer=told.append)
    assert [taken.code for taken in told] == ["PIECE_TOO_LARGE", "TOO_MANY_PIECES", "TOO_MANY_PIECES"]
    await uploads.close()


async def test_a_run_that_is_to_stop_is_not_waited_for(uploads: Uploads) -> None:
    """And makes room for the next."""
    told: asyncio.Queue[Taken] = asyncio.Queue()
    held = assignment()
    held.ending = "cancelled"
    for serial in range(AT_ONCE + 2):
        uploads.take(held, piece(serial), answer=told.put_nowait)
        async with asyncio.timeout(10):
            assert (await told.get()).code == "UNREACHABLE"
    await uploads.close()
