"""Path templates: what a registered path may look like, and which paths are the gateway's own.

A template is literal segments and variables, `{name}` for one whole segment and `{name:path}` for the rest; there are
no patterns, so nothing that is registered can be slow to match (S35). Percent signs, dot segments, empty segments and
control characters are refused: what two servers could read differently must never become a route.
"""

from __future__ import annotations

import re

from taskgate.errors import InvalidInput
from taskgate.routes.table import is_rest

MAX_LENGTH = 512
MAX_SEGMENTS = 32
RESERVED_HEADS = frozenset(
    ("gateway", "ws", "tool", "docs", "openapi.json", "postman.json", "health", "mcp", "metrics")
)
RESERVED_V1 = frozenset(
    ("tasks", "runs", "tickets", "tokens", "devices", "reviews", "webhooks", "queues", "models", "chat", "keys")
)
_OWN = (*((head,) for head in RESERVED_HEADS), *(("v1", name) for name in RESERVED_V1), ("api", "v1", "ws"))
_SHARED_HEADS = frozenset(own[0] for own in _OWN if len(own) > 1)
_LITERAL = re.compile(r"[A-Za-z0-9_.~:@!$&',=-]+")
_VARIABLE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_.-]{0,63}(?::path)?\}")


def checked_template(template: str, where: str) -> str:
    """The template; InvalidInput (BAD_PATH) that names the place when it is none."""
    complaint = _complaint(template)
    if complaint:
        raise InvalidInput(f"{where[1:]}: {complaint}", code="BAD_PATH", extra={"path": where})
    return template


def _complaint(template: str) -> str:
    if not template.startswith("/"):
        return "a path begins with a slash"
    segments = template.split("/")[1:]
    if len(template) > MAX_LENGTH or len(segments) > MAX_SEGMENTS:
        return f"a path has at most {MAX_LENGTH} characters and {MAX_SEGMENTS} segments"
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        if segment in (".", "..") or (not segment and not is_last):
            return "empty and dot segments are not allowed"
        if segment[:1] == "{":
            if _VARIABLE.fullmatch(segment) is None:
                return "a variable is a whole segment: {name}, or {name:path} at the end"
            if is_rest(segment) and not is_last:
                return "{name:path} takes the rest of the path and stands at its end"
        elif segment and _LITERAL.fullmatch(segment) is None:
            return "segments are A-Za-z0-9_.~:@!$&',=- or {name}; patterns and escapes are not understood"
    names = variables_of(template)
    return "a variable stands in it twice" if len(set(names)) < len(names) else ""


def variables_of(template: str) -> list[str]:
    """The names of its variables in order; a rest's name has its `:path`."""
    return [segment[1:-1] for segment in template.split("/") if segment[:1] == "{"]


def normalised(template: str) -> str:
    """The same text for every template that fits the same paths: `/a/{}/{:path}`."""
    if "{" not in template:
        return template
    return "/".join(
        segment if segment[:1] != "{" else "{:path}" if is_rest(segment) else "{}" for segment in template.split("/")
    )


def joined(prefix: str, path: str) -> str:
    """The public path of a service's path: `/` below a prefix is the prefix itself."""
    return prefix if prefix and path == "/" else prefix + path


def is_reserved(template: str) -> bool:
    """Whether the gateway answers here itself, whatever is registered. For a concrete path or a template."""
    head, _, rest = template[1:].partition("/")
    second, _, third = rest.partition("/")
    if head == "v1":
        return second in RESERVED_V1
    return head in RESERVED_HEADS or (head, second, third.partition("/")[0]) == ("api", "v1", "ws")


def is_wide(template: str) -> bool:
    """Whether it takes a whole level on which the gateway's own paths stand: `/`, `/{any}`, `/v1/{any}`.

    The gateway's paths still win over it; only an administrator may take what is left.
    """
    if "{" not in template:
        return template == "/"
    segments = template.split("/")[1:]
    if segments[0][:1] != "{" and segments[0] not in _SHARED_HEADS:
        return False
    return any(_touches(segments, own) for own in _OWN)


def _touches(segments: list[str], own: tuple[str, ...]) -> bool:
    for have, want in zip(segments, own, strict=False):
        if is_rest(have):
            return True
        if have[:1] != "{" and have != want:
            return False
    return len(segments) >= len(own)


def is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether the path is one of the prefixes or stands below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)
