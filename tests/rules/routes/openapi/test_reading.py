"""What a document tells, and what is refused or left out of it."""

from __future__ import annotations

import pytest

from taskgate.errors import InvalidInput
from taskgate.routes.openapi.reading import read_document
from tests.rules.routes.openapi.writing import document, encoded, read


def test_operations_are_told() -> None:
    told = read(
        {
            "/a/{id}": {
                "summary": "shared",
                "get": {"operationId": "getA", "description": "d", "responses": {}},
                "post": {"requestBody": {"content": {"application/json": {"example": 1}}}},
                "x-note": {"get": {}},
            }
        }
    )
    get, post = told.operations
    assert (get.method, get.path, get.operation_id, get.summary, get.description) == (
        "GET",
        "/a/{id}",
        "getA",
        "shared",
        "d",
    )
    assert not get.has_example
    assert post.method == "POST"
    assert post.has_example
    assert told.title == "t"


@pytest.mark.parametrize(
    ("server", "path"),
    [("/v1/", "/v1"), ("https://x.test/a/b", "/a/b"), ("https://x.test", ""), ("/{v}", ""), ("http://[", "")],
)
def test_base_path(server: str, path: str) -> None:
    assert read(servers=[{"url": server}]).base_path == path


def test_base_path_of_2_0() -> None:
    told = {"swagger": "2.0", "basePath": "/v2", "host": "x.test", "paths": {}}
    assert read_document(encoded(told)).base_path == "/v2"


@pytest.mark.parametrize("told", [{}, {"openapi": "4.0"}, {"swagger": "1.2"}, {"openapi": None}, {"openapi": ["3.1"]}])
def test_other_versions_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_document(encoded(told))
    assert caught.value.code == "DOCUMENT_INVALID"
    assert caught.value.extra == {"path": "/openapi"}


NONSENSE = [None, 1, "x", [], [1], {}, {"x": 1}, True]


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("version", ["2.0", "3.0.0", "3.1.0"])
def test_nonsense_in_any_place_does_no_harm(nonsense: object, version: str) -> None:
    """What is of the wrong type is left out; the rest stays."""
    good = {"get": {"operationId": "kept", "responses": {"200": {"description": ""}}}}
    operation = {
        **dict.fromkeys(("tags", "summary", "parameters", "requestBody", "responses", "callbacks"), nonsense),
        **dict.fromkeys(("security", "servers", "deprecated", "externalDocs", "consumes", "produces"), nonsense),
    }
    answers = {"responses": {"200": nonsense, "400": {"content": {"a/b": nonsense}, "headers": {"h": nonsense}}}}
    parameters = {"parameters": [nonsense, {"name": nonsense, "in": nonsense, "schema": nonsense}, {"$ref": nonsense}]}
    schema = {
        "type": nonsense,
        "properties": nonsense,
        "allOf": nonsense,
        "required": nonsense,
        "discriminator": nonsense,
    }
    paths = {
        "/good": good, "/a": nonsense, "/b": {"get": nonsense}, "/c": {"get": operation}, "/d": {"get": answers},
        "/e": {"get": parameters, "parameters": nonsense}, "no path": good, "/f": {"$ref": nonsense},
    }  # fmt: skip
    told = document(paths, components={"schemas": {"a": schema, "b": nonsense}, "responses": nonsense}, tags=nonsense)
    told |= {
        "definitions": {"a": schema, "b": nonsense},
        "parameters": nonsense,
        "servers": nonsense,
        "security": nonsense,
    }
    if version == "2.0":
        told["swagger"] = told.pop("openapi") and "2.0"
    else:
        told["openapi"] = version
    read_told = read_document(encoded(told))
    assert "kept" in {one.operation_id for one in read_told.operations}
    assert len(read_told.warnings) <= 100


def test_security_of_the_root_stands_at_each_operation() -> None:
    told = read({"/a": {"get": {}, "post": {"security": []}}}, security=[{"key": []}])
    assert told.tree["paths"]["/a"]["get"]["security"] == [{"key": []}]
    assert told.tree["paths"]["/a"]["post"]["security"] == []


def test_parameters_of_a_path_stand_at_each_operation() -> None:
    shared = [{"name": "id", "in": "path", "schema": {"type": "string"}}, {"name": "q", "in": "query", "schema": {}}]
    own = {"name": "q", "in": "query", "schema": {"type": "integer"}}
    told = read({"/a/{id}": {"parameters": shared, "get": {"parameters": [own]}}})
    id_, q = told.tree["paths"]["/a/{id}"]["get"]["parameters"]
    assert id_["name"] == "id"
    assert id_["required"] is True
    assert q == own
