"""Swagger 2.0 becomes a document of the shape of 3.0; its schemas are brought to 3.1 together with those of 3.0.

Structure only: where things stand. What is not understood is carried along; the grammar leaves it out afterwards.
"""

from __future__ import annotations

from typing import Any

from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.rewriting import Object
from taskgate.routes.openapi.swagger_parameters import Parameters
from taskgate.routes.openapi.swagger_schemas import moved

JSON = ["application/json"]
FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials"}


def from_swagger(tree: Object, warnings: list[str]) -> Object:
    """The document in the shape of 3.0."""
    return _Conversion(tree, warnings).document()


class _Conversion:
    def __init__(self, tree: Object, warnings: list[str]) -> None:
        self._tree = tree
        self._consumes = _texts(tree.get("consumes"), JSON)
        self._produces = _texts(tree.get("produces"), JSON)
        self._parameters = Parameters(_members(tree.get("parameters")), warnings)

    def document(self) -> Object:
        """The whole of it."""
        tree = self._tree
        kept: Object = {name: tree[name] for name in ("info", "tags", "externalDocs", "security") if name in tree}
        kept |= {name: part for name, part in tree.items() if name.startswith("x-")}
        components = {
            "schemas": {name: moved(schema) for name, schema in _members(tree.get("definitions")).items()},
            "responses": {
                name: self._response(told, self._produces) for name, told in _members(tree.get("responses")).items()
            },
            "securitySchemes": {
                name: _scheme(told) for name, told in _members(tree.get("securityDefinitions")).items()
            },
        }
        paths = {path: self._item(item) for path, item in _members(tree.get("paths")).items()}
        return {**kept, "openapi": "3.0.3", "servers": self._servers(), "paths": paths, "components": components}

    def _servers(self) -> list[Object]:
        base = self._tree.get("basePath", "")
        host = self._tree.get("host", "")
        scheme = _texts(self._tree.get("schemes"), ["https"])[0]
        if not isinstance(base, str) or not isinstance(host, str):
            return []
        return [{"url": f"{scheme}://{host}{base}" if host else base or "/"}]

    def _item(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        shared = item.get("parameters", [])
        kept = {name: part for name, part in item.items() if name == "$ref" or name.startswith("x-")}
        for method in METHODS:
            if isinstance(item.get(method), dict):
                kept[method] = self._operation(item[method], shared if isinstance(shared, list) else [])
        return kept

    def _operation(self, old: Object, shared: list[Any]) -> Object:
        gone = ("parameters", "responses", "consumes", "produces", "schemes")
        new = {name: part for name, part in old.items() if name not in gone}
        own = old.get("parameters", [])
        split = self._parameters.split([*shared, *(own if isinstance(own, list) else [])])
        consumes, produces = _texts(old.get("consumes"), self._consumes), _texts(old.get("produces"), self._produces)
        if split.plain:
            new["parameters"] = split.plain
        body = split.body(consumes)
        if body is not None:
            new["requestBody"] = body
        new["responses"] = {
            str(status): self._response(told, produces) for status, told in _members(old.get("responses")).items()
        }
        return new

    def _response(self, old: Any, produces: list[str]) -> Any:
        if not isinstance(old, dict):
            return old
        if isinstance(old.get("$ref"), str):
            return moved(old)
        new = {name: part for name, part in old.items() if name == "description" or name.startswith("x-")}
        if isinstance(old.get("headers"), dict):
            new["headers"] = {name: self._parameters.header(told) for name, told in old["headers"].items()}
        examples = _members(old.get("examples"))
        if "schema" in old or examples:
            content: Object = {}
            for media in dict.fromkeys((*(produces if "schema" in old else ()), *examples)):
                content[media] = {"schema": moved(old["schema"])} if "schema" in old else {}
                if media in examples:
                    content[media]["example"] = examples[media]
            new["content"] = content
        return new


def _scheme(old: Any) -> Any:
    """A security definition as 3.0 has it: basic is http, OAuth flows have their own objects."""
    if not isinstance(old, dict):
        return old
    words = {"description": old["description"]} if "description" in old else {}
    if old.get("type") == "basic":
        return {**words, "type": "http", "scheme": "basic"}
    if old.get("type") != "oauth2":
        return old
    kept = {name: old[name] for name in ("authorizationUrl", "tokenUrl", "scopes") if name in old}
    flow = str(old.get("flow", ""))
    return {**words, "type": "oauth2", "flows": {FLOWS.get(flow, flow): {"scopes": {}, **kept}}}


def _members(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _texts(value: Any, otherwise: list[str]) -> list[str]:
    found = [part for part in value if isinstance(part, str)] if isinstance(value, list) else []
    return found or otherwise
