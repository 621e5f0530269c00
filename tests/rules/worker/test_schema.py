"""From type hints to JSON Schema and to keyword arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from taskgate import Context
from taskgate.worker.schema import pointer_of, shape_of


@dataclass
class Point:
    x: int
    y: float = 1.5
    near: list[Point] | None = None


class Options(TypedDict, total=False):
    width: int


class Body(msgspec.Struct):
    name: str


def keywords(
    text: str,
    top: int = 10,
    mode: Literal["fast", "slow"] = "fast",
    at: Point | None = None,
    limit: Annotated[int, msgspec.Meta(ge=1, description="at most")] = 3,
    *,
    context: Context,
) -> list[str]:
    return [text] * top


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(shape_of(function).input_schema)
    return found


def test_a_member_per_parameter_with_defaults_and_bounds() -> None:
    schema = schema_of(keywords)
    assert schema["type"] == "object"
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["top"] == {"type": "integer", "default": 10}
    assert schema["properties"]["mode"] == {"enum": ["fast", "slow"], "default": "fast"}
    assert schema["properties"]["limit"] == {"type": "integer", "minimum": 1, "description": "at most", "default": 3}
    assert "context" not in schema["properties"]
    assert schema["$defs"]["Point"]["required"] == ["x"]


def test_the_result_has_a_schema_when_it_is_annotated() -> None:
    def silent(text: str):  # type: ignore[no-untyped-def]
        return text

    assert shape_of(keywords).output_schema == b'{"type":"array","items":{"type":"string"}}'
    assert shape_of(silent).output_schema is None


def test_the_context_is_found_by_its_type() -> None:
    def maybe(x: int, told: Context | None = None) -> int:
        return x

    assert shape_of(keywords).context_name == "context"
    assert shape_of(maybe).context_name == "told"
    assert shape_of(lambda x: x).context_name == ""


def test_absent_members_leave_the_functions_own_default() -> None:
    shared: list[int] = []

    def f(x: int, seen: list[int] = shared) -> None: ...

    assert shape_of(f).bind(b'{"x":1}') == {"x": 1}
    assert shape_of(f).bind(b'{"x":1,"seen":[2]}') == {"x": 1, "seen": [2]}


@pytest.mark.parametrize(
    ("raw", "path", "said"),
    [
        (b'{"text":1}', "/text", "Expected `str`"),
        (b'{"text":"a","at":{"x":1,"near":[{"x":"q"}]}}', "/at/near/0/x", "Expected `int`"),
        (b'{"text":"a","limit":0}', "/limit", ">= 1"),
        (b'{"text":"a","mode":"odd"}', "/mode", "odd"),
        (b"{}", "", "required field `text`"),
        (b'{"text":"a","txet":1}', "", "unknown field `txet`"),
        (b"[]", "", "Expected `object`"),
    ],
)
def test_a_wrong_input_names_the_place(raw: bytes, path: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        shape_of(keywords).bind(raw)
    assert pointer_of(caught.value) == path
    assert said in str(caught.value)


def test_a_lone_object_parameter_takes_the_whole_input() -> None:
    def by_dict(input: dict) -> None: ...  # type: ignore[type-arg]  # noqa: A002
    def by_typed(options: Options) -> None: ...
    def by_class(point: Point) -> None: ...
    def by_struct(body: Body) -> None: ...
    def by_name(input) -> None: ...  # type: ignore[no-untyped-def]  # noqa: A002
    def by_word(text: str) -> None: ...
    def by_default(options: dict[str, int] = {}) -> None: ...  # noqa: B006

    assert shape_of(by_dict).bind(b'{"a":{"b":1}}') == {"input": {"a": {"b": 1}}}
    assert shape_of(by_typed).bind(b'{"width":2}') == {"options": {"width": 2}}
    assert shape_of(by_class).bind(b'{"x":2}') == {"point": Point(2)}
    assert shape_of(by_struct).bind(b'{"name":"n"}') == {"body": Body("n")}
    assert shape_of(by_name).bind(b"[1]") == {"input": [1]}
    assert shape_of(by_word).bind(b'{"text":"t"}') == {"text": "t"}
    assert shape_of(by_default).bind(b'{"options":{"a":1}}') == {"options": {"a": 1}}
    assert schema_of(by_class)["properties"]["near"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Point"}


def test_no_input_will_do_where_nothing_is_required() -> None:
    def nothing() -> None: ...
    def little(x: int = 1) -> None: ...

    assert shape_of(nothing).bind(b"null") == {}
    assert shape_of(little).bind(b"null") == {}
    with pytest.raises(msgspec.ValidationError):
        shape_of(keywords).bind(b"null")


class Opaque:
    pass


def opaque(x: Opaque) -> None: ...
def gives_opaque() -> Opaque:
    return Opaque()


def many(*words: str) -> None: ...
def named(**words: str) -> None: ...
def positional(word: str, /) -> None: ...
def dangling(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (opaque, "parameter 'x' has a type without a JSON schema: Opaque"),
        (gives_opaque, "its result has a type without a JSON schema: Opaque"),
        (many, r"parameter \*words: 'str' has no name in JSON"),
        (named, r"parameter \*\*words: 'str' has no name in JSON"),
        (positional, "parameter word: 'str' has no name in JSON"),
        (dangling, "a type hint cannot be resolved"),
    ],
)
def test_what_has_no_schema_is_refused_when_it_is_declared(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        shape_of(function)
