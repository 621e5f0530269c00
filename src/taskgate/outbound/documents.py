"""Fetching a service's OpenAPI document from where the service says it is.

The address is read strictly, resolved and judged, and the connection goes to the judged IP address itself: there is no
second look-up that could answer differently. The Host header, the name in TLS and its verification keep the name that
was asked for. A redirect is a failure, no proxy of the environment is used, nothing is unpacked, no cookie is kept.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address

import aiohttp
from yarl import URL

from taskgate.errors import TooLarge, Unavailable
from taskgate.reach.addresses import Address, read_url
from taskgate.reach.pinning import Reach

FETCH_S = 10.0
MAX_BYTES = 4 << 20
RETRY_S = 5.0
PLACE = "/openapi_url"
HEADERS = {
    "Accept": "application/json, application/yaml, text/yaml, */*;q=0.1",
    "Accept-Encoding": "identity",
    "User-Agent": "taskgate",
}


class WebDocuments:
    """OpenAPI documents over http and https."""

    def __init__(
        self,
        reach: Reach,
        *,
        max_bytes: int = MAX_BYTES,
        deadline_s: float = FETCH_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = reach
        self._max_bytes = max_bytes
        self._deadline_s = deadline_s
        self._tls = tls

    async def fetch(self, url: str, *, site_id: str) -> bytes:
        """The document's bytes. InvalidInput for an address that cannot be read, Forbidden for one that must not be
        reached, Unavailable when nothing good comes from it within the deadline, TooLarge above the limit."""
        address = read_url(url, path=PLACE)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._fetched(address, site_id)
        except TimeoutError as error:
            raise _unfetched(f"it did not come within {self._deadline_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unfetched(f"the connection failed ({type(error).__name__})") from error

    async def _fetched(self, address: Address, site_id: str) -> bytes:
        pinned = await self._reach.pin(address.host, address.port, scheme=address.scheme, site_id=site_id)
        connector = aiohttp.TCPConnector(force_close=True, limit=1)
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        ) as session:
            for ip in pinned[:-1]:
                try:
                    return await self._from(session, address, ip)
                except aiohttp.ClientConnectorError:
                    continue
            return await self._from(session, address, pinned[-1])

    async def _from(self, session: aiohttp.ClientSession, address: Address, ip: str) -> bytes:
        async with session.get(
            _url(address, ip),
            headers={**HEADERS, "Host": address.authority},
            allow_redirects=False,
            ssl=self._tls or True,
            server_hostname=address.host if address.scheme == "https" else None,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            if 300 <= answer.status < 400:
                raise _unfetched(f"it was answered with {answer.status}, and redirects are not followed")
            if answer.status != 200:
                raise _unfetched(f"it was answered with {answer.status}")
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise _unfetched("it came packed, though that was not asked for")
            return await self._body(answer)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        if (answer.content_length or 0) > self._max_bytes:
            raise self._too_large()
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > self._max_bytes:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            "the OpenAPI document is too large", code="DOCUMENT_TOO_LARGE", extra={"limit_bytes": self._max_bytes}
        )


def _url(address: Address, ip: str) -> URL:
    """The address with the judged IP address in the place of its name, and its target untouched."""
    host = f"[{ip}]" if ip_address(ip).version == 6 else ip
    return URL(f"{address.scheme}://{host}:{address.port}{address.target or '/'}", encoded=True)


def _unfetched(why: str) -> Unavailable:
    return Unavailable(
        f"the OpenAPI document was not fetched: {why}", code="DOCUMENT_NOT_FETCHED", retry_after_s=RETRY_S
    )
