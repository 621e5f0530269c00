"""S33: pages of other origins: an exact list, no credentials, nothing reflected."""

from __future__ import annotations

import pytest

from taskgate.errors import InvalidInput
from tests.edge.http.house import ECHO, House, open_house

pytestmark = pytest.mark.security

LISTED = "https://app.example"
STRANGERS = [
    "null", "*", "https://evil.example", "https://app.example.evil.example", "https://evilapp.example", "http://app.example",
    "https://app.example:8443", "https://app.example/", "https://APP.example", "https://app.example https://evil.example",
    "https://app.example\r\nX-Evil: 1", "file://", "",
]  # fmt: skip


async def both_ways(house: House, origin: str) -> list[dict[str, str]]:
    """The headers of a preflight and of a call."""
    raw = [(b"origin", origin.encode())]
    asks_first = [*raw, (b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"x-api-key")]
    body = {"input": {"n": 1}}
    path = "/v1/tasks/demo.echo/runs"
    return [
        (await house.ask("OPTIONS", path, raw=asks_first)).headers,
        (await house.ask("POST", path, body, key=await house.key("submit"), raw=raw)).headers,
    ]


@pytest.mark.parametrize("origin", [*STRANGERS, LISTED])
async def test_off_means_off(house: House, origin: str) -> None:
    for headers in await both_ways(house, origin):
        assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", STRANGERS)
async def test_strangers_get_no_leave(origin: str) -> None:
    async with open_house(cors_origins=(LISTED,)) as house:
        await house.define(ECHO)
        for headers in await both_ways(house, origin):
            assert not [name for name in headers if name.startswith("access-control-")]
            assert headers["vary"] == "Origin"


async def test_listed_origins_get_no_credentials() -> None:
    async with open_house(cors_origins=(LISTED,)) as house:
        await house.define(ECHO)
        for headers in await both_ways(house, LISTED):
            assert headers["access-control-allow-origin"] == LISTED
            assert "access-control-allow-credentials" not in headers
            assert "*" not in "".join(value for name, value in headers.items() if name.startswith("access-control"))


@pytest.mark.parametrize("origin", ["*", "null", "https://*.example", "https://a.example/path"])
async def test_a_loose_list_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(InvalidInput):
        async with open_house(cors_origins=(origin,)):
            pass
