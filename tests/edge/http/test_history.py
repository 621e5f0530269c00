"""History as callers see it: their own site's ended runs, page by page, as lines, and one by one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from taskgate.runs.run import Status, Tenant
from taskgate.testing.archives import ended_run
from tests.edge.http.house import House

ACME = Tenant(site_id="acme", user_id="u1")


async def put(house: House, *numbers: int, **changes: Any) -> None:
    archive = house.gateway.past.archive
    assert archive is not None
    changes = {"tenant": ACME, "labels": (("zone", "eu"),), "input": b'{"n":1}', **changes}
    await archive.record([ended_run(number, **changes) for number in numbers])


async def listed(house: House, key: str, query: str = "") -> list[str]:
    reply = await house.ask("GET", f"/gateway/history{query}", key=key)
    assert reply.status == 200, reply.body
    return [run["id"] for run in reply.told["runs"]]


async def test_pages_go_on_behind_their_cursor(house: House) -> None:
    await put(house, *range(1, 8))
    key, seen, cursor = await house.key("read"), list[str](), ""
    while True:
        told = (await house.ask("GET", f"/gateway/history?limit=3&cursor={cursor}", key=key)).told
        seen += [run["id"] for run in told["runs"]]
        cursor = told["cursor"]
        if not cursor:
            break
        await put(house, 100 + len(seen))
    assert seen == [ended_run(number).id for number in range(7, 0, -1)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("task=text.echo", [2, 1]),
        ("task=other", [3]),
        ("status=failed", [2]),
        ("label=zone=eu", [3, 2, 1]),
        ("label=zone=us", []),
        ("holder=http/math", [3, 2, 1]),
        ("holder=nobody", []),
        (f"id={ended_run(3).id[:36]}", [3]),
        ("from=2027-01-15T08:00:02Z", [3, 2]),
        ("from=2027-01-15T08:00:02Z&to=2027-01-15T08:00:03", [2]),
        (f"task={quote(chr(0))}", []),
        (f"task={quote(chr(39) + ' OR 1=1 --')}", []),
        (f"holder={quote(chr(0) + '%')}", []),
        (f"label={quote('%=%')}", []),
    ],
)
async def test_filters(house: House, query: str, numbers: list[int]) -> None:
    await put(house, 1)
    await put(house, 2, status=Status.FAILED)
    await put(house, 3, task="other")
    assert await listed(house, await house.key("read"), f"?{query}") == [ended_run(number).id for number in numbers]


@pytest.mark.parametrize(
    "query",
    ["status=running", "label=zone", "label==x", "id=../x", "from=yesterday", "to=%00", "cursor=1_2", "limit=0",
     "cursor=1e9_01930000-0000-7000-8000-000000000001", "site_id=other", "task=a&task=b", f"task={'x' * 401}"],
)  # fmt: skip
async def test_s17_what_nobody_could_mean_is_refused_by_name(house: House, query: str) -> None:
    for path in ("/gateway/history", "/gateway/history/export"):
        reply = await house.ask("GET", f"{path}?{query}", key=await house.key("read"))
        assert reply.status == 422, reply.body


async def test_inv_a1_nobody_sees_another_sites_history(house: House) -> None:
    await put(house, 1)
    await put(house, 2, tenant=Tenant(site_id="other"))
    foreign = ended_run(2).id
    for key in (await house.key("read"), await house.key("admin")):
        assert await listed(house, key) == [ended_run(1).id]
        assert (await house.ask("GET", f"/v1/runs/{foreign}", key=key)).status == 404
        assert foreign.encode() not in (await house.ask("GET", "/gateway/history/export", key=key)).body
    stranger = await house.key("read", user="u2")
    assert await listed(house, stranger) == []
    assert (await house.ask("GET", f"/v1/runs/{ended_run(1).id}", key=stranger)).code == "UNKNOWN_RUN"
    assert (await house.ask("GET", "/gateway/history/export", key=stranger)).body == b""


async def test_inv_a3_reading_needs_its_scope(house: House) -> None:
    for path in ("/gateway/history", "/gateway/history/export"):
        assert (await house.ask("GET", path, key=await house.key("submit"))).status == 403
        assert (await house.ask("GET", path)).status == 401


async def test_a_purged_run_is_read_from_history_and_its_journal_is_gone(house: House) -> None:
    await put(house, 1)
    run, key = ended_run(1), await house.key("read")
    told = (await house.ask("GET", f"/v1/runs/{run.id}", key=key)).told
    assert (told["archived"], told["status"], told["input"]) == (True, "succeeded", {"n": 1})
    assert [attempt["holder"] for attempt in told["attempts"]] == ["w1", "http/math"]
    assert (await house.ask("GET", f"/v1/runs/{run.id}/journal", key=key)).code == "JOURNAL_GONE"
    assert (await house.ask("GET", f"/v1/runs/{ended_run(2).id}/journal", key=key)).code == "UNKNOWN_RUN"


async def test_an_export_goes_on_behind_any_line(house: House) -> None:
    await put(house, *range(1, 31))
    key = await house.key("read")
    reply = await house.ask("GET", "/gateway/history/export", key=key)
    lines = [json.loads(line) for line in reply.body.splitlines()]
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [line["id"] for line in lines] == [ended_run(number).id for number in range(30, 0, -1)]
    rest = await house.ask("GET", f"/gateway/history/export?cursor={lines[9]['cursor']}", key=key)
    assert [json.loads(line) for line in rest.body.splitlines()] == lines[10:]


async def test_inv_a5_an_export_ends_with_its_key(house: House) -> None:
    """The lines that were on their way may come; the end of the stream does not, so nobody takes it for whole."""
    await put(house, *range(1, 400))
    record, text = await house.gateway.keys.create(None, name="k", scopes=("read",), site_id="acme")
    async with house.call("GET", "/gateway/history/export", key=text) as line:
        await line.started.wait()
        await house.gateway.keys.revoke(None, record.id)
    assert line.reply.body.count(b"\n") < 399
