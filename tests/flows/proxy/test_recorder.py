"""Records of calls: what is kept, what never is, and that keeping them is nobody's delay."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from taskgate.errors import Unavailable
from taskgate.proxy.recorder import Recorder
from taskgate.proxy.recording import CallStart, OpenCall
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Recording
from taskgate.routes.records import CallFilter, CallRecord
from taskgate.stores.memory.calls import MemoryCallRecords
from taskgate.testing.clock import ManualClock

CANARY = "c4n4ry-0123456789"
ALL = CallFilter(site_id=None)


class Slow(MemoryCallRecords):
    """A store that can be away."""

    is_away = False

    async def append(self, records: Sequence[CallRecord]) -> None:
        if self.is_away:
            raise Unavailable("away")
        await super().append(records)


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Slow()
        settings = ProxySettings(record_body_bytes=64, record_backlog_bytes=20_000)
        self.recorder = Recorder(self.store, settings, clock=self.clock, secrets=(CANARY,))

    def begin(self, level: Recording = "all", **options: Any) -> OpenCall:
        asked = {"method": "POST", "target": b"/add?x=1", "request_id": "r1", "site_id": "acme", **options}
        made = self.recorder.begin(CallStart(level=level, service="math", route="add", **asked))
        assert made is not None
        return made

    async def kept(self, count: int = 1) -> list[CallRecord]:
        async with asyncio.timeout(5.0):
            while len(found := await self.store.find(ALL)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return found


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.recorder.start()
    yield made
    await made.recorder.stop()


async def test_every_attempt_is_kept_whole(desk: Desk) -> None:
    call = desk.begin(headers=((b"x-a", b"1"),), user_id="u1")
    call.request_body(b'{"a":')
    call.request_body(b"1}")
    call.attempt("http://a")
    desk.clock.advance(1.0)
    call.attempt_ended(error="UPSTREAM_BROKEN", moved_on_because="connect")
    call.attempt("http://b")
    call.answered(200, ((b"content-type", b"text/plain"),))
    call.response_body(b"x" * 100)
    call.attempt_ended()
    call.finish(200)
    call.finish(500)
    (record,) = await desk.kept()
    assert (record.status, record.service, record.route, record.target) == (200, "math", "add", "/add?x=1")
    assert (record.request.body, record.request.headers) == ('{"a":1}', (("x-a", "1"),))
    first, second = record.attempts
    assert (first.error, first.moved_on_because, first.ended_at - first.started_at) == (
        "UPSTREAM_BROKEN",
        "connect",
        1.0,
    )
    assert (second.status, second.response.body, second.response.body_bytes) == (200, "x" * 64, 100)


@pytest.mark.parametrize(
    ("status", "error", "kept"), [(200, "", 0), (404, "", 0), (503, "", 1), (0, "", 1), (200, "X", 1)]
)
async def test_failures_are_what_failed(desk: Desk, status: int, error: str, kept: int) -> None:
    call = desk.begin("failures")
    call.attempt("http://a")
    call.attempt_ended(error=error)
    call.finish(status)
    desk.begin("all", request_id="last").finish(200)
    found = await desk.kept(kept + 1)
    assert len([record for record in found if record.request_id == "r1"]) == kept


async def test_nothing_is_kept_of_a_route_that_says_none(desk: Desk) -> None:
    start = CallStart(level="none", service="s", route="r", request_id="x", site_id="a", method="GET", target=b"/")
    assert desk.recorder.begin(start) is None


@pytest.mark.parametrize(
    "options",
    [
        {"headers": ((b"authorization", b"Bearer " + CANARY.encode()),)},
        {"headers": ((b"x-api-key", CANARY.encode()), (b"cookie", CANARY.encode()))},
        {"headers": ((b"referer", b"https://x/?token=" + CANARY.encode()),)},
        {"target": b"/add?access_token=" + CANARY.encode() + b"&x=1"},
        {"target": b"/add?api%5Fkey=" + CANARY.encode()},
    ],
)
@pytest.mark.parametrize(
    "body", [b'{"password": "%b"}', b"password=%b&x=1", b"Bearer %b", b'{"echo": ["%b"]}', b"x" * 60 + b"%b"]
)
@pytest.mark.parametrize("is_packed", [False, True])
async def test_s38_no_credential_is_kept(desk: Desk, options: dict[str, Any], body: bytes, is_packed: bool) -> None:
    content = body % CANARY.encode()
    coding = ((b"content-encoding", b"gzip"),) if is_packed else ()
    call = desk.begin(**options)
    call.request_body(content)
    call.attempt(f"http://user:{CANARY}@host")
    call.answered(200, ((b"set-cookie", CANARY.encode()), (b"x-echo", CANARY.encode()), *coding))
    call.response_body(gzip.compress(content) if is_packed else content)
    call.finish(200)
    (record,) = await desk.kept()
    assert CANARY[:8] not in repr(record)
    assert "x=1" in record.target or "target" in options


async def test_a_body_nobody_can_look_into_is_not_kept(desk: Desk) -> None:
    call = desk.begin()
    call.attempt("http://a")
    call.answered(200, ((b"content-encoding", b"br"),))
    call.response_body(b"\x0b\x02\x80abc")
    call.finish(200)
    (record,) = await desk.kept()
    assert (record.attempts[0].response.body, record.attempts[0].response.body_bytes) == ("", 6)


async def test_a_store_that_is_away_costs_records_and_nothing_else(desk: Desk) -> None:
    desk.store.is_away = True
    for _ in range(100):
        desk.begin().finish(200)
    assert desk.recorder.dropped_count > 80
    await asyncio.sleep(0)
    desk.store.is_away = False
    desk.recorder.take([])
    assert len(await desk.kept(5)) < 20


async def test_what_is_queued_is_written_at_the_end(desk: Desk) -> None:
    desk.begin().finish(200)
    await desk.recorder.stop()
    assert len(await desk.store.find(ALL)) == 1


async def test_names_that_are_long_cost_nothing_and_show_nothing(desk: Desk) -> None:
    """A pattern that tries every `token` of such a name would stand still for seconds."""
    name = b"token" * 1000 + b"!"
    call = desk.begin(target=b"/add?%b=seen" % name, headers=((name, b"seen"),))
    call.finish(200)
    (record,) = await desk.kept()
    assert "seen" not in record.target + record.request.headers[0][1]


async def test_a_secret_that_is_cut_behind_a_backslash_is_masked(desk: Desk) -> None:
    call = desk.begin()
    call.request_body(b'{"password":"' + b"p4ss" * 100 + b"\\" * 2000)
    call.finish(200)
    (record,) = await desk.kept()
    assert "p4ss" not in record.request.body


async def test_heads_count_as_what_waits(desk: Desk) -> None:
    desk.store.is_away = True
    for _ in range(8):
        desk.begin(headers=((b"x-a", b"y" * 9_000),)).finish(200)
    assert desk.recorder.dropped_count == 7
    desk.store.is_away = False
    desk.recorder.take([])
    assert len(await desk.kept()) == 1
