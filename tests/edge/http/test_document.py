"""One document for everything, and only what the caller may see; the page comes from our own files."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from taskgate.edge.http.document import OWN_TAGS
from taskgate.runs.task import TaskDefinition
from tests.edge.http.house import ECHO, House

VERBS = {"get", "post", "put", "delete", "patch"}


async def document(house: House, *scopes: str, query: str = "", site: str = "acme") -> dict[str, Any]:
    reply = await house.ask("GET", f"/openapi.json{query}", key=await house.key(*scopes, site=site))
    assert reply.status == 200
    told: dict[str, Any] = reply.told
    return told


def operations(told: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in told["paths"].items()
        for method, operation in item.items()
        if method in VERBS
    }


async def test_what_is_served_is_told_and_the_reverse(house: House) -> None:
    told = operations(await document(house, "admin"))
    tasks = {key for key, operation in told.items() if operation["operationId"].startswith("run.")}
    served = {(method, path) for method, path in house.door.routes() if not path.startswith("/docs")}
    assert told.keys() - tasks == served
    assert tasks == {("POST", "/v1/tasks/demo.echo/runs"), ("POST", "/v1/tasks/demo.free/runs")}


@pytest.mark.parametrize(("query", "version"), [("", "3.1.1"), ("?version=3.1", "3.1.1"), ("?version=3.2", "3.2.0")])
async def test_the_document_holds_together(house: House, query: str, version: str) -> None:
    """Unique operationIds, references that lead somewhere, every path variable declared."""
    told = await document(house, "admin", query=query)
    assert told["openapi"] == version
    found = operations(told)
    ids = [operation["operationId"] for operation in found.values()]
    assert len(ids) == len(set(ids))
    for reference in set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(told))):
        assert resolved(told, reference) is not None
    tags = {tag["name"] for tag in told["tags"]}
    for (_, path), operation in found.items():
        variables = set(re.findall(r"{(\w+)}", path))
        declared = {part["name"] for part in operation.get("parameters", ()) if part["in"] == "path"}
        assert declared == variables
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert all(response["description"] for response in operation["responses"].values())
    assert re.search(r"https?://", json.dumps(told)) is None


def resolved(told: dict[str, Any], reference: str) -> Any:
    node: Any = told
    assert reference.startswith("#/")
    for step in reference[2:].split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


async def test_other_versions_are_refused(house: House) -> None:
    key = await house.key("read")
    for query in ("?version=2.0", "?version=", "?verison=3.1"):
        assert (await house.ask("GET", f"/openapi.json{query}", key=key)).status == 422


async def test_events_are_told_in_3_2(house: House) -> None:
    told = await document(house, "read", query="?version=3.2")
    content = told["paths"]["/v1/runs/{run_id}/journal"]["get"]["responses"]["200"]["content"]
    assert content["text/event-stream"]["itemSchema"]["properties"]["event"]
    assert (await document(house, "read"))["paths"]["/v1/runs/{run_id}/journal"] != told["paths"][
        "/v1/runs/{run_id}/journal"
    ]


async def test_each_task_has_its_own_operation(house: House) -> None:
    told = await document(house, "submit")
    operation = told["paths"]["/v1/tasks/demo.echo/runs"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert content["schema"]["properties"]["input"] == {"$ref": "#/components/schemas/task.demo.echo.input"}
    assert told["components"]["schemas"]["task.demo.echo.input"]["required"] == ["n"]
    assert content["examples"]["example 1"]["value"] == {"input": {"n": 1}}
    assert operation["summary"] == "Gives back what it got."
    assert operation["tags"] == ["Run · demo"]
    ended = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "task.demo.echo.output" in json.dumps(ended)
    sent = await house.ask(
        "POST", "/v1/tasks/demo.echo/runs", content["examples"]["example 1"]["value"], key=await house.key("submit")
    )
    assert sent.status == 202


async def test_every_group_of_our_own_has_words_and_stands_last(house: House) -> None:
    tags = (await document(house, "admin"))["tags"]
    places = [tag["name"] in OWN_TAGS for tag in tags]
    assert places == sorted(places)
    assert {tag["name"] for tag in tags if tag["description"] == "Tasks that you may run."} == {"Run · demo"}


async def test_only_what_the_caller_may_see(house: House) -> None:
    """Filtered by scope and by site."""
    await house.define(msgspec.structs.replace(ECHO, name="secret.task"), site="globex")
    reader = operations(await document(house, "read"))
    assert ("GET", "/v1/runs") in reader
    assert not [path for _, path in reader if path.endswith("/runs") and path != "/v1/runs"]
    assert ("POST", "/v1/keys") not in reader
    submitter = await document(house, "submit")
    assert ("GET", "/v1/runs") not in operations(submitter)
    assert "secret.task" not in json.dumps(submitter)
    assert "secret.task" in json.dumps(await document(house, "submit", site="globex"))


async def test_a_poisoned_description_stays_text(house: House) -> None:
    """S29: what a worker says is carried as JSON text and nothing else."""
    poison = "<script>alert(1)</script>\n[x](javascript:alert(1)) \x1b[31m\u202e"
    evil = TaskDefinition(
        name="evil.task",
        description=poison,
        input_schema=msgspec.Raw(b'{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string"}}}'),
    )
    await house.define(evil)
    told = await document(house, "submit")
    operation = told["paths"]["/v1/tasks/evil.task/runs"]["post"]
    assert poison in operation["description"]
    assert operation["summary"] == "<script>alert(1)</script>"
    schema = told["components"]["schemas"]["task.evil.task.input"]
    assert schema["properties"]["a"] == {"$ref": "#/components/schemas/task.evil.task.input/$defs/a"}


async def test_the_page_names_no_address_outside(house: House) -> None:
    """All assets are local, and the policy forbids everything else."""
    page = await house.ask("GET", "/docs")
    text = page.body.decode()
    wanted = set(re.findall(r'(?:src|href)="([^"]+)"', text))
    assert wanted
    for asset in wanted:
        assert asset.startswith("/docs/")
        assert (await house.ask("GET", asset)).status == 200
    for name in ("page.html", "page.js", "page.css"):
        own = files("taskgate.edge.http").joinpath("assets", name).read_text(encoding="utf-8")
        assert re.search(r"https?:|//[a-z0-9-]+\.", own) is None
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert re.search(r"<script(?![^>]*src=)[^>]*>|style=|onclick", text) is None


async def test_assets_are_cached_by_content(house: House) -> None:
    first = await house.ask("GET", "/docs/swagger-ui.css")
    again = await house.ask("GET", "/docs/swagger-ui.css", headers=[("If-None-Match", first.headers["etag"])])
    assert (again.status, again.body) == (304, b"")
    assert "Apache License" in (await house.ask("GET", "/docs/LICENSE")).body.decode()
