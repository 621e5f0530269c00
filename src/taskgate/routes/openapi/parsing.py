"""Bytes of a document, JSON or YAML, become plain JSON values of bounded size.

YAML is read by the core schema of YAML 1.2, as OpenAPI asks: dates stay texts, `yes` is a text, `200:` is the key
"200". Refused: tags that are no JSON values, aliases that multiply, what is nested too deep or has too many values.
Nothing that a document says is ever fetched or run.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from taskgate.routes.openapi.rewriting import MAX_NODES, escaped, refused
from taskgate.wire.depth import is_too_deep

MAX_BYTES = 4 << 20
MAX_YAML_BYTES = 2 << 20
MAX_DEPTH = 100
MAX_ALIASES = 1000
MAX_MERGED = 2000


def parsed(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The document as an object. InvalidInput, code DOCUMENT_INVALID, says where and why it is refused."""
    if len(data) > max_bytes:
        raise refused(f"the document has {len(data)} bytes, {max_bytes} are read")
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    tree = _from_json(text) if text.startswith((b"{", b"[")) else _from_yaml(text)
    counted = _Counted()
    found = counted.copy(tree, "", depth=0)
    if not isinstance(found, dict):
        raise refused("a document is an object")
    return found


def _from_json(text: bytes) -> Any:
    if is_too_deep(text, deepest=MAX_DEPTH):
        raise refused(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise refused(f"not JSON: {error}") from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C parser where it is there
    """The core schema of YAML 1.2 and merge keys of bounded size."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merges = any(key.tag.endswith(":merge") for key, _ in node.value)
        super().flatten_mapping(node)
        if merges and len(node.value) > MAX_MERGED:
            raise refused("merge keys multiply the document")


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("null", r"^(?:~|null|Null|NULL|)$", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("merge", r"^<<$", "<")


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 10)


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


def _from_yaml(text: bytes) -> Any:
    if len(text) > MAX_YAML_BYTES:
        raise refused(f"the YAML document has {len(text)} bytes, {MAX_YAML_BYTES} are read; send it as JSON")
    try:
        decoded = text.decode("utf-8")
        _measure(decoded)
        return yaml.load(decoded, Loader=_Loader)  # noqa: S506  # a safe loader, with less in it
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise refused(f"not YAML{where}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise refused(f"neither JSON nor YAML: {str(error)[:200]}") from error


def _measure(text: str) -> None:
    """Refuse depth and aliases by the events, before anything is built from them."""
    depth = aliases = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH:
            raise refused(f"nested deeper than {MAX_DEPTH} levels")
        if aliases > MAX_ALIASES:
            raise refused(f"more than {MAX_ALIASES} aliases")
        if count > 3 * MAX_NODES:
            raise refused(f"more than {MAX_NODES} values")


class _Counted:
    """A copy in which nothing is shared, given up as soon as it grows too large or too deep."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def copy(self, node: Any, place: str, *, depth: int) -> Any:
        """Plain JSON values alone; keys become texts."""
        self._left -= 1
        if self._left < 0:
            raise refused(f"more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise refused(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, dict):
            return {
                _key(name, place): self.copy(part, f"{place}/{name}", depth=depth + 1) for name, part in node.items()
            }
        if isinstance(node, list):
            return [self.copy(part, place, depth=depth + 1) for part in node]
        if isinstance(node, str):
            return _encodable(node, place)
        if node is None or isinstance(node, bool | int | float):
            return node
        raise refused("a value that JSON does not know", place)


def _key(name: Any, place: str) -> str:
    if isinstance(name, str):
        return _encodable(name, place)
    if name is None or isinstance(name, bool):
        return {None: "null", True: "true", False: "false"}[name]
    if isinstance(name, int | float):
        return str(name)
    raise refused("a key that is no text", f"{place}/{escaped(str(name)[:64])}")


def _encodable(text: str, place: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise refused("a text with half a character in it", place) from error
    return text
