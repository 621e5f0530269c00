"""Whether gateway and worker trust each other, asked with one handshake and told in words that somebody can act upon.

Both ends may refuse: we do when its certificate has ended, is another host's, or comes from an authority that we do
not know; it does by an alert, which arrives only after the handshake and is waited for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from taskgate.errors import Unavailable
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.websocket import tls_context

ANSWER_S = 10.0
ALERT_S = 1.0
EXPIRED, OTHER_HOST, OTHER_ADDRESS = 10, 62, 64  # of OpenSSL's X509_V_ERR_*
ALERTS = {
    "CERTIFICATE_REQUIRED": "the gateway asks for a certificate of this worker: --cert FILE --key FILE",
    "CERTIFICATE_EXPIRED": "the gateway says that this worker's certificate has ended: renew it",
    "UNKNOWN_CA": "the gateway does not trust the authority of this worker's certificate",
    "HANDSHAKE_FAILURE": "the gateway refuses the handshake; does it ask for a certificate? --cert FILE --key FILE",
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS",
}

REFUSED = (
    "the gateway does not take this worker's certificate: it has ended, or comes from an authority not trusted there"
)


async def trust(settings: WorkerSettings) -> str:
    """Both trust each other; what the gateway showed. Unavailable says who does not trust whom, and why."""
    return await asyncio.to_thread(_shake_hands, settings)


def _shake_hands(settings: WorkerSettings) -> str:
    host, port = address_of(settings)
    context = tls_context(settings)
    if settings.transport == "grpc":
        context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, port), timeout=ANSWER_S) as line,
            context.wrap_socket(line, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert() or {}
            secured.settimeout(ALERT_S)
            with contextlib.suppress(TimeoutError):
                if not secured.recv(1):
                    raise Unavailable(REFUSED if settings.cert_file else ALERTS["CERTIFICATE_REQUIRED"])
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(_untrusted(error, settings, host=host)) from error
    except ssl.SSLError as error:
        raise Unavailable(_alert(error)) from error
    ends_at = ssl.cert_time_to_seconds(str(shown["notAfter"])) if "notAfter" in shown else 0
    return f"{host} is trusted, its certificate ends on {datetime.fromtimestamp(ends_at, tz=UTC):%Y-%m-%d}"


def address_of(settings: WorkerSettings) -> tuple[str, int]:
    """Host and port of the gateway's door."""
    if settings.transport == "grpc":
        host, _, port = settings.grpc_address.rpartition(":")
        return host.strip("[]"), int(port)
    address = urlsplit(settings.gateway)
    return address.hostname or "127.0.0.1", address.port or (443 if settings.is_tls else 80)


def _untrusted(error: ssl.SSLCertVerificationError, settings: WorkerSettings, *, host: str) -> str:
    if error.verify_code == EXPIRED:
        return "the gateway's certificate has ended"
    if error.verify_code in (OTHER_HOST, OTHER_ADDRESS):
        return f"the gateway's certificate is not for {host}"
    known = settings.ca_file or "the system's authorities"
    return (
        f"the gateway's certificate comes from an authority that is not in {known} (--ca FILE): {error.verify_message}"
    )


def _alert(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    return next((text for name, text in ALERTS.items() if name in reason), f"the handshake failed: {reason}")
