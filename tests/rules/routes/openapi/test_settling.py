"""Every reference leads to a component of this document, or is gone."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.routes.openapi.reading import read_document
from tests.rules.routes.openapi.writing import encoded, read, schema_of, with_schema

A = {"type": "object", "properties": {"b": {"type": "integer"}}}


@pytest.mark.parametrize(
    "reference",
    [
        "http://evil.test/a.json", "https://169.254.169.254/latest", "file:///etc/passwd", "other.json#/A",
        "//evil.test/a", "#/components/schemas/Missing", "#/nowhere", "#missing", "",
        "#/paths/~1/get/responses/200/description",
    ],
)  # fmt: skip
def test_what_leads_nowhere_allows_anything(reference: str) -> None:
    told = with_schema({"$ref": reference, "description": "kept"}, A=A)
    assert schema_of(told) == {"description": "kept"}
    assert read_document(encoded(told)).warnings


def test_pointers_into_components_become_components() -> None:
    told = with_schema({"$ref": "#/components/schemas/A/properties/b"}, A=A)
    tree = read_document(encoded(told)).tree
    reference = schema_of(told)["$ref"]
    assert tree["components"]["schemas"][reference.rsplit("/", 1)[-1]] == {"type": "integer"}


def test_pointers_into_paths_become_components() -> None:
    told = with_schema(A)
    pointer = "#/paths/~1/get/responses/200/content/application~1json/schema"
    told["paths"]["/other"] = {"get": {"responses": {"200": {"$ref": "#/paths/~1/get/responses/200"}}}}
    told["paths"]["/third"] = {
        "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": pointer}}}}}
    }
    tree = read_document(encoded(told)).tree
    response = tree["paths"]["/other"]["get"]["responses"]["200"]["$ref"]
    assert tree["components"]["responses"][response.rsplit("/", 1)[-1]]["content"]["application/json"]["schema"] == A


def test_anchors_and_ids_are_found() -> None:
    for reference in ("#here", "https://x.test/b"):
        told = with_schema({"$ref": reference}, B={**A, "$anchor": "here", "$id": "https://x.test/b"})
        name = schema_of(told)["$ref"].rsplit("/", 1)[-1]
        assert read_document(encoded(told)).tree["components"]["schemas"][name] == A


def test_circles_of_bare_references_are_opened() -> None:
    told = with_schema(
        {"$ref": "#/components/schemas/A"}, A={"$ref": "#/components/schemas/B"}, B={"$ref": "#/components/schemas/A"}
    )
    schemas = read_document(encoded(told)).tree["components"]["schemas"]
    assert {} in schemas.values()


def test_path_items_are_drawn_in() -> None:
    item = {"get": {"operationId": "g"}, "summary": "s"}
    told = read(
        {"/a": {"$ref": "#/components/pathItems/I"}, "/b": {"$ref": "#/paths/~1a"}},
        components={"pathItems": {"I": item}},
    )
    assert {one.path for one in told.operations} == {"/a", "/b"}
    assert read({"/a": {"$ref": "#/paths/~1a"}}).operations == ()


def test_a_parameter_that_leads_nowhere_is_gone() -> None:
    told = read(
        {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/P"}], "responses": {"200": {"$ref": "x"}}}}}
    )
    operation: dict[str, Any] = told.tree["paths"]["/a"]["get"]
    assert operation["parameters"] == []
    assert operation["responses"] == {"200": {"description": "(told elsewhere)"}}


def test_a_reference_into_another_kind_is_taken_for_what_stands_there() -> None:
    told = with_schema({"$ref": "#/components/parameters/P"})
    told["components"]["parameters"] = {"P": {"name": "p", "in": "query", "schema": {}}}
    name = schema_of(told)["$ref"]
    assert name.startswith("#/components/schemas/P-")


def test_only_so_many_parts_become_components() -> None:
    refs = {f"r{n}": {"$ref": f"#/components/schemas/L/allOf/{n}"} for n in range(1100)}
    told = with_schema({"properties": refs}, L={"allOf": [{"type": "string"}] * 1100})
    found = read_document(encoded(told))
    assert len(found.tree["components"]["schemas"]) == 1001
    assert any("too many" in warning for warning in found.warnings)


def test_a_schema_is_not_one_of_its_own_alternatives() -> None:
    told = with_schema(
        {"$ref": "#/components/schemas/A"},
        A={"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/B"}]},
        B={"allOf": [{"$ref": "#/components/schemas/A"}], "properties": {"a": {"$ref": "#/components/schemas/A"}}},
    )
    schemas = read_document(encoded(told)).tree["components"]["schemas"]
    assert schemas["A"]["oneOf"][1] == {"$ref": "#/components/schemas/B"}
    assert schemas["B"] == {"allOf": [{}], "properties": {"a": {"$ref": "#/components/schemas/A"}}}
