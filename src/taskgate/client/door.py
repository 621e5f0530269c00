"""Where the gateway is and with which key to go there.

What the caller says wins, then TASKGATE_URL and TASKGATE_API_KEY, then the data directory of a local gateway
(`.taskgate` in the working directory or above it): `gateway.json` names the URL, `admin.key` holds the key.
That key is only ever sent to that URL, and a directory that belongs to another user is passed over: following it
would let whoever can write above us choose where our input goes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from taskgate.errors import InvalidInput, Unauthenticated
from taskgate.secret import Secret, masked

DATA_DIR = ".taskgate"
DEFAULT_URL = "http://127.0.0.1:30090"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A gateway's URL without a trailing slash, and the key to show there ("" = none was found).

    `grpc` is HOST:PORT of its gRPC door, where a gateway on this machine told it.
    """

    url: str
    grpc: str = ""
    api_key: Secret = field(default=Secret(""))


class Address(msgspec.Struct):
    """What a running gateway writes into `gateway.json`."""

    url: str
    grpc: str = ""


def find_door(
    url: str | None = None,
    api_key: str | None = None,
    *,
    data_dir: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    start: Path | None = None,
    key_file: str = "admin.key",
) -> Door:
    """The door to go to; InvalidInput for a URL that cannot be one, Unauthenticated for a key that cannot be one."""
    env = os.environ if env is None else env
    given_url = url or env.get("TASKGATE_URL") or ""
    given_key = api_key or env.get("TASKGATE_API_KEY") or ""
    local = _local_door(data_dir or env.get("TASKGATE_DATA_DIR"), start or Path.cwd(), key_file=key_file)
    found = _checked_url(given_url or (local.url if local else DEFAULT_URL))
    if given_key:
        return Door(url=found, api_key=_checked_key(given_key))
    if local is not None and local.url == found:
        return local
    return Door(url=found)


def _local_door(named: str | Path | None, start: Path, *, key_file: str) -> Door | None:
    places = [Path(named)] if named else [folder / DATA_DIR for folder in (start, *start.parents)]
    for place in places:
        try:
            if not _is_ours(place):
                continue
            told = msgspec.json.decode((place / "gateway.json").read_bytes(), type=Address)
            return Door(url=_checked_url(told.url), grpc=told.grpc, api_key=_read_key(place / key_file))
        except (OSError, msgspec.MsgspecError, InvalidInput):
            continue
    return None


def _is_ours(place: Path) -> bool:
    return place.stat().st_uid in (os.getuid(), 0) if hasattr(os, "getuid") else place.is_dir()


def _read_key(file: Path) -> Secret:
    try:
        return _checked_key(file.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError, Unauthenticated):
        return Secret("")


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    else:
        is_good = is_good and not (parts.query or parts.fragment) and url.isascii() and url.isprintable()
        if parts.username is not None or parts.password is not None:
            raise InvalidInput("the gateway's URL must not hold a credential: use TASKGATE_API_KEY", code="BAD_URL")
    if not is_good or " " in url:
        raise InvalidInput(f"{masked(url)!r} is no http(s) URL of a gateway", code="BAD_URL")
    return url.rstrip("/")


def _checked_key(key: str) -> Secret:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise Unauthenticated("the API key has characters that no key has")
    return Secret(key)
