"""TLS of the gRPC door: the newest certificate for every handshake, a client's certificate where authorities are named.

The library asks before each handshake, from a thread of its own, whether the certificate has changed. It knows no
client certificate that may be left out: a port asks for one and needs it, or does not ask.
"""

from __future__ import annotations

import threading
from typing import Any

import grpc

from taskgate.tls.pairs import Pair
from taskgate.tls.watching import Certificates

CERTIFICATE = "x509_pem_cert"


def credentials_of(certificates: Certificates, *, is_client_required: bool) -> grpc.ServerCredentials:
    """Credentials of one port."""
    lock = threading.Lock()
    seen = certificates.generation

    def fetch() -> Any:
        nonlocal seen
        with lock:
            newest = certificates.generation
            if newest == seen:
                return None
            seen = newest
            return _configured(certificates.pair, is_client_required=is_client_required)

    first = _configured(certificates.pair, is_client_required=is_client_required)
    made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(first, fetch, is_client_required)
    return made


def shown_by(context: Any) -> bytes | None:
    """The certificate that the caller showed, in PEM, empty when it showed none; None where there is no TLS."""
    found = context.auth_context()
    if not found:
        return None
    shown = found.get(CERTIFICATE) or ()
    return bytes(shown[0]) if shown else b""


def _configured(pair: Pair, *, is_client_required: bool) -> Any:
    roots = pair.roots if is_client_required else None
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], root_certificates=roots)
