"""The access log of the HTTP door: one line per request, whatever became of it; none where nobody asked."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import asdict

from taskgate.access import EndedRequest
from taskgate.edge.http.noting import NotedCall
from tests.edge.http.house import ECHO, FREE, House, open_house


class Notes:
    """Who was told what."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def told(self, ended: EndedRequest) -> None:
        assert ended.duration_s >= 0
        self.lines.append(asdict(ended))


def watched(house: House) -> Notes:
    house.door._access = notes = Notes()
    return notes


async def test_one_line_per_request(house: House) -> None:
    notes = watched(house)
    key = await house.key("submit", "read")
    reply = await house.ask(
        "POST", "/v1/tasks/demo.echo/runs", {"input": {"n": 1}}, key=key, headers=[("X-Request-Id", "mine")]
    )
    run_id = reply.told["id"]
    read = await house.ask("GET", f"/v1/runs/{run_id}?x=secret", key=key)
    listed = await house.ask("GET", "/v1/queues?task=demo.echo", key=key)
    submitted, seen, queues = notes.lines
    principal = key.split("_")[1]
    assert submitted == {
        "method": "POST", "path": "/v1/tasks/demo.echo/runs", "status": 202, "bytes_in": submitted["bytes_in"],
        "bytes_out": len(reply.body), "duration_s": submitted["duration_s"], "request_id": "mine",
        "principal": principal, "run_id": run_id, "route": "", "service": "", "error": "",
    }  # fmt: skip
    assert submitted["bytes_in"] == reply.read_bytes > 0
    assert (seen["path"], seen["run_id"], seen["bytes_out"]) == (f"/v1/runs/{run_id}", run_id, len(read.body))
    assert (queues["path"], queues["run_id"], queues["bytes_out"]) == ("/v1/queues", "", len(listed.body))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/runs", 401), ("GET", "/nowhere", 401), ("BREW", "/v1/runs", 405), ("GET", "/health/live", 200)],
)
async def test_refusals_too(house: House, method: str, path: str, status: int) -> None:
    notes = watched(house)
    assert (await house.ask(method, path)).status == status
    (line,) = notes.lines
    assert (line["method"], line["path"], line["status"], line["principal"]) == (method, path, status, "")


async def test_nothing_is_counted_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotedCall, "__init__", lambda *_: pytest.fail("a call was noted"))
    async with open_house() as house:
        await house.define(ECHO, FREE)
        assert house.gateway.watch.access is None
        assert house.gateway.plane.means.access is None
        assert (await house.ask("GET", "/v1/tasks", key=await house.key("read"))).status == 200
