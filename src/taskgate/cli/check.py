"""`taskgate check`: would this configuration start?

Everything is built as `serve` would build it; nothing is opened, written or listened on.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import click

from taskgate.cli.connection import json_option
from taskgate.cli.screen import Screen
from taskgate.cli.settings import settings_from, settings_options
from taskgate.config import describe, unused


@click.command
@settings_options
@json_option
def check(*, file: str | None, as_json: bool, **flags: Any) -> None:
    """Read the settings and build everything without starting it; says what is wrong and where.

    \b
    Example:
      taskgate check --config gateway.toml
    """
    screen = Screen(as_json=as_json)
    settings = settings_from(file, **flags)
    from taskgate.assembly import build
    from taskgate.tls.doors import check_door

    with screen.busy("building"):
        asyncio.run(_build(build, settings))
        check_door("http", settings.http)
        check_door("grpc", settings.grpc)
    changed = [field for field in describe(settings) if field.text != field.default]
    found = {field.path: field.text for field in changed}
    for name, hint in unused(os.environ).items():
        screen.warn(f"{name} is set and has no effect: {hint}")
    screen.note("everything can be built; what differs from the defaults:")
    screen.rows(
        [{"setting": path, "value": text} for path, text in found.items()],
        {"setting": lambda row: row["setting"], "value": lambda row: row["value"]},
    )


async def _build(build: Any, settings: Any) -> None:
    build(settings)
