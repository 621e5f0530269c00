"""A service's own document, read: whatever its version, it is 3.1 afterwards and every reference in it leads somewhere.

A document that is broken as a whole is refused (InvalidInput, code DOCUMENT_INVALID); a part that is broken is left
out and named in `warnings`. Nothing is fetched: references to other documents are replaced by what allows anything.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.parsing import MAX_BYTES, parsed
from taskgate.routes.openapi.rewriting import Object, Rewriter, refused
from taskgate.routes.openapi.settling import settled
from taskgate.routes.openapi.swagger import from_swagger
from taskgate.routes.openapi.upgrading import upgraded


class DocumentedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation as the service tells it; `path` is below the service's base URL, `method` upper case.

    `has_example`: somewhere in it stands an example of a body, an answer or a parameter.
    """

    method: str
    path: str
    operation_id: str = ""
    summary: str = ""
    description: str = ""
    has_example: bool = False


class ApiDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document, normalised to 3.1: `tree` has only references to `#/components/SECTION/NAME`, all of them there.

    Parameters and security of paths and of the root stand at each operation. `base_path` is the path of its first
    server ("" for none): a service whose base URL lacks it answers at `base_path` + `path`.
    """

    tree: Object
    operations: tuple[DocumentedOperation, ...]
    version: str
    title: str = ""
    base_path: str = ""
    warnings: tuple[str, ...] = ()


def read_document(data: bytes, *, max_bytes: int = MAX_BYTES) -> ApiDocument:
    """The document in these bytes, JSON or YAML, Swagger 2.0 or OpenAPI 3.x.

    InvalidInput, code DOCUMENT_INVALID, when it is none, is too large, too deep or multiplies itself; `extra["path"]`
    says where if that is known.
    """
    tree = parsed(data, max_bytes=max_bytes)
    warnings: list[str] = []
    version = _version_of(tree)
    if version == "2.0":
        tree = from_swagger(tree, warnings)
    if tree.pop("webhooks", None):
        warnings.append("/webhooks: not served by a gateway")
    is_old = version.startswith(("2.", "3.0"))
    shaped = Rewriter(upgraded if is_old else _as_it_is, warnings=warnings).write(tree, "document")
    if not isinstance(shaped.get("paths", {}), dict):
        raise refused("`paths` is an object", "/paths")
    base_path = _base_path(shaped)
    shaped["paths"] = {path: item for path, item in shaped.get("paths", {}).items() if _is_path(path, warnings)}
    done = settled(shaped, warnings)
    title = done.get("info", {}).get("title", "")
    operations = tuple(_operations(done))
    return ApiDocument(
        tree=done, operations=operations, version=version, title=title, base_path=base_path, warnings=tuple(warnings)
    )


def _version_of(tree: Object) -> str:
    told = tree.get("openapi", tree.get("swagger"))
    text = str(told) if isinstance(told, str | float | int) else ""
    if text in ("2", "2.0"):
        return "2.0"
    if not text.startswith(("3.0", "3.1", "3.2")):
        raise refused("`openapi` is 3.0, 3.1 or 3.2, or `swagger` is 2.0", "/openapi")
    return text[:16]


def _as_it_is(_: str, node: Object) -> Object:
    return node


def _is_path(path: str, warnings: list[str]) -> bool:
    if path.startswith("/") and path.count("{") == path.count("}"):
        return True
    warnings.append(f"/paths: {path[:200]!r} is no path")
    return False


def _base_path(tree: Object) -> str:
    servers = tree.get("servers") or [{}]
    try:
        path = urlsplit(servers[0].get("url", "")).path.rstrip("/")
    except ValueError:
        return ""
    return path if path.startswith("/") and "{" not in path else ""


def _operations(tree: Object) -> list[DocumentedOperation]:
    found = []
    for path, item in tree["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                found.append(
                    DocumentedOperation(
                        method=method.upper(),
                        path=path,
                        operation_id=operation.get("operationId", ""),
                        summary=operation.get("summary", ""),
                        description=operation.get("description", ""),
                        has_example=_has_example(operation, tree.get("components", {})),
                    )
                )
    return found


def _has_example(operation: Object, components: Object) -> bool:
    """Whether a body, an answer or a parameter of it shows an example, or the schema right below does."""
    sides = [_seen(operation.get("requestBody", {}), components)]
    sides += [_seen(response, components) for response in operation.get("responses", {}).values()]
    shown: list[Any] = [_seen(parameter, components) for parameter in operation.get("parameters", ())]
    shown += [media for side in sides for media in side.get("content", {}).values()]
    for part in shown:
        schema = part.get("schema", {})
        schema = _seen(schema, components) if isinstance(schema, dict) else {}
        if any(name in place for place in (part, schema) for name in ("example", "examples")):
            return True
    return False


def _seen(node: Object, components: Object) -> Object:
    """The object that is meant, one reference away at most."""
    if "$ref" not in node:
        return node
    _, _, section, name = node["$ref"].split("/", 3)
    found = components.get(section, {}).get(name, {})
    return found if isinstance(found, dict) else {}
