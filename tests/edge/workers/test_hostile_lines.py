"""Lines that no honest worker writes: they cost their sender its link at most, never a reader its journal (S36)."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors

HOSTILE: dict[str, dict[str, Any]] = {
    "before all time": {"at": -1e308},
    "after all time": {"at": 1e308},
    "no moment": {"at": nan},
    "endless": {"at": inf},
    "long level": {"level": "x" * 100_000},
    "level of controls": {"level": "info\x00\x1b[31m"},
    "long stream": {"stream": "x" * 100_000},
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_journal_is_readable_whatever_stands_in_it(doors: Doors, door: str, what: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    await doors.submit()
    task = await worker.begin()
    receipt: dict[str, Any] = {"run_id": task.run_id, "attempt": task.attempt, "lease_token": task.lease_token}
    more = {"stream": "stdout", **HOSTILE[what]}
    line = m.LogLine(seq=1, text="said", at=more.get("at", 1.0), level=more.get("level", "info"))
    await worker.wire.say(m.Progress(seq=1, fraction=0.5, at=line.at, **receipt))
    await worker.wire.say(m.Log(stream=more["stream"], lines=[line], **receipt))
    if len(more.get("level", "")) > 16 or len(more["stream"]) > 64:
        assert await worker.wire.status() != 0
    elif door == "grpc" or line.at not in (nan, inf):
        assert (await worker.until(m.LogAck, fits=lambda ack: ack.stream == more["stream"])).seq == 1
    key = await doors.house.key("submit", "read")
    reply = await doors.house.ask("GET", f"/v1/runs/{task.run_id}/journal", key=key)
    assert reply.status == 200
    page = json.loads(reply.body)
    assert all(len(entry.get("level") or "") + len(entry.get("stream") or "") <= 80 for entry in page["entries"])
    stored = await doors.server.gateway.journal.read(task.run_id, 0, limit=100)
    assert all(0 < entry.at < 3e11 for entry in stored)
