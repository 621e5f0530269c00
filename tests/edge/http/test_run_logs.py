"""Uploaded logs over HTTP: resumable, checked, bounded, written by the run's holder alone and read by its tenant."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from taskgate.edge.http import run_logs
from taskgate.edge.http.call import Call
from taskgate.edge.http.live import Live
from taskgate.edge.http.run_logs import RunLogEndpoints
from taskgate.journal.pieces import PIECE_BYTES
from taskgate.testing.clock import ManualClock
from taskgate.wire.messages import Task
from tests.edge.http.house import ECHO, FREE, HandSeat, House, Reply, open_house
from tests.edge.http.test_runs import submitted

TEXT = "Zeile zwölf\nline two\n".encode() * 40


class Upload:
    """A run under a lease, its holder's key and its reader's."""

    def __init__(self, house: House, seat: HandSeat, task: Task, *, worker: str, reader: str) -> None:
        self.house = house
        self.seat = seat
        self.task = task
        self.worker = worker
        self.reader = reader

    @property
    def lease(self) -> list[tuple[str, str]]:
        return [("X-Attempt", str(self.task.attempt)), ("X-Lease-Token", self.task.lease_token)]

    def path(self, stream: str = "build.log", query: str = "") -> str:
        return f"/v1/runs/{self.task.run_id}/logs/{stream}{'?' if query else ''}{query}"

    async def put(
        self, content: bytes, offset: int | str = 0, *, query: str = "", stream: str = "build.log", **how: Any
    ) -> Reply:
        headers = how.pop("headers", self.lease)
        checksum = how.pop("checksum", hashlib.sha256(content).hexdigest())
        path = self.path(stream, f"offset={offset}{query}")
        key = how.pop("key", self.worker)
        return await self.house.ask(
            "PUT", path, content, key=key, headers=[*headers, ("X-Checksum-Sha256", checksum)], **how
        )

    async def close(self, content: bytes, *, offset: int | None = None) -> Reply:
        """Close the log behind what is there already."""
        at = len(content) if offset is None else offset
        whole = hashlib.sha256(content).hexdigest()
        return await self.put(content[at:], at, query=f"&final=true&total={len(content)}&sha256={whole}")

    async def read(self, query: str = "", *, part: str = "", method: str = "GET", key: str = "") -> Reply:
        headers = [("Range", part)] if part else []
        return await self.house.ask(method, self.path(query=query), key=key or self.reader, headers=headers)


async def begun(house: House, *, seat: HandSeat | None = None) -> Upload:
    """A run that a worker of the site holds."""
    seat = seat or await house.worker("demo.free")
    reader = await house.key("submit", "read")
    await submitted(house, reader)
    async with asyncio.timeout(10):
        task = await seat.offers.get()
    return Upload(house, seat, task, worker=await house.key("worker"), reader=reader)


@pytest.fixture
async def upload(house: House) -> Upload:
    return await begun(house)


async def test_g10_a_log_comes_up_in_pieces_and_is_read_whole_and_in_part(upload: Upload) -> None:
    for at in range(0, len(TEXT), 300):
        reply = await upload.put(TEXT[at : at + 300], at)
        assert (reply.status, reply.told["sealed"]) == (202, False)
        assert reply.told["offset"] == min(at + 300, len(TEXT)) == int(reply.headers["x-log-offset"])
    closed = await upload.close(TEXT)
    assert (closed.status, closed.told["sealed"]) == (200, True)
    assert closed.told["sha256"] == hashlib.sha256(TEXT).hexdigest()
    whole = await upload.read()
    assert (whole.status, whole.body) == (200, TEXT)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    digest = base64.b64encode(hashlib.sha256(TEXT).digest()).decode()
    assert whole.headers["repr-digest"] == f"sha-256=:{digest}:"
    for part, first, last in (("bytes=0-9", 0, 9), ("bytes=290-310", 290, 310), ("bytes=-7", len(TEXT) - 7, None)):
        reply = await upload.read(part=part)
        last = len(TEXT) - 1 if last is None else last
        assert (reply.status, reply.body) == (206, TEXT[first : last + 1])
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(TEXT)}"
        assert reply.headers["content-length"] == str(last - first + 1)


async def test_what_is_there_is_read_while_it_grows(upload: Upload) -> None:
    assert (await upload.read()).code == "UNKNOWN_LOG"
    await upload.put(b"one\n")
    assert (await upload.read()).body == b"one\n"
    await upload.put(b"two\n", 4)
    meta = (await upload.read("meta")).told
    assert meta == {"stream": "build.log", "attempt": 1, "offset": 8, "sealed": False}
    head = await upload.read(method="HEAD")
    assert (head.status, head.headers["x-log-offset"], head.headers["content-length"]) == (200, "8", "8")
    assert head.headers["x-log-sealed"] == "false"
    listed = await upload.house.ask("GET", f"/v1/runs/{upload.task.run_id}/logs", key=upload.reader)
    assert [log["stream"] for log in listed.told["logs"]] == ["build.log"]


async def test_g10_repeats_succeed_and_gaps_and_other_bytes_are_refused(upload: Upload) -> None:
    await upload.put(b"aaaa")
    again = await upload.put(b"aaaa")
    assert (again.status, again.told["repeated"], again.told["offset"]) == (202, True, 4)
    for content, offset, code in ((b"bbbb", 0, "LOG_DIFFERS"), (b"cc", 5, "LOG_GAP"), (b"cc", 10**14, "LOG_GAP")):
        reply = await upload.put(content, offset)
        assert (reply.status, reply.code, reply.told["offset"]) == (409, code, 4)
    assert (await upload.close(b"aaaa")).status == 200
    assert (await upload.close(b"aaaa")).status == 200
    assert (await upload.put(b"b", 4)).code == "LOG_CLOSED"
    assert (await upload.put(b"aaaa")).status == 200
    assert (await upload.read()).body == b"aaaa"


async def test_a_wrong_checksum_stores_nothing(upload: Upload) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    reply = await upload.put(b"aaaa", checksum=wrong)
    assert (reply.status, reply.code) == (422, "CHECKSUM_MISMATCH")
    assert (await upload.read()).status == 404
    await upload.put(b"aaaa")
    for total, digest, status, code in (
        (4, wrong, 422, "CHECKSUM_MISMATCH"),
        (5, wrong, 409, "LOG_GAP"),
        (4, "00", 400, "CHECKSUM_MISSING"),
    ):
        reply = await upload.put(b"", 4, query=f"&final=true&total={total}&sha256={digest}")
        assert (reply.status, reply.code) == (status, code)
    assert (await upload.read("meta")).told["sealed"] is False
    assert (await upload.close(b"aaaa")).status == 200


async def test_a_digest_may_come_as_a_structured_field(upload: Upload) -> None:
    digest = base64.b64encode(hashlib.sha256(b"aaaa").digest()).decode()
    for value, status in (
        (f"sha-256=:{digest}:", 202),
        (f"sha-512=:AAAA:, sha-256=:{digest}:", 202),
        ("sha-256=:AAAA:", 400),
        (f"sha-512=:{digest}:", 400),
        ("", 400),
    ):
        headers = [*upload.lease, ("Content-Digest", value)]
        reply = await upload.house.ask(
            "PUT", upload.path(query="offset=0"), b"aaaa", key=upload.worker, headers=headers
        )
        assert reply.status == status, value


async def test_s36_only_the_holder_writes(upload: Upload) -> None:
    """A key of another site, another worker's key, a reader's key and a wrong lease are all refused."""
    house = upload.house
    bound = {name: (await bound_key(house, name)) for name in ("w1", "w2")}
    wrong = [("X-Attempt", "1"), ("X-Lease-Token", "x" * 22)]
    late = [("X-Attempt", "2"), ("X-Lease-Token", upload.task.lease_token)]
    cases: list[tuple[str, list[tuple[str, str]], int, str]] = [
        (await house.key("worker", site="other"), upload.lease, 404, "UNKNOWN_RUN"),
        (await house.key("read", "submit"), upload.lease, 403, "FORBIDDEN"),
        (bound["w2"], upload.lease, 403, "WRONG_WORKER"),
        (bound["w2"], [], 403, "WRONG_WORKER"),
        (upload.worker, [], 403, "WRONG_WORKER"),
        (upload.worker, wrong, 409, "STALE_ATTEMPT"),
        (upload.worker, late, 409, "STALE_ATTEMPT"),
        (upload.worker, [("X-Attempt", "-1")], 400, "BAD_ATTEMPT"),
        (upload.worker, [("X-Attempt", "9" * 5000)], 400, "BAD_ATTEMPT"),
        (upload.worker, [("X-Lease-Token", "a")], 400, "BAD_LEASE"),
    ]
    for key, headers, status, code in cases:
        reply = await upload.put(b"aaaa", key=key, headers=headers)
        assert (reply.status, reply.code) == (status, code), (headers, code)
        assert reply.read_bytes == 0
    assert (await upload.read()).code == "UNKNOWN_LOG"
    assert (await upload.put(b"aaaa", key=bound["w1"], headers=[])).status == 202
    assert (await upload.put(b"bb", 4, key=bound["w1"])).status == 202


async def bound_key(house: House, worker_id: str) -> str:
    _, text = await house.gateway.keys.create(
        None, name=worker_id, scopes=("worker",), site_id="acme", kind="worker", worker_id=worker_id
    )
    return text


async def test_inv_a1_only_the_tenant_reads(upload: Upload) -> None:
    await upload.put(b"aaaa")
    house = upload.house
    foreign = await house.key("read", site="other")
    other_user = await house.key("read", user="somebody")
    for key in (foreign, other_user):
        assert (await upload.read(key=key)).code == "UNKNOWN_RUN"
        assert (await upload.read("meta", key=key)).code == "UNKNOWN_RUN"
        listed = await house.ask("GET", f"/v1/runs/{upload.task.run_id}/logs", key=key)
        assert listed.code == "UNKNOWN_RUN"
    assert (await upload.read(key=upload.worker)).status == 403
    mine = await house.ask("HEAD", upload.path(), key=upload.worker, headers=upload.lease)
    assert (mine.status, mine.headers["x-log-offset"]) == (200, "4")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def timed(clock: ManualClock) -> AsyncIterator[Upload]:
    async with open_house(clock=clock) as house:
        await house.define(ECHO, FREE)
        yield await begun(house)


async def test_an_ended_run_takes_pieces_for_a_grace_time(timed: Upload, clock: ManualClock) -> None:
    bound = await bound_key(timed.house, "w1")
    await timed.put(b"aaaa")
    await timed.house.finish(timed.task, 1)
    assert (await timed.put(b"bb", 4)).status == 202
    assert (await timed.put(b"new", 0, stream="late.log", key=bound, headers=[])).status == 202
    other = await bound_key(timed.house, "w2")
    assert (await timed.put(b"cc", 6, key=other)).code == "WRONG_WORKER", "its token is no good in other hands"
    stale = [("X-Attempt", "1"), ("X-Lease-Token", "y" * 22)]
    assert (await timed.put(b"cc", 6, headers=stale)).code == "STALE_ATTEMPT"
    clock.advance(601.0)
    assert (await timed.put(b"cc", 6)).code == "STALE_ATTEMPT"
    assert (await timed.read()).body == b"aaaabb"


async def test_logs_go_with_their_run(upload: Upload) -> None:
    await upload.put(b"aaaa")
    await upload.house.finish(upload.task, error="broke")
    principal = await upload.house.gateway.keys.authenticate(upload.reader)
    assert await upload.house.gateway.desk.purge_dead(principal) == 1
    assert await upload.house.gateway.stores.run_logs.find(upload.task.run_id) == []


@pytest.mark.parametrize(
    "stream", [".", "..", ".hidden", "-rf", "a" * 65, "a%20b", "a%0Ab", "%C3%BC", "a;b", "a%00b", "a%2Fb", "%2e%2e"]
)
async def test_hostile_names_are_refused(upload: Upload, stream: str) -> None:
    reply = await upload.put(b"aaaa", stream=stream)
    assert reply.status in (400, 404, 422), reply.body
    assert await upload.house.gateway.stores.run_logs.find(upload.task.run_id) == []


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("bytes=4-", 416),
        ("bytes=-0", 416),
        ("bytes=99999999999999-", 416),
        ("bytes=3-1", 200),
        ("bytes=9999999999999999999999-", 200),
        ("bytes=-", 200),
        ("lines=1-2", 200),
        ("bytes=0-0,1-1", 200),
        ("bytes=" + ",".join(["0-0"] * 100_000), 200),
        ("bytes=" + "0" * 100_000, 200),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_s39_a_part_that_nobody_can_give_costs_nothing(upload: Upload, part: str, status: int) -> None:
    await upload.put(b"aaaa")
    reply = await upload.read(part=part)
    assert reply.status == status
    assert status != 200 or reply.body == b"aaaa"


async def test_s27_a_piece_that_crawls_is_cut(upload: Upload) -> None:
    endpoints = RunLogEndpoints(upload.house.gateway, Live(upload.house.gateway.bus), piece_s=0.05)
    line, scope = upload.house._dial(
        "PUT", upload.path(query="offset=0"), b"aa", headers=[*upload.lease, ("X-Checksum-Sha256", "00" * 32)],
        endless=True,
    )  # fmt: skip
    call = Call(scope, line.receive, line.send)
    call.principal = await upload.house.gateway.keys.authenticate(upload.worker)
    with pytest.raises(Exception, match="BODY_TOO_SLOW"):
        await endpoints.write(call, f"{upload.task.run_id}/build.log")
    assert upload.house.gateway.unwritten.used_bytes == 0


async def test_a_piece_is_bounded_and_so_is_what_waits(upload: Upload) -> None:
    assert (await upload.put(b"a" * (PIECE_BYTES + 1))).status == 413
    assert (await upload.put(b"")).code == "EMPTY_PIECE"
    allowance = upload.house.gateway.unwritten
    with allowance.taken(allowance.limit_bytes):
        reply = await upload.put(b"aaaa")
        assert (reply.status, reply.code, reply.read_bytes) == (429, "JOURNAL_BEHIND", 0)
        assert int(reply.headers["retry-after"]) >= 1
    assert (await upload.put(b"aaaa")).status == 202
    assert allowance.used_bytes == 0


async def test_pieces_that_crawl_hold_up_neither_lines_nor_other_uploaders(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have half of the room, and each credential a few places: lines, and the results behind them, go on (S36)."""
    monkeypatch.setattr(run_logs, "AT_ONCE", 1)
    allowance = upload.house.gateway.unwritten
    line, scope = upload.house._dial(
        "PUT", upload.path(query="offset=0"), b"aa", key=upload.worker, endless=True,
        headers=[*upload.lease, ("X-Checksum-Sha256", "00" * 32)],
    )  # fmt: skip
    crawling = asyncio.create_task(upload.house.door(scope, line.receive, line.send))
    async with asyncio.timeout(10):
        while allowance.used_bytes < PIECE_BYTES:
            await asyncio.wait({crawling}, timeout=0.01)
    refused = await upload.put(b"aaaa")
    assert (refused.status, refused.code, refused.read_bytes) == (429, "PIECES_AT_ONCE", 0)
    assert (await upload.put(b"aaaa", key=await upload.house.key("worker"))).status == 202
    line.gone.set()
    await crawling
    with allowance.taken(allowance.limit_bytes // 2):
        assert (await upload.put(b"aaaa")).code == "JOURNAL_BEHIND"
        assert allowance.take(allowance.limit_bytes // 2), "no room is left for lines"
        allowance.give(allowance.limit_bytes // 2)
    assert (await upload.put(b"aaaa")).status == 202


async def test_what_is_no_text_is_given_to_be_saved(upload: Upload) -> None:
    await upload.put(b"\x1f\x8b<script>", stream="page.html")
    reply = await upload.house.ask("GET", upload.path("page.html"), key=upload.reader)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == 'attachment; filename="page.html"'
    assert "default-src 'none'" in reply.headers["content-security-policy"]


async def test_a_second_attempt_begins_anew(upload: Upload) -> None:
    """The first attempt's log stays; without a number the last attempt's is read."""
    await upload.put(b"first")
    writing = await upload.house.gateway.log_desk.admit(
        await upload.house.gateway.keys.authenticate(upload.worker),
        upload.task.run_id,
        attempt=upload.task.attempt,
        token=upload.task.lease_token,
    )
    second = type(writing)(run_id=writing.run_id, attempt=2, writer="later")
    await upload.house.gateway.log_desk.write(second, "build.log", offset=0, content=b"second")
    assert (await upload.read()).body == b"second"
    assert (await upload.read("attempt=1")).body == b"first"
