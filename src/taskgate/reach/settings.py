"""Settings of reach.

Which internal networks the operator opens to registered upstreams, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachSettings:
    """Which addresses registered services may have. Public addresses on ports 80 and 443 always may, over https.

    networks: internal networks that upstreams may be in, each CIDR[:PORT[-PORT]] (10.1.0.0/16:8000-8999). Default
        auto: this machine (127.0.0.0/8, ::1) while the gateway itself listens on a loopback address, else none.
        Without ports those of shells, mail, databases and brokers (22, 5432, 6379, ...) stay shut. Link-local and
        metadata addresses, and the gateway's own ports and stores, never may.
    ports: further ports of public addresses. Default none.
    http_hosts: public hosts that may be called over plain http. Default none.
    """

    networks: tuple[str, ...] = ("auto",)
    ports: tuple[int, ...] = ()
    http_hosts: tuple[str, ...] = ()
