"""Examples: what the author gave wins, the rest is made; the same every time; bounded."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskgate.routes.openapi.examples import MAX_LENGTH, NOTHING, ExampleMaker

ADDRESS = {"type": "object", "properties": {"city": {"type": "string", "examples": ["Ulm"]}}}
NODE = {"type": "object", "required": ["next"], "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/c/Node"}}}
TABLE: list[tuple[Any, Any]] = [
    ({"const": 3, "enum": [1]}, 3),
    ({"enum": ["a", "b"]}, "a"),
    ({"default": False, "type": "boolean"}, False),
    ({"type": "string", "examples": ["x", "y"]}, "x"),
    ({"type": ["null", "integer"]}, 1),
    ({"type": "string", "format": "date-time"}, "2026-01-31T12:00:00Z"),
    ({"type": "string", "pattern": "^[A-Z]{3}-\\d{2}$"}, "AAA-11"),
    ({"type": "string", "minLength": 8}, "stringgg"),
    ({"type": "string", "maxLength": 3}, "str"),
    ({"type": "integer", "minimum": 5}, 5),
    ({"type": "integer", "exclusiveMinimum": 5, "maximum": 6}, 6),
    ({"type": "integer", "multipleOf": 7, "minimum": 8}, 14),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
    ({"type": "array", "items": {"$ref": "#/c/Node"}}, [{"n": 1, "next": None}]),
    ({"type": "array", "maxItems": 0, "items": {"type": "integer"}}, []),
    ({"$ref": "#/c/Address"}, {"city": "Ulm"}),
    ({"$ref": "#/c/Node"}, {"n": 1, "next": None}),
    ({"allOf": [{"$ref": "#/c/Address"}, {"properties": {"zip": {"type": "integer"}}}]}, {"city": "Ulm", "zip": 1}),
    ({"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]}, "2026-01-31"),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"name": 1}),
    ({"type": "object"}, {}),
    ({"type": "null"}, None),
]


@pytest.mark.parametrize(("schema", "example"), TABLE)
def test_table(schema: Any, example: Any) -> None:
    maker = ExampleMaker({"Address": ADDRESS, "Node": NODE})
    assert maker.example(schema) == example
    assert type(maker.example(schema)) is type(example)


@pytest.mark.parametrize("schema", [{}, True, False, None, {"$ref": "#/c/Missing"}])
def test_nothing_to_show(schema: Any) -> None:
    assert ExampleMaker({}).example(schema) is NOTHING


def test_what_the_reader_may_not_send_is_left_out() -> None:
    schema = {"properties": {"id": {"type": "integer", "readOnly": True}, "pin": {"type": "string", "writeOnly": True}}}
    assert ExampleMaker({}).example(schema, hidden="readOnly") == {"pin": "string"}
    assert ExampleMaker({}).example(schema, hidden="writeOnly") == {"id": 1}


def test_the_purse_bounds_the_work() -> None:
    schemas = {f"S{n}": {"properties": {k: {"$ref": f"#/c/S{n + 1}"} for k in "abcdefgh"}} for n in range(30)}
    made = ExampleMaker(schemas).example({"$ref": "#/c/S0"})
    assert len(json.dumps(made)) < 1_000_000


NUMBERS = st.integers(-100, 100)
SCALARS = st.one_of(
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, NUMBERS, st.integers(0, 9)),
    st.builds(lambda low, step: {"type": "integer", "minimum": low, "multipleOf": step}, NUMBERS, st.integers(1, 9)),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, NUMBERS),
    st.builds(lambda high: {"type": "number", "exclusiveMaximum": high}, NUMBERS),
    st.builds(
        lambda least, span: {"type": "string", "minLength": least, "maxLength": least + span},
        st.integers(0, MAX_LENGTH // 2), st.integers(0, 50),
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": [1, "a"]}, {"type": "string", "format": "uuid"}]),
)  # fmt: skip
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(lambda items, n: {"type": "array", "items": items, "minItems": n}, inner, st.integers(0, 3)),
        st.builds(
            lambda parts: {"type": "object", "properties": parts, "required": list(parts)},
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
        ),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
@example({"anyOf": [{"type": "null"}, {"type": "null"}]})
def test_examples_fit_their_schemas(schema: dict[str, Any]) -> None:
    made = ExampleMaker({}).example(schema)
    assert made == ExampleMaker({}).example(schema)
    jsonschema_rs.validate(schema, made)
