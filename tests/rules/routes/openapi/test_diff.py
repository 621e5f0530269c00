"""What breaks callers, by direction; and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.routes.openapi.diff import breaking_changes, changes
from taskgate.routes.openapi.reading import ApiDocument, read_document
from tests.golden.openapi.documents import HERE, NAMES
from tests.rules.routes.openapi.writing import read

S, I = {"type": "string"}, {"type": "integer"}  # noqa: E741


def body(schema: Any, *, required: bool = False) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def answer(schema: Any, status: str = "200", media: str = "application/json") -> dict[str, Any]:
    return {"responses": {status: {"content": {media: {"schema": schema}}}}}


def query(schema: Any, *, required: bool = False, name: str = "q") -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "query", "schema": schema, "required": required}]}


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


BREAKS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, query(S, required=True), "query parameter q: is new and required"),
    (query(S), query(S, required=True), "q: is required"),
    (query({"type": ["string", "integer"]}), query(S), "no longer takes integer"),
    (query({"type": "number"}), query(I), "no longer takes number"),
    (query({}), query(S), "no longer takes"),
    (query({"enum": ["a", "b"]}), query({"enum": ["a"]}), 'no longer takes "b"'),
    (query(S), query({**S, "enum": ["a"]}), "takes certain values only"),
    (query(S), query({**S, "maxLength": 3}), "maxLength is 3"),
    (query({**I, "minimum": 1}), query({**I, "minimum": 2}), "minimum is 2, was 1"),
    (query(S), query({**S, "pattern": "a"}), "pattern is a"),
    (body(thing()), body(thing("a", a=S)), ".a: is required"),
    (body(thing(a=S)), body(thing("a", a=S)), ".a: is required"),
    (body(thing(a=thing(b=S))), body(thing(a=thing(b=I))), ".a.b: no longer takes string"),
    (body(thing(a=S)), body({**thing(a=S), "additionalProperties": False}), "takes no other properties"),
    (body({"type": "array", "items": S}), body({"type": "array", "items": I}), "[]: no longer takes string"),
    (body({"oneOf": [S, I]}), body({"oneOf": [S]}), "no longer takes"),
    (body(S), body(S, required=True), "body: is required"),
    (answer(S), answer(S, "201"), "answer 200: is gone"),
    (answer(S), answer(S, media="text/plain"), "application/json is gone"),
    (answer(thing(a=S)), answer(thing()), ".a: is gone"),
    (answer(thing("a", a=S)), answer(thing(a=S)), ".a: is no longer always there"),
    (answer(S), answer({"type": ["string", "null"]}), "may be null"),
    (answer({"enum": ["a"]}), answer({"enum": ["a", "b"]}), 'may be "b"'),
    (answer({**S, "enum": ["a"]}), answer(S), "may be other than the listed values"),
    (answer({"oneOf": [S]}), answer({"oneOf": [S, thing(a=S)]}), "may be"),
    ({"operationId": "a"}, {"operationId": "b"}, "operationId is b, was a"),
    ({"operationId": "a"}, {}, "operationId is none, was a"),
    ({"security": []}, {"security": [{"key": []}]}, "no longer opens with nothing"),
    ({"security": [{"key": []}]}, {"security": [{"other": []}]}, "no longer opens with apiKey header k"),
]
FINE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, query(S)),
    (query(S), {}),
    (query(S, required=True), query(S)),
    (query(I), query({"type": "number"})),
    (query({"enum": ["a"]}), query({"enum": ["a", "b"]})),
    (query({**S, "maxLength": 3}), query(S)),
    (body(thing("a", a=S)), body(thing(a=S, b=S))),
    (body({"oneOf": [S]}), body({"oneOf": [S, I]})),
    (body(S, required=True), body(S)),
    (answer(thing(a=S)), answer(thing("a", a=S, b=S))),
    (answer({"type": ["string", "null"]}), answer(S)),
    (answer({"enum": ["a", "b"]}), answer({"enum": ["a"]})),
    (answer({"oneOf": [S, I]}), answer({"oneOf": [I]})),
    ({}, {"operationId": "a"}),
    ({"security": [{"key": []}]}, {"security": []}),
    ({"security": [{"key": []}]}, {"security": [{"other": []}, {"key": []}]}),
    (query({**S, "description": "a"}), query({**S, "description": "b"})),
    (body({"$ref": "#/components/schemas/A"}), body(thing(a=S))),
]
COMPONENTS = {
    "schemas": {"A": thing(a=S)},
    "securitySchemes": {
        "key": {"type": "apiKey", "in": "header", "name": "k"},
        "other": {"type": "http", "scheme": "basic"},
    },
}


def told(operation: dict[str, Any]) -> ApiDocument:
    return read({"/a": {"post": {**answer({}), **operation}}}, components=COMPONENTS)


@pytest.mark.parametrize(("old", "new", "said"), BREAKS)
def test_what_breaks(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    found = breaking_changes(told(old), told(new))
    assert [one for one in found if said in one], found
    assert all(one.startswith("POST /a") for one in found)


@pytest.mark.parametrize(("old", "new"), FINE)
def test_what_does_not(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaking_changes(told(old), told(new)) == []


def test_paths_come_and_go() -> None:
    old, new = read({"/a/{id}": {"get": {}}, "/b": {"get": {}}}), read({"/a/{x}": {"get": {}}, "/c": {"get": {}}})
    assert breaking_changes(old, new) == ["GET /b: is gone"]
    assert [str(change) for change in changes(old, new) if not change.breaking] == ["GET /c: is new"]


@pytest.mark.parametrize("name", NAMES)
def test_a_document_does_not_differ_from_itself(name: str) -> None:
    data = (HERE / "sources" / name).read_bytes()
    assert changes(read_document(data), read_document(data)) == []


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_any_two_documents_can_be_compared(one: str, other: str) -> None:
    pair = [read_document((HERE / "sources" / name).read_bytes()) for name in (one, other)]
    assert changes(*pair) == changes(*pair)
