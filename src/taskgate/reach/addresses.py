"""Reading the address of an upstream: strictly, so that no two readers could take it for different ones.

Only http and https, no user, no fragment, a host in plain ASCII. What a host stands for is not decided here: a name
such as `2852039166` or `0xA9FEA9FE` stays a name, is resolved by the machine's own resolver, and what it resolves
to is judged (`judging.py`). Only an IPv6 address in brackets is read, into its one canonical form.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from taskgate.errors import InvalidInput

PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 2048
_SHAPE = re.compile(
    r"([Hh][Tt]{2}[Pp][Ss]?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,254})(?::([0-9]{1,5}))?(/[!-~]*)?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_DOTS = re.compile(r"(?:\.|%2[Ee]){1,2}")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where an upstream is. `host` is lower case, without brackets and without a dot at its end; `target` is the
    path (and query), "" for none."""

    scheme: str
    host: str
    port: int
    target: str = ""

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The address in its one canonical form."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read_base_url(text: str, *, path: str = "/base_url") -> Address:
    """The address below which a service has its routes: no query, no slash at the end.

    InvalidInput (BAD_ADDRESS) naming the member `path` of the request.
    """
    address = read_url(text, path=path)
    if "?" in address.target:
        raise _refused("must not have a query", path)
    return msgspec.structs.replace(address, target=address.target.rstrip("/"))


def read_url(text: str, *, path: str) -> Address:
    """The address of one document, with its query. InvalidInput (BAD_ADDRESS) naming the member `path`."""
    if len(text) > MAX_LENGTH:
        raise _refused(f"must not be longer than {MAX_LENGTH} characters", path)
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise _refused("must be http:// or https://, a host in plain ASCII, a port, a path; no user", path)
    scheme, host, port, target = match[1].lower(), match[2], match[3], match[4] or ""
    number = int(port) if port else PORTS[scheme]
    if not 1 <= number <= 65535:
        raise _refused("must have a port within 1..65535", path)
    _check_target(target, path)
    return Address(scheme=scheme, host=_host(host, path), port=number, target=target)


def is_host(text: str) -> bool:
    """Whether the text may stand where a host's name (or an IPv4 address) does, in any case."""
    host = text.lower()
    return text.isascii() and 0 < len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _host(text: str, path: str) -> str:
    if text.startswith("["):
        try:
            return ipaddress.IPv6Address(text[1:-1]).compressed
        except ValueError:
            raise _refused("has brackets without an IPv6 address in them", path) from None
    host = text.lower().removesuffix(".")
    if not is_host(host):
        raise _refused("must have a host that could be a name or an IP address", path)
    return host


def _check_target(target: str, path: str) -> None:
    if any(sign in target for sign in "#\\") or _ESCAPE.search(target):
        raise _refused("must not have a fragment, a backslash or a broken %-escape", path)
    segments = target.partition("?")[0].split("/")
    if any(_DOTS.fullmatch(segment) for segment in segments):
        raise _refused("must not have . or .. in its path", path)


def _refused(why: str, path: str) -> InvalidInput:
    return InvalidInput(f"{path.strip('/')} {why}", code="BAD_ADDRESS", extra={"path": path})
