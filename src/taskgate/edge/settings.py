"""Settings of the doors.

Where they listen, how large a request may be, how long silence is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Bytes = Annotated[int, Meta(ge=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The door for HTTP and WebSocket, one port for both.

    host: address to listen on. Default 127.0.0.1. Containers need 0.0.0.0; then `auth.enabled` must be on.
    port: TCP port. Default 30090. 0 takes any free one and writes it to `gateway.json`.
    workers: processes that share the port: this gateway and its fronts, which proxy beside it. Default 1. More than
        the machine has cores gains nothing.
    max_body_bytes: largest body of one request, a batch being one. Default 10485760 (10 MiB). Above it 413 TOO_LARGE.
    tls_cert_path: certificate chain in PEM; then this port speaks TLS (1.2 and later) alone. Default none.
    tls_key_path: its private key in PEM. Default none: the key stands in the file of the certificate.
    tls_ca_path: authorities in PEM; then callers may show a certificate of theirs. Default none: nobody is
        asked for one.
    tls_client_required: whether a caller must show one. Default false: an API key or a token does as well.
    leave_s: seconds for which a gateway that is asked to end goes on serving while `/health/ready` says that it leaves,
        so that balancers send nobody here any more. Default 1. A gateway whose stores nobody shares waits
        only for the leases of runs that have just begun.
    cors_origins: origins of web pages that may call, compared exactly (https://app.example). Default none.
    """

    host: str = "127.0.0.1"
    port: Port = 30090
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    max_body_bytes: Bytes = 10 << 20
    tls_cert_path: str = ""
    tls_key_path: str = ""
    tls_ca_path: str = ""
    tls_client_required: bool = False
    leave_s: Annotated[float, Meta(ge=0, le=600)] = 1.0
    cors_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcSettings:
    """The door for workers over gRPC.

    enabled: whether this door is opened at all. Default true.
    host: address to listen on. Default 127.0.0.1.
    port: TCP port. Default 50051. 0 takes any free one and writes it to `gateway.json`.
    tls_cert_path: certificate chain in PEM; then this port speaks TLS alone. Renewed files serve without a restart.
        Default none.
    tls_key_path: its private key in PEM. Default none: the key stands in the file of the certificate.
    tls_ca_path: authorities in PEM; then a worker must show a certificate of theirs on this port. Default none.
    mtls_port: a second TCP port, on which alone a certificate is needed; `port` then takes API keys and tokens. Default
        none: with `tls_ca_path` every worker needs a certificate.
    rate_limit_enabled: whether unary calls are counted by credential; streams have credit instead. Default true.
    rate_limit_rate: unary calls a second that one credential may make in the long run: at all gateways
        together where they share a Redis. Default 100.
    rate_limit_capacity: how many of them at once. Default 200.
    max_connections: connections with open calls from one address. Default 1024. More are answered
        RESOURCE_EXHAUSTED; many workers behind one NAT are one address.
    idle_s: seconds for which a connection without a call is kept. Default 120. A worker that polls less often connects
        again, which its library does by itself. A connection must have shaken hands within 10 seconds.
    resets_per_min: calls on one connection that its caller gives up within a second and before any answer. Default 200.
        A connection over it is answered RESOURCE_EXHAUSTED before anything else is looked at.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 50051
    tls_cert_path: str = ""
    tls_key_path: str = ""
    tls_ca_path: str = ""
    mtls_port: Port | None = None
    rate_limit_enabled: bool = True
    rate_limit_rate: Annotated[float, Meta(gt=0)] = 100.0
    rate_limit_capacity: Annotated[int, Meta(ge=1)] = 200
    max_connections: Annotated[int, Meta(ge=1)] = 1024
    idle_s: Annotated[float, Meta(ge=1, le=86400)] = 120.0
    resets_per_min: Annotated[int, Meta(ge=1)] = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """The conversation with workers, over either door.

    dead_after_s: seconds of silence after which a connection is closed; its leases run on. Default 30.
    arrivals: workers whose hello is looked at in the same moment. Default 32. The others wait in the order in which
        they came, so that HTTP is answered while all of them come back after a restart.
    arrival_wait_s: seconds for which a hello waits for that. Default 8. After it the worker is asked to come back
        later, and when; workers themselves wait 10 for their welcome.
    max_frame_bytes: largest message. Default 1048576 (1 MiB). It must hold the largest input or output and 64 KiB.
    """

    dead_after_s: Annotated[float, Meta(gt=0)] = 30.0
    arrivals: Annotated[int, Meta(ge=1)] = 32
    arrival_wait_s: Annotated[float, Meta(gt=0, lt=10)] = 8.0
    max_frame_bytes: Bytes = 1 << 20
