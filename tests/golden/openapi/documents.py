"""The real documents as registered services, their pieces, and an independent judge of what they become."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator

from taskgate.routes.openapi.merging import merge, operations_of
from taskgate.routes.openapi.pieces import Piece, piece_of
from taskgate.routes.openapi.reading import read_document
from taskgate.routes.service import Route, Service

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "sources").iterdir())
NAMES = [file.name for file in SOURCES]
EXPECTED = HERE / "expected"
GOLDEN = ("petstore-2.0.json", "grpc-stream-2.0.json", "petstore-3.0.yaml", "discriminators-3.0.json")
OWN: dict[str, Any] = {"openapi": "3.1.1", "info": {"title": "own", "version": "1"}, "paths": {}, "components": {}}
VALUES = frozenset({"example", "examples", "default", "enum", "const", "value"})
VALIDATORS = {"3.1": OpenAPIV31SpecValidator, "3.2": OpenAPIV32SpecValidator}


def service_named(name: str, data: bytes, *, prefix: str | None = None) -> Service:
    """A service that serves every operation of its document below its name."""
    before = f"/{name}" if prefix is None else prefix
    routes = tuple(
        Route(name=one.operation_id or one.path, method=one.method, path=before + one.path, upstream_path=one.path)
        for one in read_document(data).operations
    )
    return Service(name=name, base_url="http://upstream.test", prefix=before, routes=routes, document=data)


@cache
def piece_named(name: str) -> Piece:
    """The piece of a real document; the service's name is the file's without dots."""
    data = (HERE / "sources" / name).read_bytes()
    return piece_of(service_named(name.replace(".", "-"), data))


def merged(*names: str, version: str = "3.1") -> dict[str, Any]:
    """What a caller gets who sees these services, through its encoding."""
    document = merge(OWN, [piece_named(name) for name in names], version=version)
    told: dict[str, Any] = json.loads(json.dumps(document))
    return told


def check(document: dict[str, Any], *, version: str = "3.1") -> None:
    """Valid for a validator that is not ours, every reference leads somewhere, ids and parameters as they must be."""
    errors = [str(error)[:300] for error in VALIDATORS[version](document).iter_errors()]
    assert errors == []
    for reference in set(_references(document)):
        assert pointed(document, reference) is not None, reference
    ids = list(_operation_ids(document))
    assert len(ids) == len(set(ids))
    operations = operations_of(document)
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in document["paths"]]
    assert len(shapes) == len(set(shapes))
    for path, _, operation in operations:
        declared = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "path"]
        assert sorted(declared) == sorted(re.findall(r"\{([^}]*)\}", path))
        assert "servers" not in operation
        assert "security" not in operation
    _check_links(document, set(ids))


def _references(node: Any) -> Iterator[str]:
    """Every reference, but not what only looks like one in values and extensions."""
    if isinstance(node, list):
        for part in node:
            yield from _references(part)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name == "$ref" and isinstance(part, str):
                yield part
            elif not name.startswith("x-") and name not in VALUES:
                yield from _references(part)


def _operation_ids(node: Any) -> Iterator[str]:
    """The ids of all operations, those of callbacks too."""
    if isinstance(node, list):
        for part in node:
            yield from _operation_ids(part)
    elif isinstance(node, dict):
        if "responses" in node and isinstance(node.get("operationId"), str):
            yield node["operationId"]
        for part in node.values():
            yield from _operation_ids(part)


def _check_links(node: Any, ids: set[str]) -> None:
    if isinstance(node, list):
        for part in node:
            _check_links(part, ids)
    elif isinstance(node, dict):
        for link in node.get("links", {}).values() if isinstance(node.get("links"), dict) else ():
            assert "$ref" in link or link["operationId"] in ids
        told = node.get("discriminator")
        for target in told.get("mapping", {}).values() if isinstance(told, dict) else ():
            assert target.startswith("#/components/schemas/")
        for part in node.values():
            _check_links(part, ids)


def pointed(node: Any, reference: str) -> Any:
    """What a local reference leads to, None for nothing."""
    assert reference.startswith("#/"), reference
    for step in reference[2:].split("/"):
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node


def names_of(document: dict[str, Any]) -> str:
    """Every name that callers and client generators may depend on, one a line."""
    lines = [f"{method.upper()} {path} {told['operationId']}" for path, method, told in operations_of(document)]
    lines += [f"{section}/{name}" for section, parts in document["components"].items() for name in parts]
    return "\n".join(sorted(lines)) + "\n"
