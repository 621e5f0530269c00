"""Merging: nothing is lost, nothing clashes, whoever else is there; only what the caller may see."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.routes.openapi.merging import merge, operations_of
from taskgate.routes.openapi.pieces import piece_of
from taskgate.routes.openapi.reading import read_document
from taskgate.routes.policy import Policy
from taskgate.routes.service import Route
from tests.golden.openapi.documents import OWN, check
from tests.rules.routes.openapi.writing import document, encoded, service

NAMES = st.sampled_from(["User", "Item", "Error", "Page«User»", "a.b"])
REFS = st.builds(lambda name: {"$ref": f"#/components/schemas/{name}"}, NAMES)
LEAVES = st.sampled_from([{"type": "string"}, {"type": "integer", "nullable": True}, {}, {"enum": ["$ref"]}])


def schemas(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda items: {"type": "array", "items": items}, inner),
            st.builds(lambda parts: {"type": "object", "properties": parts}, st.dictionaries(NAMES, inner, max_size=3)),
            st.builds(lambda one: {"oneOf": [one, {"type": "string"}], "discriminator": {"propertyName": "k"}}, inner),
            st.builds(lambda one: {"allOf": [one], "x-ref": {"$ref": "#/nowhere"}}, inner),
        ),
        max_leaves=6,
    )


# the other validator does not come to the end of schemas that contain themselves: real ones stand in tests/golden
SCHEMAS = schemas(LEAVES | REFS)
OPERATIONS = st.fixed_dictionaries(
    {"responses": st.builds(lambda schema: {"200": {"content": {"application/json": {"schema": schema}}}}, SCHEMAS)},
    optional={
        "operationId": st.sampled_from(["get", "list", "list users"]),
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "requestBody": st.builds(lambda schema: {"content": {"application/json": {"schema": schema}}}, SCHEMAS),
        "security": st.just([{"key": []}]),
    },
)
PATHS = st.dictionaries(
    st.sampled_from(["/", "/u", "/u/{id}", "/u/{name}/x", "/u/{id}/{other}"]),
    st.dictionaries(st.sampled_from(["get", "post", "delete"]), OPERATIONS, min_size=1),
    min_size=1,
)
DOCUMENTS = st.builds(
    lambda paths, parts, version: document(paths, version=version, components={"schemas": parts}),
    PATHS, st.dictionaries(NAMES, schemas(LEAVES), max_size=4), st.sampled_from(["3.0.3", "3.1.0", "3.2.0"]),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=3), st.sampled_from(["3.1", "3.2"]))
def test_generated_documents(documents: list[Any], version: str) -> None:
    pieces = [piece_of(service(told, name=f"s{number}")) for number, told in enumerate(documents)]
    merged = json.loads(json.dumps(merge(OWN, pieces, version=version)))
    check(merged, version=version)
    given_count = sum(len(read_document(encoded(told)).operations) for told in documents)
    assert len(operations_of(merged)) == given_count
    assert merged == json.loads(json.dumps(merge(OWN, pieces[::-1], version=version)))


def test_one_path_with_two_names_of_its_variable() -> None:
    one = service(None, Route(name="read", method="GET", path="/u/{id}"), name="a")
    other = service(None, Route(name="write", method="POST", path="/u/{name}"), name="b")
    merged = merge(OWN, [piece_of(other), piece_of(one)])
    assert list(merged["paths"]) == ["/u/{id}"]
    assert merged["paths"]["/u/{id}"].keys() == {"get", "post"}
    check(merged)


def test_what_the_key_does_not_allow_is_not_there() -> None:
    paths = {
        "/a": {"get": {"responses": {"200": {"content": {"x/y": {"schema": {"$ref": "#/components/schemas/Secret"}}}}}}}
    }
    told = document(paths, components={"schemas": {"Secret": {"type": "string"}}})
    hidden = Route(name="a", method="GET", path="/a", policy=Policy(scope="admin"))
    plain = Route(name="b", method="GET", path="/b", policy=Policy(scope=""))
    pieces = [piece_of(service(told, hidden, plain, name="s"))]
    merged = merge(OWN, pieces, allows=lambda scope: scope != "admin")
    assert list(merged["paths"]) == ["/b"]
    assert "Secret" not in json.dumps(merged)
    assert merge(OWN, pieces, allows=lambda scope: False)["tags"] == []


def test_tags_stand_under_their_service() -> None:
    told = document(
        {"/a": {"get": {"tags": ["users"]}}, "/b": {"get": {}}}, tags=[{"name": "users", "description": "d"}]
    )
    piece = piece_of(service(told))
    merged = merge({**OWN, "tags": [{"name": "Runs"}]}, [piece])
    assert merged["x-tagGroups"] == [
        {"name": "own", "tags": ["Runs"]}, {"name": "shop", "tags": ["shop", "shop · users"]}
    ]  # fmt: skip
    newer = merge(OWN, [piece], version="3.2")
    assert newer["openapi"] == "3.2.0"
    child = {"name": "shop · users", "description": "d", "parent": "shop", "kind": "nav"}
    assert newer["tags"] == [{"name": "shop", "description": "t", "kind": "nav"}, child]
    assert "x-tagGroups" not in newer


def test_a_note_of_staleness_stands_wherever_operations_do() -> None:
    """A page shows no tag without operations, so the service's own may be seen by nobody."""
    piece = piece_of(service(document({"/a": {"get": {"tags": ["users"]}}}, tags=[{"name": "users"}])))
    merged = merge(OWN, [msgspec.structs.replace(piece, stale="why")])
    assert [tag["description"] for tag in merged["tags"]] == ["t · Stale: why.", "Stale: why."]


def test_a_tag_is_told_once() -> None:
    """The service's own where its document calls one like it; and where the gateway has a group of that name."""
    piece = piece_of(service(document({"/a": {"get": {"tags": ["shop"]}}})))
    merged = merge({**OWN, "tags": [{"name": "shop", "description": "ours"}]}, [piece])
    assert merged["paths"]["/shop/a"]["get"]["tags"] == ["shop"]
    assert merged["tags"] == [{"name": "shop", "description": "ours"}]


def test_operators_alone_see_where_services_are() -> None:
    pieces = [piece_of(service(None, Route(name="a", method="GET", path="/a")))]
    assert "up.test" not in json.dumps(merge(OWN, pieces))
    assert merge(OWN, pieces, operator=True)["tags"][0]["x-upstream"] == "http://up.test"


def test_streams_are_told_in_3_2() -> None:
    event = {"type": "object", "properties": {"n": {"type": "integer"}}}
    answers = {"200": {"content": {"text/event-stream": {"schema": event}, "application/jsonl": {"itemSchema": event}}}}
    piece = piece_of(service(document({"/": {"get": {"responses": answers}}}, version="3.2.0")))
    content = merge(OWN, [piece], version="3.2")["paths"]["/shop/"]["get"]["responses"]["200"]["content"]
    assert content["application/jsonl"] == {"itemSchema": event}
    assert content["text/event-stream"]["itemSchema"]["properties"]["data"]["contentSchema"] == event
    older = merge(OWN, [piece])["paths"]["/shop/"]["get"]["responses"]["200"]["content"]
    assert older["text/event-stream"]["schema"] == event
    assert "itemSchema" not in older["application/jsonl"]


def test_nothing_that_is_put_in_is_changed() -> None:
    own = {**OWN, "paths": {"/u/{id}": {"get": {"operationId": "own", "responses": {}}}}}
    before = json.dumps(own)
    pieces = [piece_of(service(None, Route(name="w", method="POST", path="/u/{name}")))]
    then = repr(pieces)
    merge(own, pieces, version="3.2")
    assert json.dumps(own) == before
    assert repr(pieces) == then
