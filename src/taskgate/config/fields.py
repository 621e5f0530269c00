"""Every setting as a row: its path, type, default, names and meaning.

The rows are read from the sections' own types and docstrings (`name: purpose, unit, default, special values`),
so nothing can be set that is not described. The reference page, the list of known names and the suggestion for
a misspelt one all come from here.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from taskgate.config.tree import Settings
from taskgate.secret import Secret, Url

PREFIX = "TASKGATE_"
COMPATIBLE = {
    "GRPC_HOST": "grpc.host",
    "GRPC_PORT": "grpc.port",
    "GRPC_ENABLED": "grpc.enabled",
    "GRPC_TLS_CERT_PATH": "grpc.tls_cert_path",
    "GRPC_TLS_KEY_PATH": "grpc.tls_key_path",
    "GRPC_TLS_CA_PATH": "grpc.tls_ca_path",
    "RATE_LIMIT_ENABLED": "grpc.rate_limit_enabled",
    "RATE_LIMIT_RATE": "grpc.rate_limit_rate",
    "RATE_LIMIT_CAPACITY": "grpc.rate_limit_capacity",
    "AUTH_ENABLED": "auth.enabled",
    "DATABASE_URL": "database.url",
    "DATABASE_URL_ASYNCPG_DRIVER": "database.url",
    "REDIS_URL": "redis.url",
}
_MEANING = re.compile(r"([a-z][a-z0-9_]*): (.+)")
_TYPE_TEXTS = {bool: "true or false", int: "whole number", float: "number", str: "text", Url: "URL", Secret: "secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting. `default` and `text` (its value, stars where secret) are written as JSON would be."""

    path: str
    type: Any
    type_text: str
    default: str
    text: str
    description: str
    environment: str
    compatible: str = ""


def describe(settings: Settings | None = None) -> list[Field]:
    """Every setting in the order of the tree, with the values of `settings` (the defaults when absent)."""
    return list(_walk(Settings, Settings(), settings or Settings(), ""))


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or an empty text."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def environment_name(path: str) -> str:
    """The variable of a setting: `http.port` is `TASKGATE_HTTP__PORT`."""
    return PREFIX + path.replace(".", "__").upper()


def _walk(section: type, defaults: Any, values: Any, parent: str) -> Iterator[Field]:
    older = {path: name for name, path in reversed(COMPATIBLE.items())}
    hints = get_type_hints(section, include_extras=True)
    meanings = _meanings(section.__doc__ or "")
    for field in dataclasses.fields(section):
        path = f"{parent}{field.name}"
        default, value = getattr(defaults, field.name), getattr(values, field.name)
        if dataclasses.is_dataclass(default):
            yield from _walk(type(default), default, value, f"{path}.")
            continue
        yield Field(
            path=path,
            type=hints[field.name],
            type_text=_type_text(hints[field.name]),
            default=_shown(default),
            text=_shown(value),
            description=meanings.get(field.name, ""),
            environment=environment_name(path),
            compatible=older.get(path, ""),
        )


def _meanings(docstring: str) -> dict[str, str]:
    """What `name: meaning` lines of a section's docstring say; an indented line goes on with the one above."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(docstring).splitlines():
        start = _MEANING.match(line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name and line.startswith("    "):
            found[name] += " " + line.strip()
        else:
            name = ""
    return found


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value).strip("'\"")  # the repr of a Secret or Url is masked
    return msgspec.json.encode(value).decode()


def _type_text(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_text(arguments[0])
    if origin in (UnionType, Union):
        return _type_text(next(choice for choice in arguments if choice is not NoneType))
    if origin is Literal:
        return " or ".join(str(choice) for choice in arguments)
    if origin is tuple:
        return f"list of {_type_text(arguments[0])}"
    return _TYPE_TEXTS[annotation]
