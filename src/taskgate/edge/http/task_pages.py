"""A task as an operation of its own: `POST /v1/tasks/{name}/runs` with its schemas and examples.

Names and descriptions come from workers: they are carried as text and never read as markup here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.edge.http import shapes
from taskgate.edge.http.described import described
from taskgate.edge.http.operations import IDEMPOTENCY_KEY, PREFER, SUBMIT_RESPONSES
from taskgate.edge.http.problems import printable
from taskgate.edge.http.schemas import ANYTHING, REFERENCE, embedded, public_name
from taskgate.runs.task import TaskDefinition

MAX_EXAMPLES = 20
MAX_EXAMPLE_BYTES = 16 << 10


def path_of(definition: TaskDefinition) -> str:
    """Where the task is submitted."""
    return f"/v1/tasks/{definition.name}/runs"


def tag_of(definition: TaskDefinition) -> str:
    """Tasks stand together by the first part of a dotted name."""
    first, dot, _ = definition.name.partition(".")
    return f"Run · {first}" if dot else "Run"


def schemas_of(definition: TaskDefinition) -> dict[str, Any]:
    """The task's own schemas as components."""
    found: dict[str, Any] = {}
    for part, schema in (("input", definition.input_schema), ("output", definition.output_schema)):
        if schema is not None:
            name = f"task.{definition.name}.{part}"
            found[name] = embedded(schema, name)
    return found


def operation_of(definition: TaskDefinition, submit: dict[str, Any]) -> dict[str, Any]:
    """The operation; `submit` is the schema of a submit body, whose other members it shares."""
    operation = described(
        summary=summary_of(definition),
        tag=tag_of(definition),
        operation_id=f"run.{definition.name}",
        scope="submit",
        gives=SUBMIT_RESPONSES,
        parameters=[IDEMPOTENCY_KEY, PREFER],
        description=definition.description,
    )
    content: dict[str, Any] = {"schema": _body_schema(definition, submit)}
    if examples := _examples(definition):
        content["examples"] = examples
    operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if definition.output_schema is not None:
        ended = operation["responses"]["200"]["content"]["application/json"]
        output = {"$ref": REFERENCE.format(name=f"task.{definition.name}.output")}
        run = {"$ref": REFERENCE.format(name=public_name(shapes.RunShape))}
        ended["schema"] = {"allOf": [run, {"properties": {"output": {"anyOf": [output, {"type": "null"}]}}}]}
    return operation


def summary_of(definition: TaskDefinition) -> str:
    """The first line of the description, else the name."""
    first = definition.description.strip().partition("\n")[0]
    line = printable(first)[:120].strip()
    return line or definition.name


def _body_schema(definition: TaskDefinition, submit: dict[str, Any]) -> dict[str, Any]:
    wanted = {"$ref": REFERENCE.format(name=f"task.{definition.name}.input")}
    properties = {**submit["properties"], "input": ANYTHING if definition.input_schema is None else wanted}
    properties.pop("callback_url", None)
    return {"type": "object", "required": ["input"], "additionalProperties": False, "properties": properties}


def _examples(definition: TaskDefinition) -> dict[str, Any]:
    short = [example for example in definition.examples[:MAX_EXAMPLES] if len(bytes(example)) <= MAX_EXAMPLE_BYTES]
    return {
        f"example {number}": {"value": {"input": msgspec.json.decode(example)}}
        for number, example in enumerate(short, start=1)
    }
