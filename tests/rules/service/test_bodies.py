"""What a registration says, and which routes are picked for it."""

from __future__ import annotations

import json

import pytest

from taskgate.service.bodies import body_of, exposed
from taskgate.service.settings import find_settings

ADD = {"name": "add", "method": "POST", "gateway_path": "/api/add", "upstream_path": "/api/add"}
LIST = {"name": "list", "method": "GET", "gateway_path": "/api/add", "upstream_path": "/api/add"}
ROOT = {"name": "root", "method": "GET", "gateway_path": "/", "upstream_path": "/"}


def test_the_prefix_stands_before_public_paths_alone() -> None:
    told = json.loads(body_of(find_settings({}, name="m", prefix="/v1/ai"), [ADD, ROOT]))
    assert [route["gateway_path"] for route in told["routes"]] == ["/v1/ai/api/add", "/v1/ai"]
    assert [route["upstream_path"] for route in told["routes"]] == ["/api/add", "/"]


def test_only_what_was_said_is_told() -> None:
    assert json.loads(body_of(find_settings({}, name="m"), [])).keys() == {"name", "base_url", "routes"}
    said = find_settings({}, name="m", lease_s=0.0)
    whole = json.loads(body_of(said, [], members={"openapi": {}}, policy={"scope": "read"}))
    assert whole.keys() == {"name", "base_url", "routes", "openapi", "policy", "lease_s"}


def test_equal_content_gives_equal_bytes() -> None:
    settings = find_settings({}, name="m")
    backwards = dict(reversed(ADD.items()))
    assert body_of(settings, [ADD]) == body_of(settings, [backwards])


def test_routes_are_picked_by_path_or_by_method_and_path(caplog: pytest.LogCaptureFixture) -> None:
    assert exposed([ADD, LIST], None) == [ADD, LIST]
    assert [route["name"] for route in exposed([ADD, LIST, ROOT], {"/api/add": "/sum"})] == ["add", "list"]
    picked = exposed([ADD, LIST], {"POST /api/add": {"gateway_path": "/sum", "policy": {"scope": "read"}}})
    assert picked == [{**ADD, "gateway_path": "/sum", "policy": {"scope": "read"}}]
    assert caplog.records == []
    assert exposed([ADD], {"/api/ad": "/sum"}) == []
    assert "'/api/ad'" in caplog.text


def test_without_routes_the_gateway_takes_them_from_the_document() -> None:
    told = json.loads(body_of(find_settings({}, name="m", prefix="/v1"), None, members={"openapi_url": "http://x"}))
    assert "routes" not in told
    assert (told["prefix"], told["openapi_url"]) == ("/v1", "http://x")
