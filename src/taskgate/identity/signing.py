"""Signatures over who calls, for the services behind the gateway.

Every service has a secret of its own, made from the gateway's by its site and name and kept nowhere: the gateway can
make it again, another service or another site cannot. With it a service tells identity headers that the gateway wrote
from those that somebody else sent past the gateway. A signature says who calls and when, not what is called.
`taskgate.service.verifying` is the other end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

ROOT_BYTES = 32
HEADER = "X-Taskgate-Identity"


class IdentitySigner:
    """Makes the secrets of services and signs with them. Until `use` is called its own secret lives as long as it."""

    def __init__(self, root: bytes = b"") -> None:
        self.root = root or secrets.token_bytes(ROOT_BYTES)

    def use(self, root: bytes) -> None:
        """Sign with this secret from now on."""
        self.root = root

    def secret_of(self, service: str, *, site_id: str) -> str:
        """The secret of one service, as it is told to whoever registers it: printable, the same every time."""
        text = f"taskgate identity v1\0{site_id}\0{service}".encode()
        made = hmac.digest(self.root, text, hashlib.sha256)
        return "tgi_" + base64.urlsafe_b64encode(made).rstrip(b"=").decode("ascii")

    def signature(self, secret: str, values: Sequence[bytes], *, at: int) -> bytes:
        """The value of the header for (site, user, app) as they stand in theirs, b"" for one that is not sent."""
        text = b"\n".join((b"v1", b"%d" % at, *values))
        made = base64.b64encode(hmac.digest(secret.encode("ascii"), text, hashlib.sha256))
        return b"v1,t=%d,%b" % (at, made)
