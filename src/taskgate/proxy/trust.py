"""Whose word is believed about who calls.

Only peers inside the configured networks may tell the caller's address and scheme; what anybody else says about it
is deleted before it gets here. The caller is the last address in the chain that is not itself such a peer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from taskgate.errors import InvalidInput
from taskgate.identity.forwarded import told_by_tls

_FOR = re.compile(rb"(?:^|[;,\s])for=\"?([^;,\"]+)\"?", re.IGNORECASE)


class Trust:
    """The trusted networks. Raises InvalidInput for one that is no network."""

    __slots__ = ("_is_trusted", "_networks")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        try:
            self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        except ValueError as error:
            raise InvalidInput(f"not a network: {error}", extra={"path": "proxy.trusted_proxies"}) from error
        self._is_trusted = lru_cache(maxsize=4096)(self._judge)

    def believes(self, address: str) -> bool:
        """Whether this peer is one of ours."""
        return bool(self._networks) and self._is_trusted(address)

    def caller(self, told: Mapping[bytes, bytes], peer: str) -> str:
        """The address behind a trusted peer: the last one of the chain that is not trusted."""
        chain = told.get(b"x-forwarded-for")
        if chain is not None:
            addresses = [part.strip() for part in chain.split(b",")]
        else:
            addresses = [part.strip() for part in _FOR.findall(told.get(b"forwarded", b""))]
        for raw in reversed(addresses):
            address = _plain(raw)
            if not address:
                break
            peer = address
            if not self.believes(address):
                break
        return peer

    def scheme(self, told: Mapping[bytes, bytes], own: str) -> str:
        """`http` or `https` as the trusted peer's caller used it."""
        said = told.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower()
        return said.decode() if said in (b"http", b"https") else own

    def _judge(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


class SocketTrust(Trust):
    """Believes whoever connects over a Unix socket, which has no address, and nobody else."""

    __slots__ = ()

    def believes(self, address: str) -> bool:
        """Whether the peer is at the other end of that socket."""
        return not address


def shown_by(transport: asyncio.BaseTransport) -> bytes:
    """The certificate that the peer showed to our own TLS, as a header tells it; b"" when it showed none."""
    tls = transport.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    return told_by_tls(der) if der else b""


def _plain(raw: bytes) -> str:
    """An address without brackets and port; empty when it is none."""
    text = raw.decode("latin-1").strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
