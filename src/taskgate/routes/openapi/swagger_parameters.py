"""The parameters of Swagger 2.0: the plain ones get a schema of their own, `body` and `formData` become a body.

What is no parameter is left for the grammar to leave out.
"""

from __future__ import annotations

from typing import Any

from taskgate.routes.openapi.rewriting import Object
from taskgate.routes.openapi.swagger_schemas import moved

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
SCHEMA_WORDS = (
    *("type", "format", "items", "default", "enum", "pattern", "maximum", "exclusiveMaximum", "minimum", "multipleOf"),
    *("exclusiveMinimum", "maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "x-nullable"),
)
OWN_WORDS = ("name", "in", "description", "required", "allowEmptyValue")
STYLES = {"ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False), "multi": ("form", True)}


class Parameters:
    """Takes an operation's parameters apart; `shared` are those of the document, by name."""

    def __init__(self, shared: Object, warnings: list[str]) -> None:
        self._shared = shared
        self._warnings = warnings

    def split(self, given: list[Any]) -> Split:
        """Plain parameters and what becomes the body; of two with one place and name the later holds."""
        found: dict[tuple[Any, Any], Object] = {}
        for parameter in given:
            seen = self._seen(parameter)
            if seen is not None:
                place, name = seen.get("in"), seen.get("name")
                found["body" if place == "body" else str(place), str(name) if place != "body" else ""] = seen
        split = Split()
        for parameter in found.values():
            match parameter.get("in"):
                case "body":
                    split.whole = parameter
                case "formData":
                    split.form.append(parameter)
                case _:
                    split.plain.append(self._plain(parameter))
        return split

    def header(self, old: Any) -> Any:
        """A header of an answer."""
        if not isinstance(old, dict):
            return old
        return {**_kept(old, ("description",)), "schema": schema_of(old)}

    def _seen(self, parameter: Any) -> Object | None:
        if not isinstance(parameter, dict):
            return None
        reference = parameter.get("$ref")
        if reference is None:
            return parameter
        found = self._shared.get(reference.removeprefix("#/parameters/")) if isinstance(reference, str) else None
        if not isinstance(found, dict):
            self._warnings.append(f"{str(reference)[:200]}: leads nowhere in this document")
            return None
        return found

    def _plain(self, old: Object) -> Object:
        new = {**_kept(old, OWN_WORDS), "schema": schema_of(old)}
        if "x-example" in old:
            new["example"] = old["x-example"]
        if old.get("type") == "array":
            form = str(old.get("collectionFormat", "csv"))
            place = old.get("in")
            if form in STYLES and place == "query":
                new["style"], new["explode"] = STYLES[form]
            elif place == "query":
                new["style"], new["explode"] = "form", False
        return new


class Split:
    """Parameters taken apart."""

    def __init__(self) -> None:
        self.plain: list[Object] = []
        self.form: list[Object] = []
        self.whole: Object | None = None

    def body(self, consumes: list[str]) -> Object | None:
        """The request body; None when there is none."""
        if self.whole is not None:
            return self._one_schema(self.whole, consumes)
        if not self.form:
            return None
        forms = [media for media in consumes if media in FORMS]
        if any(part.get("type") == "file" for part in self.form):
            forms = [FORMS[0]]
        schema: Object = {"type": "object", "properties": {}}
        encoding: Object = {}
        for part in self.form:
            name = str(part.get("name"))
            schema["properties"][name] = {**_kept(part, ("description",)), **schema_of(part)}
            if part.get("type") == "array" and part.get("collectionFormat") != "multi":
                encoding[name] = {"style": "form", "explode": False}
        required = [str(part.get("name")) for part in self.form if part.get("required") is True]
        if required:
            schema["required"] = required
        content: Object = {}
        for media in forms or FORMS[1:]:
            told: Object = {"schema": schema}
            if encoding and media == FORMS[1]:
                told["encoding"] = encoding
            content[media] = told
        return {"content": content, "required": bool(required)}

    @staticmethod
    def _one_schema(whole: Object, consumes: list[str]) -> Object:
        media = {"schema": moved(whole.get("schema", {}))}
        if "x-example" in whole:
            media["example"] = whole["x-example"]
        new = {**_kept(whole, ("description", "required")), "content": dict.fromkeys(consumes, media)}
        examples = whole.get("x-examples")
        if isinstance(examples, dict):
            for name, example in examples.items():
                if name in new["content"]:
                    new["content"][name] = {**media, "example": example}
        return new


def schema_of(old: Object) -> Object:
    """The schema that stands in a parameter, an item or a header of 2.0."""
    schema = _kept(old, SCHEMA_WORDS)
    items = schema.get("items")
    if isinstance(items, dict):
        schema["items"] = schema_of(items)
    if schema.get("type") == "file":
        schema |= {"type": "string", "format": "binary"}
    return schema


def _kept(old: Object, names: tuple[str, ...]) -> Object:
    return {name: old[name] for name in names if name in old}
