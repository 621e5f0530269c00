"""Where the servers behind store URLs are: places that belong to the gateway, and are nobody's upstream.

Read from the settings tree as it is, so that a store which is added later is not forgotten. No name is looked up here.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from taskgate.secret import Url

PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "postgresql+asyncpg": 5432,
    "redis": 6379,
    "rediss": 6379,
    "mysql": 3306,
    "mariadb": 3306,
}


def places_in(settings: Any) -> list[tuple[str, int]]:
    """Host and port of every server that a URL anywhere in a settings tree names."""
    if isinstance(settings, Url):
        return places_of(settings)
    if not is_dataclass(settings):
        return []
    return [place for field in fields(settings) for place in places_in(getattr(settings, field.name))]


def places_of(url: str) -> list[tuple[str, int]]:
    """Host and port of a store's servers, all of them; none for a store that is no server, or a Unix socket."""
    scheme, _, rest = url.partition("://")
    if scheme not in PORTS:
        return []
    parts = urlsplit(f"store://{rest}")
    # `?host=` and `?port=` is how libpq takes what the authority does not say.
    said = parse_qs(parts.query)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = ",".join(said.get("port", [])).split(",")
    hosts = [host for host in hosts if host] or ",".join(said.get("host", [])).split(",")
    places: list[tuple[str, int]] = []
    for number, host in enumerate(hosts):
        name, port = _split(host)
        port = port or (ports[number] if number < len(ports) else ports[-1])
        if name and not name.startswith(("/", "%2F", "%2f")):
            places.append((name, int(port) if port.isdigit() else PORTS[scheme]))
    return places


def is_readable(url: str) -> bool:
    """Whether the URL of a server has one meaning: an authority whose ports are numbers, and no `@` behind it.

    A password with a bare `/` or `?` in it ends the authority in its middle.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in PORTS:
        return True
    try:
        parts = urlsplit(f"store://{rest}")
    except ValueError:
        return False
    ports = [_split(host)[1] for host in parts.netloc.rpartition("@")[2].split(",")]
    if not all(port == "" or (port.isdecimal() and port.isascii() and 0 < int(port) < 1 << 16) for port in ports):
        return False
    return "@" in parts.netloc or "@" not in parts.path + parts.fragment


def _split(host: str) -> tuple[str, str]:
    """Host and port of one part of an authority, an IPv6 address without its brackets."""
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, port.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port
