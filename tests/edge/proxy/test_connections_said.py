"""What answers say of their connection, and that refusals tell strangers nothing by their form."""

from __future__ import annotations

import pytest

from tests.edge.proxy.stand import Answer, request, standing

UPGRADE = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n"


def old(key: str) -> bytes:
    return b"GET /x HTTP/1.0\r\nx-api-key: %b\r\nconnection: keep-alive\r\n\r\n" % key.encode()


@pytest.mark.parametrize("key", ["good", "reader"])
async def test_an_old_client_is_told_that_its_connection_stays(key: str) -> None:
    """Without these words a client of HTTP/1.0 waits for the end of the connection."""
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url)
        reader, writer = await stand.connect()
        for _ in range(2):
            writer.write(old(key))
            head = await reader.readuntil(b"\r\n\r\n")
            answer = Answer(head)
            assert answer.header("connection") == "keep-alive"
            await reader.readexactly(int(answer.header("content-length") or 0))


@pytest.mark.parametrize("key", ["good", "nobody"])
async def test_a_refused_upgrade_says_that_its_connection_ends(key: str) -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url)
        answer = Answer(await stand.ask(request(key=key, lines=UPGRADE)))
        assert answer.status in (200, 401)
        assert answer.header("connection") == "close"
