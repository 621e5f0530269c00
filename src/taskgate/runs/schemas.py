"""JSON Schema checks of inputs: compiled once per definition, draft 2020-12.

The input is parsed only when a task has a schema. References to other documents are never fetched.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec

from taskgate.errors import InvalidInput, Malformed

MAX_SCHEMA_BYTES = 256 << 10


def _refuse_reference(uri: str) -> Any:
    raise ValueError(f"references to other documents are not followed: {uri}")


class Schema:
    """One compiled schema. Building it raises InvalidInput when it is no valid JSON Schema."""

    def __init__(self, text: bytes) -> None:
        if len(text) > MAX_SCHEMA_BYTES:
            raise InvalidInput(f"a schema may have at most {MAX_SCHEMA_BYTES} bytes", code="SCHEMA_TOO_LARGE")
        try:
            self._validator = jsonschema_rs.Draft202012Validator(msgspec.json.decode(text), retriever=_refuse_reference)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            raise InvalidInput(f"not a valid JSON Schema: {_short(str(error))}", code="BAD_SCHEMA") from error

    def check(self, text: bytes) -> None:
        """Raise InvalidInput for the first (deepest named) place that the schema refuses.

        `extra["path"]` is a JSON pointer (RFC 6901) into the input, "" for its root.
        """
        try:
            value = msgspec.json.decode(text)
        except RecursionError as error:
            raise Malformed("the input is nested too deeply", code="TOO_DEEP") from error
        if self._validator.is_valid(value):
            return
        for flaw in self._validator.iter_errors(value):
            path = _pointer(list(flaw.instance_path))
            raise InvalidInput(
                f"input{path or ' '}: {_short(flaw.message)}".replace("input :", "input:"),
                code="INVALID_INPUT",
                extra={"path": path},
            )


def _pointer(parts: list[Any]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."
