"""What is sloppy is mended; discriminators say what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.routes.openapi.reading import read_document
from tests.rules.routes.openapi.writing import encoded, read, schema_of, with_schema

TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "number", "default": "0.2"}, {"type": "number"}),
    ({"type": "integer", "default": 2}, {"type": "integer", "default": 2}),
    ({"type": "integer", "default": 1e308}, {"type": "integer", "default": 1e308}),
    ({"type": ["string", "null"], "default": None}, {"type": ["string", "null"], "default": None}),
    ({"type": "any"}, {}),
    ({"type": ["string", "date"]}, {"type": ["string"]}),
    ({"required": True, "properties": {"a": {"required": False}}}, {"properties": {"a": {}}}),
    ({"required": ["a", "a"]}, {"required": ["a"]}),
    ({"multipleOf": 0}, {}),
    ({"allOf": []}, {}),
    ({"dependentRequired": {"a": "b"}}, {}),
    ({"$defs": {"A": {}}, "definitions": {}}, {}),
    ({"discriminator": {"mapping": {}}}, {}),
    ({"discriminator": "kind"}, {}),
    ({"enum": "a"}, {}),
    ({"x-note": {"$ref": "#/nowhere"}}, {"x-note": {"$ref": "#/nowhere"}}),
]


@pytest.mark.parametrize(("sloppy", "mended"), TABLE)
def test_schemas(sloppy: dict[str, Any], mended: dict[str, Any]) -> None:
    assert schema_of(with_schema(sloppy)) == mended


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"name": "a", "in": "query"}, {"name": "a", "in": "query", "schema": {}}),
    ({"name": "a", "in": "body", "schema": {}}, None),
    ({"in": "query", "schema": {}}, None),
    (
        {"name": "a", "in": "query", "schema": {}, "content": {"a/b": {}}},
        {"name": "a", "in": "query", "schema": {}},
    ),
    (
        {"name": "a", "in": "query", "style": "simple", "schema": {}},
        {"name": "a", "in": "query", "schema": {}},
    ),
    (
        {"name": "a", "in": "query", "content": {"a/b": {}}, "style": "form"},
        {"name": "a", "in": "query", "content": {"a/b": {}}},
    ),
]


@pytest.mark.parametrize(("sloppy", "mended"), PARAMETERS)
def test_parameters(sloppy: dict[str, Any], mended: dict[str, Any] | None) -> None:
    operation = read({"/": {"get": {"parameters": [sloppy]}}}).tree["paths"]["/"]["get"]
    assert operation["parameters"] == ([] if mended is None else [mended])


def test_answers_have_a_description_and_a_status() -> None:
    told = read({"/": {"get": {"responses": {"200": {}, "2xx": {}, "ok": {}, "default": {}}}}})
    assert told.tree["paths"]["/"]["get"]["responses"] == {"200": {"description": ""}, "default": {"description": ""}}
    none = read({"/": {"get": {}}}).tree["paths"]["/"]["get"]["responses"]
    assert none == {"default": {"description": "Not told."}}


def test_discriminators_get_a_mapping() -> None:
    choice = {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]}
    told = with_schema(
        {**choice, "discriminator": {"propertyName": "kind", "mapping": {"dog": "Dog", "bird": "Bird.json"}}},
        Cat={},
        Dog={},
    )
    assert schema_of(told)["discriminator"]["mapping"] == {
        "dog": "#/components/schemas/Dog",
        "Cat": "#/components/schemas/Cat",
    }


def test_children_are_found_over_generations() -> None:
    def child(of: str) -> dict[str, Any]:
        return {"allOf": [{"$ref": f"#/components/schemas/{of}"}]}

    told = with_schema({}, P={"discriminator": {"propertyName": "kind"}}, C=child("P"), G=child("C"))
    parent = read_document(encoded(told)).tree["components"]["schemas"]["P"]
    assert list(parent["discriminator"]["mapping"]) == ["C", "G"]
