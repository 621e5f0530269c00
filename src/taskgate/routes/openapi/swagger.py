"""Swagger 2.0 becomes a document of the shape of 3.0 (its schemas are brought to 3.1 with those of 3.0)."""

from __future__ import annotations

from taskgate.routes.openapi.rewriting import Object, refused


def from_swagger(tree: Object, warnings: list[str]) -> Object:
    """The document in the shape of 3.0."""
    raise refused("Swagger 2.0 is not read")
