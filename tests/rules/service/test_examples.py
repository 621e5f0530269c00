"""Where an operation's examples stand, and that no document leads the search astray."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.service.examples import request_example, response_example

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {"Pair": {"examples": [{"a": 1}]}, "Loop": {"$ref": "#/components/schemas/Loop"}},
        "examples": {"one": {"value": 7}},
        "responses": {"Sum": {"content": {"application/json": {"example": {"result": 3}}}}},
    }
}


@pytest.mark.parametrize(
    ("media", "found"),
    [
        ({"example": {"a": 0}}, {"a": 0}),
        ({"examples": {"first": {"value": 5}}}, 5),
        ({"examples": {"first": {"$ref": "#/components/examples/one"}}}, 7),
        ({"schema": {"$ref": "#/components/schemas/Pair"}}, {"a": 1}),
        ({"schema": {"example": None}}, None),
    ],
)
def test_an_example_of_a_request(media: dict[str, Any], found: Any) -> None:
    operation = {"requestBody": {"content": {"application/json": media}}}
    assert request_example(operation, DOCUMENT) == {"request_example": found}


def test_the_first_success_is_the_answers_example() -> None:
    failure = {"content": {"application/json": {"example": "no"}}}
    operation = {"responses": {"422": failure, "202": {"$ref": "#/components/responses/Sum"}, "default": failure}}
    assert response_example(operation, DOCUMENT) == {"response_example": {"result": 3}}


@pytest.mark.parametrize("schema", [{}, {"$ref": "#/components/schemas/Loop"}, {"$ref": "http://x"}, {"$ref": 3}, []])
def test_nothing_is_made_up(schema: Any) -> None:
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}, "responses": None}
    assert request_example(operation, DOCUMENT) | response_example(operation, DOCUMENT) == {}


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=6))
def test_no_operation_is_too_strange(value: Any) -> None:
    operation = {"requestBody": value, "responses": value}
    assert len(request_example(operation, {}) | response_example(operation, {})) <= 2
