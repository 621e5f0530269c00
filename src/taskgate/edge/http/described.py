"""Operations as the document tells them: what each takes, gives and needs.

The raw endpoints are described by a table (`operations.py`), the administrative ones where they are added to
FastAPI; both use this one function, so both look the same on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskgate.edge.http.schemas import REFERENCE, public_name
from taskgate.edge.http.shapes import Problem

SCOPE = "x-scope"
Gives = type | str | tuple[type, str]


def described(
    *,
    summary: str,
    tag: str,
    operation_id: str,
    scope: str,
    gives: Mapping[int, Gives],
    takes: type | None = None,
    description: str = "",
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """One OpenAPI operation. `gives` maps a status to a shape, to a sentence where there is no body, or to both."""
    needs = f"Needs the scope `{scope}`." if scope else ""
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "operationId": operation_id,
        "responses": {str(status): _response(told) for status, told in gives.items()},
        SCOPE: scope,
    }
    if text := "\n\n".join(part for part in (description, needs) if part):
        operation["description"] = text
    if parameters:
        operation["parameters"] = list(parameters)
    if takes is not None:
        schema = {"$ref": REFERENCE.format(name=public_name(takes))}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation["responses"]["default"] = {
        "description": "Refused: a problem document with a stable `code`.",
        "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name=public_name(Problem))}}},
    }
    return operation


def _response(told: Gives) -> dict[str, Any]:
    if isinstance(told, str):
        return {"description": told}
    shape, words = told if isinstance(told, tuple) else (told, " ".join((told.__doc__ or "").split()))
    schema = {"$ref": REFERENCE.format(name=public_name(shape))}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def parameter(name: str, place: str, *, schema: dict[str, Any], description: str, example: str = "") -> dict[str, Any]:
    """One OpenAPI parameter; `place` is path, query or header. A page fills in the example."""
    told = {"name": name, "in": place, "required": place == "path", "schema": schema, "description": description}
    return {**told, "example": example} if example else told
