"""From a function's type hints to JSON Schema and to a decoder of its input.

The input of a task is a JSON object whose members are the function's parameters; a member that no parameter
is named after is refused, as Python refuses an unknown argument. A function whose only parameter is itself
an object (a dict, TypedDict, dataclass or Struct) takes the whole input as that parameter.
Decided once, when the function is decorated; a type that has no schema is an error there and then.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union

import msgspec

from taskgate.worker.context import Context

Bind = Callable[[bytes], dict[str, Any]]
_PATH = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a function takes a run's input and what it gives back.

    `bind` turns the input's JSON bytes into keyword arguments; it raises msgspec.ValidationError.
    `context_name` is the parameter that takes the Context, empty when there is none.
    """

    bind: Bind
    input_schema: bytes
    output_schema: bytes | None
    context_name: str


def shape_of(function: Callable[..., Any]) -> Shape:
    """Read a function's signature. TypeError names the parameter that cannot be described."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{_name(function)}: a type hint cannot be resolved: {error}") from error
    context_name, parameters = "", list[inspect.Parameter]()
    for parameter in inspect.signature(function).parameters.values():
        if _is_context(parameter, hints.get(parameter.name, Any)):
            context_name = parameter.name
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            parameters.append(parameter)
        else:
            raise TypeError(f"{_name(function)}: parameter {parameter} has no name in JSON; give it a plain name")
    kinds = {parameter.name: hints.get(parameter.name, Any) for parameter in parameters}
    for name, kind in kinds.items():
        _describe(kind, f"{_name(function)}: parameter {name!r}")
    bind, schema = _whole(parameters[0], kinds) if _is_whole(parameters, kinds) else _members(parameters, kinds)
    output = _describe(hints["return"], f"{_name(function)}: its result") if "return" in hints else None
    return Shape(
        bind=bind,
        input_schema=msgspec.json.encode(schema),
        output_schema=None if output is None else msgspec.json.encode(output),
        context_name=context_name,
    )


def pointer_of(error: Exception) -> str:
    """The failing place of a msgspec error as a JSON pointer; empty for the input as a whole."""
    found = _PATH.search(str(error))
    if found is None:
        return ""
    steps = (name or index for name, index in _STEP.findall(found[1]))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _members(parameters: list[inspect.Parameter], kinds: Mapping[str, Any]) -> tuple[Bind, dict[str, Any]]:
    """One member per parameter. One that is absent is not passed, so the function's own default holds."""
    fields: list[Any] = []
    defaults: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.default is parameter.empty:
            fields.append((parameter.name, kinds[parameter.name]))
        else:
            defaults[parameter.name] = parameter.default
            fields.append((parameter.name, Union[kinds[parameter.name], msgspec.UnsetType], msgspec.UNSET))  # noqa: UP007
    fields.sort(key=len)
    shape = msgspec.defstruct("Input", fields, forbid_unknown_fields=True, kw_only=True)
    decode, asdict, unset = msgspec.json.Decoder(shape).decode, msgspec.structs.asdict, msgspec.UNSET
    schema = _flat(msgspec.json.schema(shape))
    schema.pop("title", None)
    for name, value in defaults.items():
        try:
            schema["properties"][name]["default"] = msgspec.to_builtins(value)
        except TypeError:
            continue  # a default that JSON cannot show is still a default
    is_open = len(defaults) == len(parameters)

    def bind(raw: bytes) -> dict[str, Any]:
        given = asdict(decode(b"{}" if is_open and raw == b"null" else raw))
        return {name: value for name, value in given.items() if value is not unset} if defaults else given

    return bind, schema


def _whole(parameter: inspect.Parameter, kinds: Mapping[str, Any]) -> tuple[Bind, dict[str, Any]]:
    """The input as it is, for the one parameter."""
    name, kind = parameter.name, kinds[parameter.name]
    decode = msgspec.json.Decoder(kind).decode

    def bind(raw: bytes) -> dict[str, Any]:
        return {name: decode(raw)}

    return bind, _flat(msgspec.json.schema(kind))


def _is_whole(parameters: list[inspect.Parameter], kinds: Mapping[str, Any]) -> bool:
    if len(parameters) != 1 or parameters[0].default is not inspect.Parameter.empty:
        return False
    kind = kinds[parameters[0].name]
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if kind is Any:
        return parameters[0].name == "input"
    kind = typing.get_origin(kind) or kind
    return isinstance(kind, type) and (
        issubclass(kind, (dict, Mapping, msgspec.Struct)) or dataclasses.is_dataclass(kind) or typing.is_typeddict(kind)
    )


def _is_context(parameter: inspect.Parameter, kind: Any) -> bool:
    if typing.get_origin(kind) in (Union, types.UnionType):
        return Context in typing.get_args(kind)
    return kind is Context or (kind is Any and parameter.name == "context")


def _describe(kind: Any, where: str) -> dict[str, Any]:
    try:
        msgspec.json.Decoder(kind)
        return _flat(msgspec.json.schema(kind))
    except (TypeError, NameError) as error:
        raise TypeError(f"{where} has a type without a JSON schema: {_shown(kind, error)}") from error


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema without a reference at its top."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    defs = dict(schema["$defs"])
    name = reference.rpartition("/")[2]
    top = dict(defs[name])
    if not _refers(defs, reference):
        del defs[name]
    if defs:
        top["$defs"] = defs
    return top


def _refers(part: Any, reference: str) -> bool:
    if isinstance(part, dict):
        return part.get("$ref") == reference or any(_refers(value, reference) for value in part.values())
    return isinstance(part, list) and any(_refers(value, reference) for value in part)


def _shown(kind: Any, error: Exception) -> str:
    """The type, with what is said about it; advice for users of the schema library is left out."""
    shown = kind.__qualname__ if isinstance(kind, type) else str(kind)
    said = [line for line in str(error).splitlines() if line and not line.startswith(("-", "Generating"))]
    return f"{shown} ({' '.join(said)})" if said else shown


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
