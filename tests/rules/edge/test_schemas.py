"""Other people's schemas inside our document: references moved, nothing fetched, nothing too deep."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskgate.edge.http.schemas import components, embedded

PLACE = "#/components/schemas/task.a.input"


def moved(schema: object) -> Any:
    return embedded(msgspec.Raw(json.dumps(schema).encode()), "task.a.input")


def test_local_references_follow_the_schema() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://evil.example/x",
        "$defs": {"point": {"type": "array", "items": {"$ref": "#/$defs/number"}}, "number": {"type": "number"}},
        "properties": {"at": {"$ref": "#/$defs/point"}, "$ref": {"type": "string"}, "again": {"$ref": "#"}},
        "default": {"$ref": "#/just/a/value"},
    }
    told = moved(schema)
    assert told["properties"]["at"] == {"$ref": f"{PLACE}/$defs/point"}
    assert told["properties"]["again"] == {"$ref": PLACE}
    assert told["properties"]["$ref"] == {"type": "string"}
    assert told["$defs"]["point"]["items"] == {"$ref": f"{PLACE}/$defs/number"}
    assert told["default"] == {"$ref": "#/just/a/value"}
    assert "$id" not in told


def test_references_to_elsewhere_are_cut() -> None:
    told = moved(
        {"properties": {"a": {"$ref": "https://evil.example/schema.json"}, "b": {"$ref": "file:///etc/passwd"}}}
    )
    assert told == {"properties": {"a": {}, "b": {}}}


def test_a_bomb_is_replaced() -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"items": deep}
    assert moved(deep) == {}
    assert embedded(msgspec.Raw(b'{"items":' * 10**5), "x") == {}


WORDS = st.sampled_from(["$ref", "properties", "items", "const", "$defs", "x"])
SCHEMAS = st.recursive(
    st.none() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(WORDS, part),
    max_leaves=20,
)


@given(SCHEMAS)
def test_anything_comes_out_as_json(schema: object) -> None:
    json.dumps(moved(schema))


def test_every_reference_of_our_own_leads_somewhere() -> None:
    schemas = components()
    text = json.dumps(schemas)
    wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted
    assert wanted <= schemas.keys()
