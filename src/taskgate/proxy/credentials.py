"""The gateway's own credentials for upstreams, as the operator wrote them: one `name = Header: value` on each line.

A policy names one with `set:NAME`. What is no such line is refused when the gateway is built, and is never shown.
"""

from __future__ import annotations

import re

from taskgate.errors import InvalidInput

_LINE = re.compile(
    r"\s*([A-Za-z0-9_.-]{1,64})\s*=\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x21-\x7e][\x20-\x7e]*)"
)
_NEVER = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "via"})


def read_credentials(text: str) -> dict[str, bytes]:
    """Finished header lines by name. InvalidInput names the place of a line that is wrong, not what it says."""
    found = {}
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        matched = _LINE.fullmatch(line.rstrip())
        if matched is None or matched[2].lower() in _NEVER:
            detail = f"line {place} is not `name = Header: value`"
            raise InvalidInput(detail, code="SETTINGS_INVALID", extra={"path": "proxy.credentials"})
        found[matched[1]] = f"{matched[2]}: {matched[3]}\r\n".encode("ascii")
    return found


def secrets_of(text: str) -> tuple[str, ...]:
    """What of them must never be shown: each whole value, and its last word (the token behind `Bearer`)."""
    values = [line.decode("ascii").partition(": ")[2].strip() for line in read_credentials(text).values()]
    return tuple(dict.fromkeys(part for value in values for part in (value, value.rpartition(" ")[2])))
