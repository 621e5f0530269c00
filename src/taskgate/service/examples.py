"""The example of a request or an answer, as an OpenAPI operation or its schema gives it.

Only what is written down is taken; making one up from a schema is the gateway's part.
"""

from __future__ import annotations

from typing import Any

JSON = "application/json"
HOPS = 8


def request_example(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """`{"request_example": …}`, or nothing."""
    body = _resolved(operation.get("requestBody"), document)
    return _named("request_example", body, document)


def response_example(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """`{"response_example": …}` of the first success, or nothing."""
    answers = operation.get("responses")
    for status, answer in sorted(answers.items()) if isinstance(answers, dict) else ():
        if str(status).startswith("2"):
            return _named("response_example", _resolved(answer, document), document)
    return {}


def _named(name: str, holder: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    content = holder.get("content")
    media = content.get(JSON) if isinstance(content, dict) else None
    if not isinstance(media, dict):
        return {}
    for source in (media, _resolved(media.get("schema"), document)):
        if "example" in source:
            return {name: source["example"]}
        found = source.get("examples")
        if isinstance(found, list) and found:
            return {name: found[0]}
        if isinstance(found, dict) and found:
            first = _resolved(next(iter(found.values())), document)
            if "value" in first:
                return {name: first["value"]}
    return {}


def _resolved(value: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The object that a chain of local references leads to; empty for anything else."""
    for _ in range(HOPS):
        if not isinstance(value, dict):
            return {}
        pointer = value.get("$ref")
        if not isinstance(pointer, str):
            return value
        if not pointer.startswith("#/"):
            return {}
        value = document
        for part in pointer[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            value = value.get(part) if isinstance(value, dict) else None
    return {}
