"""Answers that last as long as their reader likes end with the credential that asked for them, told or not (INV-A5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from typing import Any

import pytest

from taskgate.edge.http import live
from taskgate.edge.http.call import Call
from taskgate.edge.http.history import stream_lines
from taskgate.edge.http.live import Live
from taskgate.edge.http.run_logs import READ_BYTES, RunLogEndpoints
from taskgate.identity.principal import Principal
from tests.edge.http.house import House, Line
from tests.edge.http.test_run_logs import Upload, begun


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.01)


class SlowLine(Line):
    """Somebody who reads one piece after the other, with a rest between them."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await super().send(message)
        await asyncio.sleep(0.05)


def asked(path: str, principal: Principal) -> tuple[Call, SlowLine]:
    line = SlowLine([b""])
    scope = {"method": "GET", "path": path, "query_string": b"", "headers": []}
    call = Call(scope, line.receive, line.send)
    call.principal = principal
    return call, line


async def caller(house: House, *, is_over: bool) -> Principal:
    """A token's bearer, whose token ran out while it was read, or not."""
    key = await house.gateway.keys.authenticate(await house.key("read"))
    return replace(key, token_id="jti:x", expires_at=1.0 if is_over else None)


async def without_end() -> AsyncIterator[bytes]:
    while True:
        yield b"{}\n"


async def test_an_export_ends_with_a_credential_that_ran_out(house: House) -> None:
    call, line = asked("/gateway/history/export", await caller(house, is_over=True))
    async with asyncio.timeout(10):
        await stream_lines(call, without_end(), live=Live(house.gateway.bus, house.gateway.keys.standing))
    assert None not in [line.pieces.get_nowait() for _ in range(line.pieces.qsize())]  # cut: nobody takes it for whole


@pytest.mark.parametrize("is_over", [True, False])
async def test_a_log_ends_with_a_credential_that_ran_out(house: House, is_over: bool) -> None:
    upload: Upload = await begun(house)
    content = bytes(4 * READ_BYTES)
    assert (await upload.put(content)).status == 202
    call, line = asked(upload.path(), await caller(house, is_over=is_over))
    endpoints = RunLogEndpoints(house.gateway, Live(house.gateway.bus, house.gateway.keys.standing))
    async with asyncio.timeout(10):
        await endpoints.read(call, f"{upload.task.run_id}/build.log")
    assert (len(line.reply.body) < len(content)) == is_over


async def test_the_doors_own_answers_are_watched(house: House) -> None:
    """The door itself is given who knows of such ends."""
    call, _ = asked("/gateway/history/export", await caller(house, is_over=True))
    async with asyncio.timeout(10):
        await stream_lines(call, without_end(), live=house.door._live)
