"""What one service brings to the merged document: its operations at their public paths, and the components they need.

Made once per registration; nothing in it depends on other services. Names are the service's own (`naming.py`),
security is the gateway's, servers are gone, every operation can be read alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.routes.openapi.adapting import Adapter
from taskgate.routes.openapi.examples import NOTHING, ExampleMaker
from taskgate.routes.openapi.grammar import SECTIONS
from taskgate.routes.openapi.matching import Shown, shown
from taskgate.routes.openapi.naming import operation_name, variables_of
from taskgate.routes.openapi.plain import plain_operation
from taskgate.routes.openapi.reading import ApiDocument, read_document
from taskgate.routes.openapi.rewriting import Object, unescaped
from taskgate.routes.openapi.streams import STREAMS
from taskgate.routes.policy import Effective, effective
from taskgate.routes.service import Service, digest_of

# headers that are the gateway's business, or that OpenAPI says elsewhere
NOT_SHOWN = frozenset({"accept", "content-type", "authorization", "x-api-key"})
STRING = {"type": "string"}
Needs = tuple[tuple[str, str], ...]


class PieceOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `scope` is what a caller's key must allow, `needs` the components it refers to."""

    method: str
    path: str
    scope: str
    told: Object
    needs: Needs

    @property
    def streams(self) -> bool:
        """Whether an answer of it comes piece by piece."""
        answers = self.told.get("responses", {}).values()
        return any(media in STREAMS for answer in answers for media in answer.get("content", {}))


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A service's part of the document. `stale` says why this is not its present document, "" when it is."""

    service: str
    digest: str
    base_url: str
    title: str
    operations: tuple[PieceOperation, ...]
    components: dict[tuple[str, str], tuple[Object, Needs]]
    tags: dict[str, str]
    stale: str = ""
    warnings: tuple[str, ...] = ()


def piece_of(service: Service, *, defaults: Effective = Effective()) -> Piece:  # noqa: B008  # immutable
    """The service's piece. InvalidInput (DOCUMENT_INVALID) when it has a document that cannot be read."""
    document = read_document(service.document) if service.document else None
    return _Maker(service, document, defaults).make()


def bare_piece_of(service: Service, *, stale: str, defaults: Effective = Effective()) -> Piece:  # noqa: B008
    """The service's piece as if it had no document."""
    piece = _Maker(service, None, defaults).make()
    return msgspec.structs.replace(piece, stale=stale)


class _Maker:
    """Makes one piece."""

    def __init__(self, service: Service, document: ApiDocument | None, defaults: Effective) -> None:
        self._service = service
        self._document = document
        self._defaults = defaults
        self._tree: Object = {"paths": {}} if document is None else document.tree
        self._components: Object = self._tree.get("components", {})
        self._examples = ExampleMaker(self._components.get("schemas", {}))
        self._tags: dict[str, str] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def make(self) -> Piece:
        """The piece."""
        found = shown(self._service, self._document)
        links = self._name(found)
        schemas = self._components.get("schemas", {})
        adapter = Adapter(self._service.name, links, taken=set(self._ids.values()), schemas=schemas)
        operations = tuple(self._operation(one, adapter) for one in found)
        told = self._tree.get("tags", ())
        words = {self._tag(tag["name"]): tag.get("description", "") for tag in told}
        return Piece(
            service=self._service.name,
            digest=digest_of(self._service),
            base_url=self._service.base_url,
            title="" if self._document is None else self._document.title,
            operations=operations,
            components=self._needed(operations, adapter),
            tags={name: words.get(name, "") for name in self._tags},
            warnings=() if self._document is None else self._document.warnings,
        )

    def _name(self, found: list[Shown]) -> dict[str, str]:
        """Give every operation its id; the ids by what links of the document call them."""
        links: dict[str, str] = {}
        taken: set[str] = set()
        for one in sorted(found, key=lambda one: one.told is None):
            given = one.route.name if one.told is None else one.told.get("operationId", "")
            name = operation_name(self._service.name, given, method=one.method, path=one.path, taken=taken)
            taken.add(name)
            self._ids[one.method, one.path] = name
            if one.told is not None:
                links.setdefault(f"{one.method} {one.source}", name)
                if given:
                    links.setdefault(given, name)
        return links

    def _operation(self, one: Shown, adapter: Adapter) -> PieceOperation:
        told = dict(plain_operation(one.route, one.method) if one.told is None else one.told)
        if one.told is not None:
            self._complete(told, one)
        tags = [self._tag(tag) for tag in told.get("tags", ())] or [self._service.name]
        self._tags.update(dict.fromkeys(tags, ""))
        told["parameters"] = self._parameters(told, one)
        adapted, needs = adapter.adapted(told, "operation")
        scope = effective(one.route.policy, self._service.policy, defaults=self._defaults).scope
        words = f"Needs the scope `{scope}`." if scope else ""
        description = "\n\n".join(part for part in (adapted.get("description", ""), words) if part)
        final = {**adapted, "tags": tags, "operationId": self._ids[one.method, one.path]}
        if description:
            final["description"] = description
        for name in ("parameters", "callbacks"):
            if not final.get(name):
                final.pop(name, None)
        return PieceOperation(method=one.method, path=one.path, scope=scope, told=final, needs=needs)

    def _complete(self, told: Object, one: Shown) -> None:
        """What the registration adds to a documented operation, and examples where there are none."""
        route = one.route
        if not told.get("summary"):
            told["summary"] = route.summary or route.name
        if not told.get("description") and route.description:
            told["description"] = route.description
        plain = plain_operation(route, one.method)
        given = {"requestBody": route.request_example, "200": route.response_example}
        if "requestBody" in told:
            body = self._seen(told["requestBody"])
            example = _example_in(plain.get("requestBody", {})) if given["requestBody"] is not None else []
            told["requestBody"] = self._with_examples(body, example, hidden="readOnly")
        responses = {}
        for status, response in told.get("responses", {}).items():
            known = status == "200" and given["200"] is not None
            example = _example_in(plain["responses"]["200"]) if known else []
            responses[status] = self._with_examples(self._seen(response), example, hidden="writeOnly")
        told["responses"] = responses

    def _with_examples(self, side: Object, given: list[Any], *, hidden: str) -> Object:
        content = {}
        for media, told in side.get("content", {}).items():
            if "example" not in told and "examples" not in told and "json" in media:
                value = given[0] if given else self._examples.example(told.get("schema"), hidden=hidden)
                told = told if value is NOTHING else {**told, "example": value}
            content[media] = told
        return {**side, "content": content} if content else side

    def _parameters(self, told: Object, one: Shown) -> list[Object]:
        variables = variables_of(one.path)
        found: dict[tuple[str, str], Object] = {}
        for parameter in told.get("parameters", ()):
            parameter = self._seen(parameter)
            place, name = parameter.get("in", ""), parameter.get("name", "")
            if place == "path":
                name = one.renamed.get(name, name)
                if name not in variables:
                    continue
                parameter = {**parameter, "name": name}
            if name and not (place == "header" and name.lower() in NOT_SHOWN):
                found.setdefault((place, name), parameter)
        for name in variables:
            missing = {"name": name, "in": "path", "required": True, "schema": STRING}
            found.setdefault(("path", name), missing)
        return list(found.values())

    def _seen(self, node: Object) -> Object:
        """What a reference leads to; the document has no circles of bare references."""
        while "$ref" in node:
            _, _, section, name = node["$ref"].split("/", 3)
            node = self._components.get(section, {}).get(unescaped(name), {})
        return node

    def _tag(self, name: str) -> str:
        """A document's tag that is called like its service is the service's own."""
        return self._service.name if name == self._service.name else f"{self._service.name} · {name[:120]}"

    def _needed(
        self, operations: tuple[PieceOperation, ...], adapter: Adapter
    ) -> dict[tuple[str, str], tuple[Object, Needs]]:
        """Every component that an operation needs, and what those need."""
        found: dict[tuple[str, str], tuple[Object, Needs]] = {}
        kinds = {section: kind for kind, section in SECTIONS.items()}
        waiting = [need for operation in operations for need in operation.needs]
        while waiting:
            need = waiting.pop()
            if need in found:
                continue
            section, old = adapter.source_of(need)
            target = self._components.get(section, {}).get(old, {})
            adapted, needs = adapter.adapted(target, kinds[section])
            found[need] = (adapted, needs)
            waiting.extend(needs)
        return found


def _example_in(side: Object) -> list[Any]:
    return [media["example"] for media in side.get("content", {}).values() if "example" in media]
