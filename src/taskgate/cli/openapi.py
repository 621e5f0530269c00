"""`taskgate openapi`: look at services' documents before they are registered.

Needs no gateway; reads files and addresses that the person at the keyboard names, and writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from taskgate.cli.connection import json_option
from taskgate.cli.screen import Screen
from taskgate.errors import InvalidInput, TooLarge, Unavailable

if TYPE_CHECKING:
    from taskgate.routes.openapi.reading import ApiDocument

MAX_BYTES = 4 << 20
PATIENCE_S = 10.0


@click.group
def openapi() -> None:
    """OpenAPI documents: what changed from one to the next."""


@openapi.command
@click.argument("old")
@click.argument("new")
@json_option
def diff(old: str, new: str, *, as_json: bool) -> int:
    """What changed from OLD to NEW (files or URLs); ends with 1 when it breaks callers.

    \b
    Example:
      taskgate openapi diff shop-1.yaml http://127.0.0.1:9000/openapi.json
    """
    from taskgate.routes.openapi.diff import changes

    screen = Screen(as_json=as_json)
    with screen.busy("reading the documents"):
        found = changes(_read(old), _read(new))
    screen.rows(
        found,
        {
            "breaks": lambda change: "yes" if change.breaking else "",
            "where": lambda change: change.place,
            "what": lambda change: change.what,
        },
    )
    return 1 if any(change.breaking for change in found) else 0


def _read(place: str) -> ApiDocument:
    from taskgate.routes.openapi.reading import read_document

    try:
        return read_document(_bytes_of(place))
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error.detail}", code=error.code, extra=error.extra) from error


def _bytes_of(place: str) -> bytes:
    if not place.startswith(("http://", "https://")):
        return Path(place).read_bytes()
    import urllib3

    try:
        with urllib3.request("GET", place, preload_content=False, timeout=PATIENCE_S, retries=False) as answer:
            if answer.status != 200:
                raise Unavailable(f"{place} answered {answer.status}", code="UNREACHABLE")
            data: bytes = answer.read(MAX_BYTES + 1)
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"{place} cannot be read: {error}", code="UNREACHABLE") from error
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{place} has more than {MAX_BYTES} bytes", extra={"limit_bytes": MAX_BYTES})
    return data
