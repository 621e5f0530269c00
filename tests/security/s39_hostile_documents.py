"""S39 for documents: large, deep, circular or misleading ones cost bounded time and change nothing else.

The gateway reads what any key with `register` sends; the page shows it to people.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from taskgate.errors import InvalidInput
from taskgate.routes.openapi.merging import merge
from taskgate.routes.openapi.pieces import piece_of
from taskgate.routes.openapi.reading import read_document
from taskgate.routes.service import Route, Service

pytestmark = pytest.mark.security

BOUND_S = 20.0  # several times what a slow machine needs; without the bounds these take minutes or for ever
OWN = {"openapi": "3.1.1", "info": {"title": "own", "version": "1"}, "paths": {}, "components": {}}
ROUTES = (Route(name="a", method="GET", path="/a", upstream_path="/a"),)


def document(schema: Any, **schemas: Any) -> bytes:
    content = {"application/json": {"schema": schema}}
    paths = {"/a": {"get": {"responses": {"200": {"description": "", "content": content}}}}}
    told = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}
    return json.dumps({**told, "components": {"schemas": schemas}}).encode()


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def nested(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


HOSTILE = {
    "a hundred thousand components": document(ref("S0"), **{f"S{n}": {} for n in range(100_000)}),
    "a long chain": document(ref("S0"), **{f"S{n}": {"items": ref(f"S{n + 1}")} for n in range(20_000)}),
    "a long chain of aliases": document(ref("S0"), **{f"S{n}": ref(f"S{n + 1}") for n in range(5_000)}),
    "everybody knows everybody": document(
        ref("S0"), **{f"S{n}": {"anyOf": [ref(f"S{m}") for m in range(200)]} for n in range(200)}
    ),
    "examples that double": document(
        ref("S0"), **{f"S{n}": {"properties": {k: ref(f"S{n + 1}") for k in "abcdefgh"}} for n in range(100)}
    ),
    "circles": document(ref("A"), A=ref("B"), B={"allOf": [ref("A"), ref("B")]}),
    "deep": document(nested(45)),
    "too deep": document("?").replace(b'"?"', b'{"items":' * 5_000 + b"{}" + b"}" * 5_000),
    "pointers that copy": document(
        {"anyOf": [{"$ref": "#/components/schemas/L" + "/properties/p" * n} for n in range(40)]},
        L=json.loads('{"properties":{"p":' * 40 + '{"enum":' + json.dumps(list(range(5_000))) + "}" + "}}" * 40),
    ),
    "many required": document({"required": [f"p{n}" for n in range(100_000)]}),
    "slow pattern": document({"type": "string", "pattern": "(a+)+$" * 20, "minLength": 100}),
    "huge limits": document({"type": "array", "items": {"type": "string", "minLength": 10**9}, "minItems": 10**9}),
    "huge numbers": document({"type": "number", "minimum": 1e308, "multipleOf": 1e-308}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_cost_is_bounded(name: str) -> None:
    """Read or refused, in bounded time, and never more than a few times its size."""
    begun = time.monotonic()
    found = outcome(HOSTILE[name])
    assert time.monotonic() - begun < BOUND_S
    if isinstance(found, InvalidInput):
        assert found.code == "DOCUMENT_INVALID"
    else:
        assert list(found["paths"]) == ["/a"]
        assert len(json.dumps(found)) < 16 << 20


def outcome(data: bytes) -> dict[str, Any] | InvalidInput:
    """The merged document, or why there is none."""
    service = Service(name="s", base_url="http://x.test", routes=ROUTES, document=data)
    try:
        return merge(OWN, [piece_of(service)])
    except InvalidInput as error:
        return error


def test_nothing_is_fetched_and_nothing_leaves_the_document() -> None:
    for address in ("http://169.254.169.254/latest", "file:///etc/passwd", "//evil.test/x", "https://evil.test#/a"):
        service = Service(name="s", base_url="http://x.test", routes=ROUTES, document=document({"$ref": address}))
        assert "evil" not in json.dumps(merge(OWN, [piece_of(service)]))
        assert read_document(service.document).warnings


def test_texts_stay_texts() -> None:
    """Markup, prototype names and templates are carried as they came: nothing here reads them."""
    schemas = {"__proto__": {"properties": {"constructor": {"description": "<script>alert(1)</script>"}}}}
    service = Service(name="s", base_url="http://x.test", routes=ROUTES, document=document(ref("__proto__"), **schemas))
    merged = merge(OWN, [piece_of(service)])
    found = merged["components"]["schemas"]["s.__proto__"]["properties"]["constructor"]
    assert found == {"description": "<script>alert(1)</script>"}
    assert "__proto__" not in merged["components"]["schemas"]


def test_one_service_never_takes_anothers_names() -> None:
    """Names are built so that no service can name itself into another's."""
    ours = Service(
        name="a", base_url="http://x.test", routes=ROUTES, document=document(ref("b.C"), **{"b.C": {"const": 1}})
    )
    theirs = Service(
        name="a.b", base_url="http://x.test", document=document(ref("C"), C={"const": 2}),
        routes=(Route(name="a", method="GET", path="/b", upstream_path="/a"),),
    )  # fmt: skip
    for order in ([ours, theirs], [theirs, ours]):
        schemas = merge(OWN, [piece_of(service) for service in order])["components"]["schemas"]
        assert len(schemas) == 2
        assert schemas["a.b.C"] == {"const": 1}
