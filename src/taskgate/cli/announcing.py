"""What `services register` announces: read from a document, a file or an application that is imported here.

An address is handed on, so that the gateway goes on looking there; a file or an application is read once.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from taskgate.cli.files import read_tree
from taskgate.service.bodies import exposed
from taskgate.service.collecting import document_of, routes_of, routes_of_document
from taskgate.service.settings import slug


def announced(
    *, openapi: str, base_url: str, name: str, prefix: str, policy_file: Path | None, lease_s: float | None
) -> dict[str, Any]:
    """The registration as the gateway takes it; wrong usage where a source or a file cannot be read."""
    policy, expose = _policy(policy_file)
    told: dict[str, Any] = {"base_url": base_url}
    if openapi.startswith(("http://", "https://")):
        if expose:
            raise click.UsageError("`expose` needs the document here: save it to a file, or name the application")
        if not name:
            raise click.UsageError("a document that the gateway fetches needs a --name for its service")
        told |= {"openapi_url": openapi}
    else:
        routes, document = _application(openapi) if _names_application(openapi) else _document(Path(openapi))
        title = (document or {}).get("info", {}).get("title", "")
        name = name or slug(str(title))
        told |= {"openapi": document} if document is not None else {}
        if expose or document is None:
            told["routes"] = exposed(routes, expose)
    if not name:
        raise click.UsageError("the document has no title: say --name")
    said = {"name": name, "prefix": prefix, "policy": policy}
    return {**told, **{member: value for member, value in said.items() if value}} | (
        {} if lease_s is None else {"lease_s": lease_s}
    )


def _policy(file: Path | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The service's policy, and which routes are public where (None: all of them)."""
    if file is None:
        return {}, None
    tree = read_tree(file)
    if not isinstance(tree, dict):
        raise click.UsageError(f"{file.name} holds no policy")
    expose = tree.pop("expose", None)
    if expose is not None and not isinstance(expose, dict):
        raise click.UsageError(f"{file.name}: `expose` maps paths of the service to public paths")
    return tree, expose


def _names_application(text: str) -> bool:
    module, colon, member = text.partition(":")
    return bool(colon) and "/" not in text and all(map(str.isidentifier, [*module.split("."), *member.split(".")]))


def _document(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if not file.is_file():
        raise click.UsageError(f"--openapi {str(file)!r} is no URL, no file and no MODULE:APP")
    document = read_tree(file)
    if not isinstance(document, dict) or not isinstance(document.get("paths", {}), dict):
        raise click.UsageError(f"{file.name} holds no OpenAPI document")
    return routes_of_document(document), document


def _application(text: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    module, _, member = text.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        app: Any = importlib.import_module(module)
        for part in member.split("."):
            app = getattr(app, part)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"--openapi {text}: {error}") from error
    document = document_of(app)
    return routes_of(app, document), document
