"""The access log itself: whole lines, without secrets, and nobody is held up when nobody reads."""

from __future__ import annotations

import asyncio
import json
import os
import select
from collections.abc import Iterator
from typing import Any

import pytest

from taskgate.access import EndedRequest
from taskgate.secret import STARS
from taskgate.telemetry import access
from taskgate.telemetry.access import AccessLog

KEY = "tga_abcdef012345_" + "k" * 43


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def tell(log: AccessLog, **members: Any) -> None:
    plain: dict[str, Any] = {"method": "GET", "path": "/x", "status": 200, "bytes_in": 0, "bytes_out": 1}
    log.told(EndedRequest(**{**plain, "duration_s": 0.1, "request_id": "r", **members}))


def read_lines(end: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(end, 1 << 20).splitlines()]


async def test_a_line_has_what_is_known_and_nothing_empty(pipe: tuple[int, int]) -> None:
    log = AccessLog(pipe[1])
    await log.start()
    tell(log, route="/x/{y}", service="math", principal="k1", run_id="run-1", error="BUSY")
    tell(log)
    await log.stop()
    full, plain = read_lines(pipe[0])
    assert full.pop("at") <= plain.pop("at")
    common = {"logger": "taskgate.access", "level": "info", "method": "GET", "path": "/x", "status": 200}
    counted = {"bytes_in": 0, "bytes_out": 1, "duration_s": 0.1, "request_id": "r"}
    assert plain == common | counted
    named = {"route": "/x/{y}", "service": "math", "principal": "k1", "run_id": "run-1", "error": "BUSY"}
    assert full == common | counted | named


async def test_s29_inv_a6_what_callers_say_forges_no_line_and_shows_no_secret(pipe: tuple[int, int]) -> None:
    log = AccessLog(pipe[1])
    await log.start()
    tell(log, path=f"/a/{KEY}/b\n{{}}\u202ex", request_id=KEY[:64], principal=KEY)
    tell(log, path="/" + "p" * 100_000)
    await log.stop()
    text = os.read(pipe[0], 1 << 20)
    assert text.count(b"\n") == 2
    assert b"kkkkk" not in text
    first, second = map(json.loads, text.splitlines())
    assert first["path"] == f"/a/{STARS}/b\\n{{}}\\x202ex"
    assert len(second["path"]) == access.LONGEST


async def test_lines_of_several_processes_stay_whole(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written at once is no longer than a pipe takes in one piece."""
    written: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _, piece: written.append(piece))
    log = AccessLog(pipe[1])
    await log.start()
    for number in range(500):
        tell(log, request_id=str(number))
    await log.stop()
    assert max(map(len, written)) <= select.PIPE_BUF
    assert all(piece.endswith(b"\n") for piece in written)
    assert [json.loads(line)["request_id"] for line in b"".join(written).splitlines()] == list(map(str, range(500)))
    assert len(written) < 50


async def test_where_nobody_reads_lines_are_dropped_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_WAITING", 2_000)
    log = AccessLog(pipe[1])
    await log.start()
    for number in range(5_000):  # far more than a pipe holds; the writer stands, we do not
        tell(log, request_id=str(number))
        if number % 500 == 0:
            log._flush()
    dropped = log._dropped_count
    assert dropped >= 2_000
    os.set_blocking(pipe[0], False)
    text = b""
    stopping = asyncio.create_task(log.stop())
    async with asyncio.timeout(20):
        while not stopping.done():
            with_more = _read(pipe[0])
            text += with_more
            await asyncio.sleep(0)
    text += _read(pipe[0])
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["message"] for line in lines if line["level"] == "warning"] == [f"{dropped} lines dropped"]
    assert sum(line["level"] == "info" for line in lines) == 5_000 - dropped


def _read(end: int) -> bytes:
    try:
        return os.read(end, 1 << 20)
    except BlockingIOError:
        return b""
