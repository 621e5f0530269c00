"""What the parts of one service are called in the merged document.

Every name is made from the service's own name and the part's, and from nothing else: it stays the same whoever else
comes or goes, and whatever else the service adds (docs/decisions/merged-document.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

LEGAL = re.compile(r"[A-Za-z0-9._-]{1,160}")
OTHERS = re.compile(r"[^A-Za-z0-9._-]+")
VARIABLE = re.compile(r"\{([^{}]*)\}")
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,100}")
# components of tasks are called `task.NAME.input`, their operations `run.NAME`
TAKEN = frozenset({"task", "run"})


def head_of(service: str) -> str:
    """What stands before the first dot of all names of a service.

    A service whose name has a dot, or is taken, gets two dots and a digest: no other service can have that head.
    """
    if PLAIN.fullmatch(service) and service not in TAKEN:
        return service
    return f"{OTHERS.sub('_', service).replace('.', '_')[:60]}..{hashlib.sha256(service.encode()).hexdigest()[:12]}"


def component_name(service: str, name: str) -> str:
    """`service.Name`; what is no legal name is made one and gets a digest of what it was."""
    return f"{head_of(service)}.{_legal(name)}"


def anchor_name(service: str, name: str) -> str:
    """An anchor begins with a letter or an underscore."""
    return f"_{component_name(service, name)}"


def _legal(name: str) -> str:
    if LEGAL.fullmatch(name) and not name.startswith("."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{OTHERS.sub('_', name)[:100].strip('_.')}-{digest}"


def operation_name(service: str, given: str, *, method: str, path: str, taken: Container[str]) -> str:
    """The operation's id over the whole document: its own id behind the service's name while that is free, else one
    made from method and path."""
    head = head_of(service)
    for name in (_slug(given), made_name(method, path)):
        if name and f"{head}.{name}" not in taken:
            return f"{head}.{name}"
    digest = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:8]
    return f"{head}.{made_name(method, path)}-{digest}"


def made_name(method: str, path: str) -> str:
    """`get_users_by_id` for `GET /users/{id}`."""
    return f"{method.lower()}_{_slug(VARIABLE.sub(lambda found: 'by_' + found[1], path))}".rstrip("_")[:160]


def _slug(text: str) -> str:
    return OTHERS.sub("_", text).strip("_.")[:160]


def same_path(template: str) -> str:
    """One text for all templates that OpenAPI takes for the same path."""
    return VARIABLE.sub("{}", template)


def variables_of(template: str) -> list[str]:
    """The names of its variables, in order."""
    return VARIABLE.findall(template)


def shown_path(template: str) -> str:
    """A route's template as OpenAPI writes it: `{rest:path}` is `{rest}`."""
    return VARIABLE.sub(lambda found: "{" + found[1].removesuffix(":path") + "}", template)
