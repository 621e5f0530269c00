"""The document as a Postman collection (format 2.1): a folder for each tag, an example body in each request.

The address and the key are variables of the collection; no secret stands in it. `{{` in what services wrote is broken
up, so that their texts never read a variable of the person who imports it.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from taskgate.routes.openapi.examples import NOTHING, ExampleMaker
from taskgate.routes.openapi.merging import operations_of

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLE = re.compile(r"\{([^{}]*)\}")
FORMS = {"application/x-www-form-urlencoded": "urlencoded", "multipart/form-data": "formdata"}
Item = dict[str, Any]


def collection_of(document: dict[str, Any]) -> dict[str, Any]:
    """The collection. `document` is the merged one: its operations can be read alone but for schemas."""
    writer = _Writer(document)
    folders: dict[str, list[Item]] = {tag["name"]: [] for tag in document.get("tags", ())}
    for path, method, operation in operations_of(document):
        folders.setdefault(operation.get("tags", ["Others"])[0], []).append(
            writer.item(path, method, operation=operation)
        )
    info = document["info"]
    return {
        "info": {"name": info["title"], "description": info.get("description", ""), "schema": SCHEMA},
        "item": [{"name": _plain(name), "item": items} for name, items in folders.items() if items],
        "auth": {
            "type": "apikey",
            "apikey": [
                {"key": "key", "value": "X-API-Key", "type": "string"},
                {"key": "value", "value": "{{apiKey}}", "type": "string"},
                {"key": "in", "value": "header", "type": "string"},
            ],
        },
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:30090", "type": "string"},
            {"key": "apiKey", "value": "", "type": "string"},
        ],
    }


class _Writer:
    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document.get("components", {})
        self._examples = ExampleMaker(self._components.get("schemas", {}))

    def item(self, path: str, method: str, *, operation: Item) -> Item:
        """One request."""
        parameters = [self._seen(parameter) for parameter in operation.get("parameters", ())]
        request: Item = {
            "method": method.upper(),
            "header": [self._pair(parameter) for parameter in parameters if parameter.get("in") == "header"],
            "url": self._url(path, parameters),
            "description": _plain(operation.get("description", "")),
        }
        body = self._body(self._seen(operation.get("requestBody", {})))
        if body is not None:
            media, request["body"] = body
            if request["body"]["mode"] == "raw":
                request["header"].append({"key": "Content-Type", "value": _plain(media)})
        name = operation.get("summary") or operation.get("operationId") or f"{method.upper()} {path}"
        return {"name": _plain(name), "request": request, "response": []}

    def _url(self, path: str, parameters: list[Item]) -> Item:
        steps = [VARIABLE.sub(lambda found: f":{found[1]}", step) for step in path.split("/")[1:]]
        query = [self._pair(parameter) for parameter in parameters if parameter.get("in") == "query"]
        raw = "{{baseUrl}}/" + "/".join(steps)
        shown = "&".join(f"{pair['key']}={pair['value']}" for pair in query if not pair.get("disabled"))
        url: Item = {"raw": f"{raw}?{shown}" if shown else raw, "host": ["{{baseUrl}}"], "path": steps}
        variables = [self._pair(parameter) for parameter in parameters if parameter.get("in") == "path"]
        for name, pairs in (("query", query), ("variable", variables)):
            if pairs:
                url[name] = pairs
        for variable in variables:
            variable.pop("disabled", None)
        return url

    def _pair(self, parameter: Item) -> Item:
        value = self._value(parameter)
        pair = {
            "key": _plain(parameter["name"]),
            "value": "" if value is NOTHING else _text(value),
            "description": _plain(parameter.get("description", "")),
        }
        return pair if parameter.get("required") else {**pair, "disabled": True}

    def _value(self, told: Item) -> Any:
        """The example of a parameter or of a body in one media type, NOTHING when there is none."""
        if "example" in told:
            return told["example"]
        for example in told.get("examples", {}).values():
            if "value" in (seen := self._seen(example)):
                return seen["value"]
        return self._examples.example(told.get("schema"), hidden="readOnly")

    def _body(self, body: Item) -> tuple[str, Item] | None:
        content = body.get("content", {})
        if not content:
            return None
        media = next((name for name in content if "json" in name), next(iter(content)))
        value = self._value(content[media])
        if media in FORMS:
            fields = value.items() if isinstance(value, dict) else ()
            pairs = [{"key": _plain(name), "value": _text(part), "type": "text"} for name, part in fields]
            return media, {"mode": FORMS[media], FORMS[media]: pairs}
        language = {"raw": {"language": "json" if "json" in media else "text"}}
        raw = "" if value is NOTHING else _text(value, pretty="json" in media)
        return media, {"mode": "raw", "raw": raw, "options": language}

    def _seen(self, node: Item) -> Item:
        """What a reference leads to; the document has no circles of bare references."""
        while "$ref" in node:
            _, _, section, name = node["$ref"].split("/", 3)
            node = self._components[section][name.replace("~1", "/").replace("~0", "~")]
        return node


def _text(value: Any, *, pretty: bool = False) -> str:
    if isinstance(value, str) and not pretty:
        return _plain(value)
    encoded = msgspec.json.encode(value)
    return _plain((msgspec.json.format(encoded, indent=2) if pretty else encoded).decode())


def _plain(text: str) -> str:
    """The text without anything that Postman would put a variable's value in."""
    return text.replace("{{", "{ {")
