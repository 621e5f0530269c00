"""Swagger 2.0: where its parts stand afterwards."""

from __future__ import annotations

from typing import Any

from taskgate.routes.openapi.reading import ApiDocument, read_document
from tests.rules.routes.openapi.writing import encoded


def read_2_0(operation: dict[str, Any], **parts: Any) -> ApiDocument:
    told = {"swagger": "2.0", "info": {}, "paths": {"/a/{id}": {"post": operation}}, **parts}
    return read_document(encoded(told))


def operation_of(operation: dict[str, Any], **parts: Any) -> dict[str, Any]:
    found: dict[str, Any] = read_2_0(operation, **parts).tree["paths"]["/a/{id}"]["post"]
    return found


def test_a_body_in_every_media_type() -> None:
    schema = {"$ref": "#/definitions/A"}
    found = operation_of(
        {
            "consumes": ["application/json", "text/xml"],
            "parameters": [{"in": "body", "name": "b", "required": True, "schema": schema}],
        },
        definitions={"A": {"type": "object", "discriminator": "kind", "x-nullable": True}},
    )
    media = {"schema": {"$ref": "#/components/schemas/A"}}
    assert found["requestBody"] == {"required": True, "content": {"application/json": media, "text/xml": media}}
    assert "parameters" not in found


def test_a_discriminator_is_an_object() -> None:
    child = {"allOf": [{"$ref": "#/definitions/A"}]}
    told = read_2_0({}, definitions={"A": {"type": "object", "discriminator": "kind"}, "B": child})
    parent = told.tree["components"]["schemas"]["A"]
    assert parent["discriminator"] == {"propertyName": "kind", "mapping": {"B": "#/components/schemas/B"}}


def test_forms() -> None:
    part = {"in": "formData", "name": "n", "type": "array", "items": {"type": "string"}, "required": True}
    file = {"in": "formData", "name": "f", "type": "file"}
    plain = operation_of({"parameters": [part]})["requestBody"]
    media = plain["content"]["application/x-www-form-urlencoded"]
    assert plain["required"] is True
    assert media["schema"]["required"] == ["n"]
    assert media["encoding"] == {"n": {"style": "form", "explode": False}}
    with_file = operation_of({"parameters": [part, file]})["requestBody"]["content"]
    properties = with_file["multipart/form-data"]["schema"]["properties"]
    assert properties["f"] == {"type": "string", "contentMediaType": "application/octet-stream"}


def test_collections() -> None:
    def told(form: str) -> dict[str, Any]:
        return {"in": "query", "name": form, "type": "array", "items": {"type": "string"}, "collectionFormat": form}

    found = operation_of({"parameters": [told(form) for form in ("csv", "ssv", "pipes", "multi")]})
    styles = {one["name"]: (one["style"], one["explode"]) for one in found["parameters"]}
    assert styles == {
        "csv": ("form", False), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False),
        "multi": ("form", True),
    }  # fmt: skip


def test_shared_parameters_and_answers() -> None:
    shared = {"P": {"in": "query", "name": "p", "type": "integer", "maximum": 5, "exclusiveMaximum": True}}
    answers = {"R": {"description": "r", "schema": {"type": "string"}, "examples": {"application/json": "x"}}}
    found = read_2_0(
        {
            "parameters": [{"$ref": "#/parameters/P"}, {"$ref": "#/parameters/Q"}],
            "responses": {200: {"$ref": "#/responses/R"}},
        },
        parameters=shared,
        responses=answers,
    )
    operation = found.tree["paths"]["/a/{id}"]["post"]
    assert operation["parameters"] == [
        {"name": "p", "in": "query", "schema": {"type": "integer", "exclusiveMaximum": 5}}
    ]
    assert operation["responses"] == {"200": {"$ref": "#/components/responses/R"}}
    media = found.tree["components"]["responses"]["R"]["content"]["application/json"]
    assert media == {"schema": {"type": "string"}, "example": "x"}
    assert found.operations[0].has_example


def test_security() -> None:
    told = {
        "b": {"type": "basic"},
        "o": {"type": "oauth2", "flow": "accessCode", "tokenUrl": "t", "scopes": {"s": "d"}},
    }
    found = read_2_0({}, securityDefinitions=told).tree["components"]["securitySchemes"]
    assert found["b"] == {"type": "http", "scheme": "basic"}
    assert found["o"]["flows"] == {"authorizationCode": {"scopes": {"s": "d"}, "tokenUrl": "t"}}
