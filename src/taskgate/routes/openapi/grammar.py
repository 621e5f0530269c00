"""What an OpenAPI 3.1 document consists of, as a table: kinds of objects, their fields, and what each field holds.

Everything that walks a document walks it by this table (`rewriting.py`), so a value that only looks like a reference
(inside an example, a default, an enum) is never touched. A field that is not in the table is dropped unless its name
begins with `x-`; in schemas unknown keywords stay, because JSON Schema allows them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Holds = Literal["text", "flag", "texts", "number", "count", "list of values", "anything", "one", "list", "map"]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})


class Field(NamedTuple):
    """What a field holds; `kind` names the objects in it for `one`, `list` and `map`."""

    holds: Holds
    kind: str = ""


TEXT, FLAG, TEXTS, ANY = Field("text"), Field("flag"), Field("texts"), Field("anything")
NUMBER, COUNT, VALUES = Field("number"), Field("count"), Field("list of values")


def _one(kind: str) -> Field:
    return Field("one", kind)


def _many(kind: str) -> Field:
    return Field("list", kind)


def _named(kind: str) -> Field:
    return Field("map", kind)


_TOLD = {"summary": TEXT, "description": TEXT}
_VALUE = {
    "description": TEXT,
    "required": FLAG,
    "deprecated": FLAG,
    "style": TEXT,
    "explode": FLAG,
    "schema": _one("schema"),
    "content": _named("media"),
    "example": ANY,
    "examples": _named("example"),
}
_SCHEMA: dict[str, Field] = {
    **dict.fromkeys(("title", "description", "format", "pattern", "$comment", "contentMediaType"), TEXT),
    **dict.fromkeys(("contentEncoding", "$anchor", "$dynamicAnchor", "$dynamicRef", "$ref", "$id", "$schema"), TEXT),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems"), FLAG),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), NUMBER),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), COUNT),
    **dict.fromkeys(("minContains", "maxContains"), COUNT),
    **dict.fromkeys(("enum", "examples"), VALUES),
    "required": TEXTS,
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _many("schema")),
    **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "propertyNames"), _one("schema")),
    **dict.fromkeys(("additionalProperties", "unevaluatedItems", "unevaluatedProperties"), _one("schema")),
    "contentSchema": _one("schema"),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), _named("schema")),
    "discriminator": _one("discriminator"),
    "xml": _one("xml"),
    "externalDocs": _one("docs"),
}

KINDS: dict[str, dict[str, Field]] = {
    "document": {
        "openapi": TEXT,
        "info": _one("info"),
        "servers": _many("server"),
        "paths": _named("path"),
        "components": _one("components"),
        "security": VALUES,
        "tags": _many("tag"),
        "externalDocs": _one("docs"),
    },
    "info": {**_TOLD, "title": TEXT, "version": TEXT, "termsOfService": TEXT, "contact": ANY, "license": ANY},
    "server": {"url": TEXT, "description": TEXT, "variables": ANY},
    "tag": {**_TOLD, "name": TEXT, "externalDocs": _one("docs"), "parent": TEXT, "kind": TEXT},
    "docs": {"description": TEXT, "url": TEXT},
    "path": {
        **_TOLD,
        "$ref": TEXT,
        "parameters": _many("parameter"),
        "servers": _many("server"),
        **dict.fromkeys(METHODS, _one("operation")),
    },
    "operation": {
        **_TOLD,
        "tags": TEXTS,
        "externalDocs": _one("docs"),
        "operationId": TEXT,
        "parameters": _many("parameter"),
        "requestBody": _one("body"),
        "responses": _named("response"),
        "callbacks": _named("callback"),
        "deprecated": FLAG,
        "security": VALUES,
        "servers": _many("server"),
    },
    "parameter": {**_VALUE, "name": TEXT, "in": TEXT, "allowEmptyValue": FLAG, "allowReserved": FLAG},
    "header": _VALUE,
    "body": {"description": TEXT, "content": _named("media"), "required": FLAG},
    "media": {
        "schema": _one("schema"),
        "itemSchema": _one("schema"),
        "example": ANY,
        "examples": _named("example"),
        "encoding": _named("encoding"),
    },
    "encoding": {
        "contentType": TEXT,
        "headers": _named("header"),
        "style": TEXT,
        "explode": FLAG,
        "allowReserved": FLAG,
    },
    "response": {
        "description": TEXT,
        "headers": _named("header"),
        "content": _named("media"),
        "links": _named("link"),
    },
    "callback": {},
    "example": {**_TOLD, "value": ANY, "externalValue": TEXT},
    "link": {"operationRef": TEXT, "operationId": TEXT, "parameters": ANY, "requestBody": ANY, "description": TEXT},
    "components": {
        "schemas": _named("schema"),
        "responses": _named("response"),
        "parameters": _named("parameter"),
        "examples": _named("example"),
        "requestBodies": _named("body"),
        "headers": _named("header"),
        "securitySchemes": _named("scheme"),
        "links": _named("link"),
        "callbacks": _named("callback"),
        "pathItems": _named("path"),
    },
    "scheme": {
        **dict.fromkeys(("type", "description", "name", "in", "scheme", "bearerFormat", "openIdConnectUrl"), TEXT),
        "flows": ANY,
    },
    "discriminator": {"propertyName": TEXT, "mapping": ANY},
    "xml": {"name": TEXT, "namespace": TEXT, "prefix": TEXT, "attribute": FLAG, "wrapped": FLAG},
    "schema": _SCHEMA,
}
SECTIONS = {field.kind: name for name, field in KINDS["components"].items()}
