"""The tree itself and the rules that look at more than one of its fields.

Each room owns its section; this file puts them together and refuses what could not work (a lease shorter
than two heartbeats) or would not be safe (no authentication on an address that others can reach).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from taskgate.audit.settings import AuditSettings
from taskgate.bridges.settings import StreamsSettings
from taskgate.edge.settings import GrpcSettings, HttpSettings, LinkSettings
from taskgate.errors import InvalidInput
from taskgate.history.settings import ArchiveSettings
from taskgate.identity.settings import AuthSettings
from taskgate.journal.settings import JournalSettings
from taskgate.proxy.settings import ProxySettings
from taskgate.reach.addresses import is_host
from taskgate.reach.judging import rules_from
from taskgate.reach.settings import ReachSettings
from taskgate.routes.settings import RouteSettings
from taskgate.runs.settings import RunSettings
from taskgate.secret import masked
from taskgate.stores.places import is_readable
from taskgate.stores.settings import DatabaseSettings, RedisSettings
from taskgate.telemetry.settings import LogSettings, TelemetrySettings

FRAME_OVERHEAD_BYTES = 64 << 10
SCHEMES = ("sqlite", "postgresql", "memory")
ARCHIVES = ("sqlite", "postgresql", "mysql", "mariadb", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a gateway is told.

    data_dir: folder of the databases, the first keys and `gateway.json`, made with mode 0700. Default .taskgate.
    """

    data_dir: str = ".taskgate"
    http: HttpSettings = field(default_factory=HttpSettings)
    grpc: GrpcSettings = field(default_factory=GrpcSettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    runs: RunSettings = field(default_factory=RunSettings)
    routes: RouteSettings = field(default_factory=RouteSettings)
    reach: ReachSettings = field(default_factory=ReachSettings)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    log: LogSettings = field(default_factory=LogSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    streams: StreamsSettings = field(default_factory=StreamsSettings)

    @property
    def data_path(self) -> Path:
        """The data directory as a path."""
        return Path(self.data_dir)

    @property
    def database_url(self) -> str:
        """Where the database is, with the default filled in: `memory:`, `sqlite:FOLDER` or `postgresql://…`."""
        scheme, colon, rest = str(self.database.url).partition(":")
        if scheme in ("postgres", "postgresql+asyncpg"):
            return f"postgresql{colon}{rest}"
        return f"sqlite:{self.data_dir}" if self.database.url == "sqlite:" else str(self.database.url)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check(settings: Settings) -> None:
    """Raise InvalidInput when the tree cannot stand: all broken rules, the first one's field in `extra["path"]`."""
    found = list(_conflicts(settings))
    if found:
        detail = "; ".join(f"{path}: {why}" for path, why in found)
        raise InvalidInput(detail, code="SETTINGS_INVALID", extra={"path": found[0][0]})


def _conflicts(settings: Settings) -> Iterator[tuple[str, str]]:
    runs, link = settings.runs, settings.link
    for path, seconds in (("link.dead_after_s", link.dead_after_s), ("runs.lease_s", runs.lease_s)):
        if seconds < 2 * runs.heartbeat_s:
            yield path, f"must be at least two heartbeats ({2 * runs.heartbeat_s:g} s)"
    if settings.http.max_body_bytes < runs.max_input_bytes:
        yield "http.max_body_bytes", "must not be smaller than runs.max_input_bytes"
    needed = max(runs.max_input_bytes, runs.max_output_bytes) + FRAME_OVERHEAD_BYTES
    if link.max_frame_bytes < needed:
        yield "link.max_frame_bytes", f"must be at least {needed}, to carry the largest input or output"
    scheme, colon, _ = settings.database_url.partition(":")
    if not colon or scheme not in SCHEMES:
        yield "database.url", f"{masked(settings.database_url)!r} names no known engine ({', '.join(SCHEMES)})"
    archive = str(settings.archive.url)
    if archive and archive != "none" and archive.partition(":")[0] not in ARCHIVES:
        yield "archive.url", f"{masked(archive)!r} names no known archive ({', '.join(ARCHIVES)}, or none)"
    yield from _servers(settings)
    if settings.grpc.enabled and settings.grpc.port == settings.http.port != 0:
        yield "grpc.port", "is the port of HTTP as well"
    yield from _certificates(settings)
    if not settings.data_dir:
        yield "data_dir", "must not be empty"
    yield from _reach(settings)
    if not settings.auth.enabled:
        yield from _open_doors(settings)


def _servers(settings: Settings) -> Iterator[tuple[str, str]]:
    """URLs of servers that cannot be read; nothing of what stands in them is told."""
    for room in ("database", "archive", "redis", "streams"):
        if not is_readable(str(getattr(settings, room).url)):
            yield f"{room}.url", "cannot be read: a port is a number, and / ? # @ in a password are %2F %3F %23 %40"
    if settings.streams.url and not settings.streams.url.startswith(("redis://", "rediss://")):
        yield "streams.url", "must be redis://HOST or rediss://HOST"


def _certificates(settings: Settings) -> Iterator[tuple[str, str]]:
    http, grpc = settings.http, settings.grpc
    if http.tls_client_required and not http.tls_ca_path:
        yield "http.tls_client_required", "needs http.tls_ca_path: the authorities of those certificates"
    if grpc.mtls_port is not None and not grpc.tls_ca_path:
        yield "grpc.mtls_port", "needs grpc.tls_ca_path: the authorities of those certificates"
    if grpc.mtls_port and grpc.mtls_port in (grpc.port, http.port):
        yield "grpc.mtls_port", "is another door's port as well"


def _reach(settings: Settings) -> Iterator[tuple[str, str]]:
    reach = settings.reach
    try:
        rules_from(reach.networks, is_local=False)
    except ValueError as error:
        yield "reach.networks", str(error)
    if not all(1 <= port <= 65535 for port in reach.ports):
        yield "reach.ports", "must be within 1..65535"
    for host in reach.http_hosts:
        if not is_host(host):
            yield "reach.http_hosts", f"{host!r} is no name of a host"


def _open_doors(settings: Settings) -> Iterator[tuple[str, str]]:
    hosts = {"http.host": settings.http.host}
    if settings.grpc.enabled:
        hosts["grpc.host"] = settings.grpc.host
    for path, host in hosts.items():
        if not is_loopback(host):
            yield "auth.enabled", f"may only be off while {path} is a loopback address, and it is {host!r}"
