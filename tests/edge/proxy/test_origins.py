"""Pages of other origins and proxied routes (S33): the gateway's list alone, whatever a service says."""

from __future__ import annotations

import pytest

from tests.edge.proxy.stand import Peer, everything, request, standing

LISTED = "https://app.example"
THEIRS = b"Access-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\nX-Other: kept\r\n"


async def open_minded(peer: Peer) -> None:
    await peer.answer(lines=THEIRS)


def asked(origin: str, *, method: str = "GET", key: str = "good", more: bytes = b"") -> bytes:
    return request(
        "/x", method=method, key=key, lines=b"Connection: close\r\nOrigin: %b\r\n%b" % (origin.encode(), more)
    )


@pytest.mark.parametrize(("origin", "allowed"), [(LISTED, [LISTED]), ("https://evil.example", []), ("null", [])])
async def test_a_page_is_told_by_the_gateway_alone(origin: str, allowed: list[str]) -> None:
    async with standing(origins=(LISTED,)) as stand:
        upstream = await stand.upstream(open_minded)
        stand.register(upstream.url, everything())
        for key, status in (("good", 200), ("bad", 401)):
            head = (await stand.ask(asked(origin, key=key))).partition(b"\r\n\r\n")[0].decode().lower()
            lines = head.split("\r\n")
            assert f" {status} " in lines[0]
            found = [line.partition(": ")[2] for line in lines if line.startswith("access-control-allow-origin: ")]
            assert found == allowed
            assert "vary: origin" in lines
            assert "credentials" not in head
            assert ("x-other: kept" in lines) is (status == 200)


async def test_a_preflight_is_the_applications() -> None:
    async with standing(origins=(LISTED,)) as stand:
        upstream = await stand.upstream(open_minded)
        stand.register(upstream.url, everything())
        preflight = asked(LISTED, method="OPTIONS", key="", more=b"Access-Control-Request-Method: POST\r\n")
        assert (await stand.ask(preflight)).startswith(b"HTTP/1.1 299 ")
        assert upstream.connections == 0


async def test_without_a_list_a_service_speaks_for_itself() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(open_minded)
        stand.register(upstream.url, everything())
        head = (await stand.ask(asked(LISTED))).lower()
        assert b"access-control-allow-origin: *" in head
        assert b"vary" not in head
