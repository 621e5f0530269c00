"""INV-A1, INV-A3 at every door there is: what one site has, another neither reads, counts, changes nor finds.

The doors are those of the document that the gateway serves. Every one is tried by every kind of credential of another
site, with the names and ids of this site's own things in path, query and body; everything that is this site's carries
a mark, and no answer may hold it. A door with a parameter or a body that is not known here fails until it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.identity.principal import SCOPES
from taskgate.runs.run import Tenant
from taskgate.testing.archives import ended_run
from taskgate.testing.contracts.calls import call
from taskgate.wire.messages import Log, LogLine
from tests.edge.http.house import FREE, HandSeat, House, Reply

MARK = "globexmark"
OWNER, TASK, WORKER, SERVICE, STREAM = "globex", f"{MARK}.task", f"{MARK}-worker", f"{MARK}-service", f"{MARK}.log"
OPERATORS = {"admin", "serve:*", "tenant:assert", "metrics"}  # who has these serves more than one site, and is meant to
OPEN = {"health", "healthLive", "healthReady", "readDocument", "readCollection", "readKeySet"}
CREATING = {"declareTask", "registerService", "submitRun", "submitRuns", "createKey", "createToken", "createTicket"}
LAST = ["withdrawTask", "declareTask", "registerService", "revokeToken"]  # what they make is the caller's own
MISSING_ID = "00000000-0000-7000-8000-000000000000"
Pairs = list[tuple[str, str]]


class Property:
    """Everything that a site may have, with the mark in it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ids: dict[str, str] = {}
        self.key = ""
        self.receipt: Pairs = []

    async def fill(self) -> None:
        house = self.house
        self.key = await house.key(*(set(SCOPES) - OPERATORS), site=OWNER, name=f"{MARK}-key")
        await house.define(replace(FREE, name=TASK, site_id=OWNER), site=OWNER)
        seat = await house.worker(TASK, site=OWNER, worker_id=WORKER)
        submitted = {"input": MARK, "labels": {"of": MARK}}
        held = (await house.ask("POST", f"/v1/tasks/{TASK}/runs", submitted, key=self.key)).told["id"]
        await self._uploaded(seat)
        dead = (await house.ask("POST", f"/v1/tasks/{TASK}/runs", submitted, key=self.key)).told["id"]
        async with asyncio.timeout(10):
            await house.finish(await seat.offers.get(), error=MARK)
        kit = {"name": SERVICE, "base_url": "http://127.0.0.1:9", "routes": [
            {"name": MARK, "method": "GET", "gateway_path": f"/{MARK}/x", "upstream_path": "/x"}]}  # fmt: skip
        assert (await house.ask("POST", "/gateway/register", kit, key=self.key)).status == 200
        record = call(1, site_id=OWNER, service=MARK)
        await house.gateway.stores.calls.append([record])
        archive = house.gateway.past.archive
        assert archive is not None
        await archive.record([ended_run(1, tenant=Tenant(site_id=OWNER), task=TASK, labels=(("of", MARK),))])
        token = (await house.ask("POST", "/v1/tokens", {}, key=self.key)).told
        self.ids = {
            "run_id": held, "dead": dead, "task": TASK, "stream": STREAM, "worker_id": WORKER, "name": SERVICE,
            "request_id": record.request_id, "key_id": self.key.split("_")[1], "token_id": token["id"],
            "subject": self.key.split("_")[1], "id": ended_run(1).id, "holder": WORKER, "service": SERVICE,
            "route": MARK, "queue": TASK, "label": f"of={MARK}", "actor": self.key.split("_")[1],
        }  # fmt: skip

    async def _uploaded(self, seat: HandSeat) -> None:
        async with asyncio.timeout(10):
            task = await seat.offers.get()
        content = MARK.encode()
        self.receipt = [("X-Attempt", str(task.attempt)), ("X-Lease-Token", task.lease_token)]
        sums = [("X-Checksum-Sha256", hashlib.sha256(content).hexdigest())]
        path = f"/v1/runs/{task.run_id}/logs/{STREAM}?offset=0"
        reply = await self.house.ask("PUT", path, content, key=self.key, headers=[*self.receipt, *sums])
        assert reply.status == 202, reply.body
        receipt: dict[str, Any] = {"run_id": task.run_id, "attempt": task.attempt, "lease_token": task.lease_token}
        said = Log(**receipt, stream="stdout", lines=[LogLine(seq=1, text=MARK)])
        rooms = self.house.gateway.worker_rooms
        holder = rooms.fleet.find(WORKER)
        assert holder is not None
        assert (await rooms.narrator.record([said], holder))[0] != []

    async def seen(self) -> dict[str, Any]:
        """What its owner reads of it."""
        told = {}
        for path in (
            f"/v1/runs/{self.ids['run_id']}", f"/v1/runs/{self.ids['dead']}", "/v1/runs", "/v1/dead",
            f"/v1/runs/{self.ids['run_id']}/logs", f"/v1/runs/{self.ids['run_id']}/journal", f"/v1/tasks/{TASK}",
            "/gateway/workers", "/gateway/routes", "/gateway/calls", "/gateway/history",
        ):  # fmt: skip
            reply = await self.house.ask("GET", path, key=self.key)
            assert (reply.status, MARK in reply.body.decode()) == (200, True), (path, reply.body)
            told[path] = reply.told
        told["/gateway/workers"] = [(one["id"], one["transport"]) for one in told["/gateway/workers"]["workers"]]
        return told


def bodies(ids: dict[str, str]) -> dict[str, Any]:
    """What is said at each door that takes a body; None where it is the path alone that matters."""
    task = {"targets": [{"kind": "workers"}]}
    return {
        "submitRun": {"input": 1},
        "submitRuns": {"runs": [{"input": 1}]},
        "waitForRuns": {"ids": [ids["run_id"]], "timeout_s": 0},
        "retryDeadLetters": {"ids": [ids["dead"]]},
        "purgeDeadLetters": {"ids": [ids["dead"]]},
        "declareTask": task,
        "registerService": {"name": ids["name"], "base_url": "http://127.0.0.1:9", "routes": []},
        "createKey": {"name": "mine", "scopes": ["read"], "site_id": OWNER},
        "rotateKey": {"overlap_s": 0.0},
        "createToken": {"worker_id": ids["worker_id"]},
        "joinWorker": {"worker_id": ids["worker_id"]},
        "revokeToken": {"token_id": ids["token_id"]},
        "writeRunLog": b"forged",
    }


class Stranger:
    """A credential of another site; `headers` are what it shows."""

    def __init__(self, name: str, headers: Pairs) -> None:
        self.name = name
        self.headers = headers


async def strangers(house: House) -> list[Stranger]:
    """A key, a token and a worker's key of another site, with every scope that a site may give."""
    key = await house.key(*(set(SCOPES) - OPERATORS), site="acme")
    token = (await house.ask("POST", "/v1/tokens", {}, key=key)).told["token"]
    worker = await house.key("worker", site="acme", name="worker")
    shown = {"key": ("x-api-key", key), "token": ("authorization", f"Bearer {token}"), "worker": ("x-api-key", worker)}
    return [Stranger(name, [pair]) for name, pair in shown.items()]


async def operations(house: House) -> list[tuple[str, str, dict[str, Any]]]:
    """Every door, those whose work others would notice last."""
    document = (await house.ask("GET", "/openapi.json", key=await house.key("admin", site="nobody"))).told
    found = [
        (method.upper(), path, told)
        for path, methods in document["paths"].items()
        if path.startswith(("/v1/", "/gateway/", "/health", "/metrics", "/openapi", "/postman")) and MARK not in path
        for method, told in methods.items()
        if not path.startswith(("/v1/tasks/demo.", "/v1/tasks/text."))
    ]
    return sorted(found, key=lambda one: LAST.index(one[2]["operationId"]) if one[2]["operationId"] in LAST else -1)


def filled(path: str, told: dict[str, Any], ids: dict[str, str]) -> str:
    """The path with this site's things in it; the query too, where it names any."""
    query = []
    for parameter in told.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", ids[parameter["name"]])
        elif parameter["in"] == "query" and parameter["name"] in ids:
            query.append(f"{parameter['name']}={ids[parameter['name']]}")
    if told["operationId"] == "writeRunLog":
        query.append("offset=0")
    return path + ("?" + "&".join(query) if query else "")


async def asked(house: House, who: Stranger, method: str, path: str, told: dict[str, Any], **ids: Any) -> Reply:
    operation, receipt = told["operationId"], ids.pop("receipt")
    said = bodies(ids)[operation] if "requestBody" in told else b""
    sums: Pairs = []
    if operation == "writeRunLog":
        sums = [*receipt, ("X-Checksum-Sha256", hashlib.sha256(said).hexdigest())]
    return await house.ask(method, filled(path, told, ids), said, headers=[*who.headers, *sums])


def sameness(reply: Reply, ids: Sequence[str]) -> str:
    text = json.dumps({**reply.told, "trace_id": "", "request_id": ""})
    for one in ids:
        text = text.replace(one, "")
    return text


async def test_nothing_of_another_site_is_found_anywhere(house: House) -> None:
    property_ = Property(house)
    await property_.fill()
    ids, before = property_.ids, await property_.seen()
    missing = {name: MISSING_ID if "id" in name else "no" + text[2:] for name, text in ids.items()}
    missing |= {"worker_id": "no-worker", "dead": MISSING_ID, "stream": STREAM}
    tried = 0
    for method, path, told in await operations(house):
        for who in await strangers(house):
            foreign = await asked(house, who, method, path, told, receipt=property_.receipt, **ids)
            unknown = await asked(house, who, method, path, told, receipt=property_.receipt, **missing)
            tried += 1
            label = f"{who.name} {method} {path} -> {foreign.status} {foreign.body[:300]!r}"
            operation = told["operationId"]
            assert foreign.status < 500, label
            if "{" in path and operation not in CREATING:
                assert (foreign.status, sameness(foreign, list(ids.values()))) == (
                    unknown.status,
                    sameness(unknown, list(missing.values())),
                ), label
                assert foreign.status in (401, 403, 404), label
            if method == "GET" and "{" not in path:
                plain = await house.ask(method, path, headers=who.headers)
                assert MARK not in plain.body.decode(errors="replace"), label
            said_back = foreign.body.decode(errors="replace")
            for own in sorted({*ids.values()}, key=len, reverse=True):
                said_back = said_back.replace(own, "") if foreign.status >= 400 or operation in CREATING else said_back
            assert MARK not in said_back, label
    assert tried >= 3 * 49
    assert await property_.seen() == before


async def test_every_list_shows_its_owner_what_others_do_not_see(house: House) -> None:
    """The mark is really there to be found: its owner finds it at these doors."""
    property_ = Property(house)
    await property_.fill()
    found = set()
    for method, path, told in await operations(house):
        if method == "GET" and told["operationId"] not in OPEN:
            reply = await house.ask("GET", filled(path, told, property_.ids).partition("?")[0], key=property_.key)
            if MARK in reply.body.decode(errors="replace"):
                found.add(told["operationId"])
    assert found >= {
        "readRun", "readJournal", "listRunLogs", "readRunLog", "listHistory", "exportHistory", "listRuns", "whyRun",
        "listDeadLetters", "listTasks", "readTask", "listWorkers", "listServices", "listRoutes", "listCalls",
        "readCall",
    }  # fmt: skip


@pytest.mark.parametrize("operation", ["no.such.door"])
async def test_a_door_that_is_not_known_here_fails(house: House, operation: str) -> None:
    told = {"operationId": operation, "requestBody": {}, "parameters": [{"in": "path", "name": "new_thing"}]}
    with pytest.raises(KeyError):
        bodies(dict.fromkeys(("run_id", "dead", "name", "worker_id", "token_id"), ""))[operation]
    with pytest.raises(KeyError):
        filled("/v1/{new_thing}", told, {})
