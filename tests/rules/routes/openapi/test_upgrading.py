"""Schemas of 3.0 in the words of 3.1."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.routes.openapi.writing import schema_of, with_schema

A = "#/components/schemas/A"
NULL = {"type": "null"}
TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "string", "nullable": False}, {"type": "string"}),
    ({"nullable": True}, {}),
    ({"nullable": True, "allOf": [{"type": "object"}]}, {"anyOf": [{"allOf": [{"type": "object"}]}, NULL]}),
    (
        {"nullable": True, "description": "d", "oneOf": [{"type": "string"}]},
        {"description": "d", "anyOf": [{"oneOf": [{"type": "string"}]}, NULL]},
    ),
    ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 3}),
    ({"type": "integer", "minimum": 3, "exclusiveMinimum": False}, {"type": "integer", "minimum": 3}),
    ({"type": "integer", "maximum": 3, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 3}),
    ({"type": "integer", "exclusiveMaximum": True}, {"type": "integer"}),
    ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
    ({"type": "string", "example": None}, {"type": "string", "examples": [None]}),
    ({"type": "string", "format": "binary"}, {"type": "string", "contentMediaType": "application/octet-stream"}),
    ({"type": "string", "format": "base64"}, {"type": "string", "contentEncoding": "base64"}),
    ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
    ({"items": {"type": "string", "nullable": True}}, {"items": {"type": ["string", "null"]}}),
    ({"$ref": A, "minimum": 3, "description": "d"}, {"$ref": A, "description": "d"}),
    ({"properties": {"nullable": {"type": "string"}}}, {"properties": {"nullable": {"type": "string"}}}),
    ({"default": {"nullable": True, "$ref": "x"}}, {"default": {"nullable": True, "$ref": "x"}}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), TABLE)
def test_table(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert schema_of(with_schema(old, version="3.0.3", A={"type": "integer"})) == new


def test_3_1_is_left_alone() -> None:
    told = {"type": ["string", "null"], "exclusiveMinimum": 3, "nullable": True}
    assert schema_of(with_schema(told)) == told
