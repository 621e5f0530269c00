"""One OpenAPI document: our own API, every task that the caller may submit, and the routes of every service.

It is put together per caller: an operation whose scope the caller lacks is left out, and so is another site's task
or service.
3.1 unless 3.2 is asked for; 3.2 adds what a stream's events look like and the order of tags.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from taskgate import __version__
from taskgate.edge.http import asking
from taskgate.edge.http.call import Call
from taskgate.edge.http.described import SCOPE
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.merged_services import Answers, ServicePieces
from taskgate.edge.http.operations import Operations, raw_operations
from taskgate.edge.http.postman import collection_of
from taskgate.edge.http.schemas import components
from taskgate.edge.http.task_pages import operation_of, path_of, schemas_of, tag_of
from taskgate.errors import InvalidInput
from taskgate.identity.principal import Principal
from taskgate.routes.openapi.merging import VERSIONS, merge
from taskgate.runs.task import TaskDefinition

Form = Callable[[dict[str, Any]], dict[str, Any]]
OWN_TAGS = {
    "Services": "HTTP services that have registered themselves, and their routes.",
    "Runs": "Durable work: accepted once, done under leases, ended once.",
    "Tasks": "What can be done, and how.",
    "Workers": "Who does it.",
    "Dead letters": "Runs that failed for good.",
    "Gateways": "Which gateways there are.",
    "Queues": "How much waits, and who could take it.",
    "Calls": "Recorded calls of routes.",
    "History": "Ended runs of long ago.",
    "Audit": "Who did what.",
    "Keys": "Who may call.",
    "Gateway": "Health, and this document.",
}
SECURITY = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
JOURNAL = "/v1/runs/{run_id}/journal"
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["log", "progress", "token", "state", "result", "end"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Entry"},
        },
    },
}


class DocumentEndpoint:
    """`GET /openapi.json` and `GET /postman.json`."""

    def __init__(self, doors: Doors, admin: FastAPI) -> None:
        self._doors = doors
        self._admin = admin
        self._own: Operations = {}
        self._schemas: dict[str, Any] = {}
        self._services = ServicePieces(doors)
        self._answers = Answers()

    async def read(self, call: Call, _: str) -> None:
        """The document as this caller may see it."""
        version = asking.query_of(call, "version").get("version", "3.1")
        if version not in VERSIONS:
            raise InvalidInput("version is 3.1 or 3.2", extra={"parameter": "version"})
        await call.answer(200, await self._body(asking.caller_of(call), version, _as_it_is))

    async def collection(self, call: Call, _: str) -> None:
        """The same as a Postman collection."""
        asking.query_of(call)
        await call.answer(200, await self._body(asking.caller_of(call), "3.1", collection_of))

    async def _body(self, principal: Principal, version: str, form: Form) -> bytes:
        if not self._own:
            self._describe()
        tasks = self._doors.definitions.visible(principal.site_id) if principal.may("submit") else []
        number = self._doors.registry.snapshot.number
        who = (principal.site_id, principal.scopes, version, form)
        known = self._answers.find(who, number=number, tasks=tasks)
        if known is not None:
            return known
        own = merged(self._own, self._schemas, principal=principal, tasks=tasks, version=version)
        pieces = await self._services.seen_by(principal.site_id)
        operator = principal.may("admin")
        document = merge(own, pieces, version=version, allows=_allowed(principal), operator=operator)
        document["tags"].sort(key=lambda tag: tag["name"] in OWN_TAGS)  # how to operate the gateway comes last
        body = msgspec.json.encode(form(document))
        self._answers.keep(who, body, number=number, tasks=tasks)
        return body

    def _describe(self) -> None:
        """What never changes, put together when it is first asked for."""
        told = get_openapi(title="", version="", routes=self._admin.routes)
        self._schemas = {**_parameter_schemas(told), **components()}
        self._own = {**raw_operations(), **_operations_of(told)}


def _as_it_is(document: dict[str, Any]) -> dict[str, Any]:
    return document


def _allowed(principal: Principal) -> Callable[[str], bool]:
    """Whether a key allows a route of that scope; "" is for every key."""
    return lambda scope: not scope or principal.may(scope)


def merged(
    own: Operations, schemas: dict[str, Any], *, principal: Principal, tasks: Iterable[TaskDefinition], version: str
) -> dict[str, Any]:
    """The document for one caller."""
    paths: dict[str, dict[str, Any]] = {}
    found = dict(schemas)
    tags: dict[str, str] = {}
    for definition in tasks:
        paths[path_of(definition)] = {"post": _shown(operation_of(definition, schemas["SubmitBody"]))}
        found.update(schemas_of(definition))
        tags.setdefault(tag_of(definition), "")
    for (method, path), operation in own.items():
        if not operation[SCOPE] or principal.may(operation[SCOPE]):
            paths.setdefault(path, {})[method.lower()] = _shown(operation)
            tags.update(dict.fromkeys(operation["tags"], ""))
    document: dict[str, Any] = {
        "openapi": VERSIONS[version],
        "info": {
            "title": "taskgate",
            "version": __version__,
            "description": "One door for AI work: every task that you may run and every route that you may call, "
            "each as an operation of its own, and behind them the gateway's own API.",
        },
        "security": [{name: []} for name in SECURITY],
        "tags": [_tag(name, version) for name in sorted(tags, key=_rank)],
        "paths": paths,
        "components": {"securitySchemes": SECURITY, "schemas": found},
    }
    if version == "3.2":
        _tell_events(document)
    return document


def _shown(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation as it stands in the document: how it is guarded is said in words and by `security`."""
    shown = {name: part for name, part in operation.items() if name != SCOPE}
    if operation["operationId"].startswith("health"):
        shown["security"] = [{}, *({name: []} for name in SECURITY)]
    return shown


def _rank(tag: str) -> tuple[int, str]:
    """Tasks first, by name; then our own tags in their order."""
    own = list(OWN_TAGS)
    return (own.index(tag) + 1, "") if tag in own else (0, tag)


def _tag(name: str, version: str) -> dict[str, Any]:
    tag = {"name": name, "description": OWN_TAGS.get(name, "Tasks that you may run.")}
    return {**tag, "kind": "nav"} if version == "3.2" else tag


def _tell_events(document: dict[str, Any]) -> None:
    journal = document["paths"].get(JOURNAL)
    if journal is not None:
        told = copy.deepcopy(journal)
        told["get"]["responses"]["200"]["content"]["text/event-stream"] = {"itemSchema": EVENT}
        document["paths"][JOURNAL] = told


def _parameter_schemas(told: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI's parameters refer to, without the shapes of its own errors."""
    schemas = told.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if not name.endswith("ValidationError")}


def _operations_of(told: dict[str, Any]) -> Operations:
    """What FastAPI serves: our own description, with the parameters that FastAPI reads."""
    found: Operations = {}
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            kept = {name: part for name, part in operation.items() if name != "responses"}
            responses = {
                s: r for s, r in operation["responses"].items() if r.get("description") != "Successful Response"
            }
            found[(method.upper(), path)] = {**kept, "responses": responses}
    return found
