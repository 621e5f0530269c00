"""A run's journal over HTTP: pages, the live stream, resuming, and every way a stream may end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from taskgate.edge.http.call import Call
from taskgate.edge.http.journal import JournalEndpoint
from taskgate.edge.http.live import Live
from taskgate.journal.entry import Batch, Draft
from tests.edge.http.house import House, Line
from tests.edge.http.test_runs import submitted

EVENTS = [("Accept", "text/event-stream")]


@dataclass(slots=True)
class Event:
    """One event as a browser reads it."""

    id: str = ""
    event: str = "message"
    lines: list[str] = field(default_factory=list)

    @property
    def told(self) -> Any:
        return json.loads("\n".join(self.lines))


def events_in(body: bytes) -> list[Event]:
    found: list[Event] = []
    for block in body.decode().split("\n\n"):
        event = Event()
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name == "id":
                event.id = value.strip()
            elif name == "event":
                event.event = value.strip()
            elif name == "data":
                event.lines.append(value.removeprefix(" "))
        if event.lines:
            found.append(event)
    return found


async def log(house: House, run_id: str, *texts: str) -> None:
    drafts = tuple(Draft(kind="log", at=house.gateway.clock.now(), text=text) for text in texts)
    await house.gateway.journal.append([Batch(subject=run_id, attempt=1, stream="stdout", drafts=drafts)])


async def until(line: Line, wanted: bytes) -> None:
    """Wait until the wanted bytes have come."""
    async with asyncio.timeout(10):
        while wanted not in line.reply.body:
            await line.pieces.get()


async def test_pages(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    task = await seat.offers.get()
    await log(house, run_id, *(f"line {n}" for n in range(7)))
    first = (await house.ask("GET", f"/v1/runs/{run_id}/journal?limit=3", key=key)).told
    assert ([entry["seq"] for entry in first["entries"]], first["last_seq"], first["ended"]) == ([1, 2, 3], 3, False)
    await house.finish(task, 1)
    texts: list[str] = []
    after, ended = 0, False
    while not ended:
        page = (await house.ask("GET", f"/v1/runs/{run_id}/journal?limit=3&after={after}", key=key)).told
        texts += [entry["text"] for entry in page["entries"] if entry["kind"] == "log"]
        after, ended = page["last_seq"], page["ended"]
    assert texts == [f"line {n}" for n in range(7)]
    behind = (await house.ask("GET", f"/v1/runs/{run_id}/journal?after={after}", key=key)).told
    assert behind == {"entries": [], "last_seq": after, "ended": True}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("after=x", []), ("after=-1", []), ("limit=0", []), ("limit=1001", []), ("limit=5&limit=6", []), ("from=1", []),
        ("", [("Last-Event-ID", "abc")]), ("", [("Last-Event-ID", "1e9")]),
    ],
)  # fmt: skip
async def test_bad_places(house: House, query: str, headers: list[tuple[str, str]]) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    reply = await house.ask("GET", f"/v1/runs/{run_id}/journal?{query}", key=key, headers=headers)
    assert reply.status == 422


async def test_a_live_stream_to_its_end(house: House) -> None:
    """INV-L1: numbers without a gap, live; the stream ends behind the result with `event: end`."""
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    task = await seat.offers.get()
    async with house.call("GET", f"/v1/runs/{run_id}/journal", key=key, headers=EVENTS) as line:
        await log(house, run_id, "one", "two")
        await until(line, b"two")
        await log(house, run_id, "three\nlines\r\nhere")
        await until(line, b"three")
        await house.finish(task, {"ok": True})
        await until(line, b"event: end")
    assert line.reply.status == 200
    assert line.reply.headers["content-type"].startswith("text/event-stream")
    assert line.reply.headers["x-accel-buffering"] == "no"
    assert line.reply.headers["cache-control"] == "no-cache, no-transform"
    events = events_in(line.reply.body)
    entries = [event.told for event in events[:-1]]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [event.id for event in events[:-1]] == [str(entry["seq"]) for entry in entries]
    assert [event.event for event in events[:-1]] == [entry["kind"] for entry in entries]
    assert [entry["text"] for entry in entries if entry["kind"] == "log"] == ["one", "two", "three\nlines\r\nhere"]
    assert entries[-1]["kind"] == "result"
    assert entries[-1]["fields"]["count"] == entries[-1]["seq"] - 1
    assert events[-1].event == "end"
    assert events[-1].told == {"status": "succeeded", "last_seq": len(entries)}


async def test_a_stream_that_was_cut_goes_on(house: House) -> None:
    """INV-L1: any cut, resumed by `Last-Event-ID`, gives the same whole."""
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    task = await seat.offers.get()
    await log(house, run_id, *(f"line {n}" for n in range(20)))
    await house.finish(task, 1)
    path = f"/v1/runs/{run_id}/journal"
    whole = events_in((await house.ask("GET", path, key=key, headers=EVENTS)).body)
    for cut in range(len(whole)):
        headers = [*EVENTS, ("Last-Event-ID", str(cut))]
        rest = events_in((await house.ask("GET", f"{path}?after=0", key=key, headers=headers)).body)
        assert rest == whole[cut:]


async def test_a_silent_stream_proves_itself_alive(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    line = Line([b""])
    call = Call(scope_of(run_id), line.receive, line.send)
    call.principal = await house.gateway.keys.authenticate(key)
    endpoint = JournalEndpoint(house.gateway, Live(house.gateway.bus), comment_s=0.01)
    running = asyncio.create_task(endpoint.read(call, run_id))
    await until(line, b":\n\n:\n\n")
    line.gone.set()
    async with asyncio.timeout(10):
        await running


def scope_of(run_id: str) -> dict[str, Any]:
    path = f"/v1/runs/{run_id}/journal"
    headers = [(b"accept", b"text/event-stream")]
    return {"method": "GET", "path": path, "query_string": b"", "headers": headers}


async def test_a_revoked_key_loses_its_stream(house: House) -> None:
    """INV-A5: live connections end at once."""
    admin = await house.key("admin")
    key = await house.key("read")
    run_id = await submitted(house, await house.key("submit"))
    async with house.call("GET", f"/v1/runs/{run_id}/journal", key=key, headers=EVENTS) as line:
        await line.started.wait()
        await house.ask("DELETE", f"/v1/keys/{key.split('_')[1]}", key=admin)
        async with asyncio.timeout(5):
            while await line.pieces.get() is not None:
                pass
    assert b"event: end" not in line.reply.body


async def test_a_stream_that_is_never_silent_ends_with_its_credential_too(house: House) -> None:
    """A credential that ends by itself makes no news: it is looked at however much there is to tell."""
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    await seat.offers.get()
    line = Line([b""])
    call = Call(scope_of(run_id), line.receive, line.send)
    call.principal = replace(await house.gateway.keys.authenticate(key), token_id="jti:x", expires_at=1.0)
    endpoint = JournalEndpoint(house.gateway, Live(house.gateway.bus), comment_s=0.2)

    async def talk() -> None:
        for number in count(1):
            await log(house, run_id, f"line {number}")
            await asyncio.sleep(0.005)

    talking = asyncio.create_task(talk())
    try:
        async with asyncio.timeout(10):
            await endpoint.read(call, run_id)
    finally:
        talking.cancel()
        await asyncio.wait({talking})


async def test_a_closing_door_ends_streams(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    async with house.call("GET", f"/v1/runs/{run_id}/journal", key=key, headers=EVENTS) as line:
        await line.started.wait()
        house.door.close()
        async with asyncio.timeout(5):
            while await line.pieces.get() is not None:
                pass
    assert b"event: end" not in line.reply.body


async def test_ten_readers_see_the_same(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    task = await seat.offers.get()
    path = f"/v1/runs/{run_id}/journal"
    readers = [asyncio.create_task(house.ask("GET", path, key=key, headers=EVENTS)) for _ in range(10)]
    for number in range(50):
        await log(house, run_id, f"line {number}")
    await house.finish(task, 1)
    bodies = {reply.body for reply in await asyncio.gather(*readers)}
    assert len({tuple(event.id for event in events_in(body)) for body in bodies}) == 1


async def test_head_does_not_stream(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    reply = await house.ask("HEAD", f"/v1/runs/{run_id}/journal", key=key, headers=EVENTS)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")


async def test_a_journal_whose_time_is_over_is_gone_for_readers_and_followers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a stream is opened: who is told 200 and is then cut would come back for ever."""
    key = await house.key("submit", "read")
    run = await submitted(house, key)
    await house.ask("POST", f"/v1/runs/{run}/cancel", key=key)
    assert (await house.ask("GET", f"/v1/runs/{run}/journal", key=key)).status == 200
    monkeypatch.setattr(house.gateway.run_journal, "has_gone", lambda _: True)
    for headers in ([], EVENTS):
        reply = await house.ask("GET", f"/v1/runs/{run}/journal", key=key, headers=headers)
        assert (reply.status, reply.told["code"]) == (404, "JOURNAL_GONE")
