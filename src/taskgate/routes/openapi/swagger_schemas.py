"""The schemas of Swagger 2.0: where their references lead, and what their discriminators are called in 3.0.

Their dialect is brought to 3.1 with those of 3.0; values in them are never read as schemas.
"""

from __future__ import annotations

from typing import Any

SECTIONS = {"#/definitions/": "#/components/schemas/", "#/responses/": "#/components/responses/"}
VALUES = frozenset({"example", "default", "enum", "x-example", "required"})


def moved(node: Any) -> Any:
    """A schema or reference whose references lead to where 3.0 keeps things; discriminators become objects."""
    if isinstance(node, list):
        return [moved(part) for part in node]
    if not isinstance(node, dict):
        return node
    new = {name: part if name in VALUES else moved(part) for name, part in node.items()}
    reference = new.get("$ref")
    if isinstance(reference, str):
        for old, now in SECTIONS.items():
            if reference.startswith(old):
                new["$ref"] = now + reference[len(old) :]
    if isinstance(new.get("discriminator"), str):
        new["discriminator"] = {"propertyName": new["discriminator"]}
    return new
