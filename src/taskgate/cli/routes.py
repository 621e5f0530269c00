"""`taskgate routes`: which method and path leads where.

Routes come and go with their services; here they are only looked at.
"""

from __future__ import annotations

import click

from taskgate.cli.connection import asking
from taskgate.cli.screen import Screen
from taskgate.client import Client


@click.group
def routes() -> None:
    """Which method and path leads where."""


@routes.command
@click.option("--service", default="", help="Only those of this service.")
@asking
def ls(client: Client, screen: Screen, *, service: str) -> None:
    """Every route of every service that this key may see.

    \b
    Example:
      taskgate routes ls --service math
    """
    screen.rows(
        [route for route in client.routes.all() if service in ("", route.service)],
        {
            "method": lambda route: route.method,
            "path": lambda route: route.gateway_path,
            "service": lambda route: route.service,
            "leads to": lambda route: f"task {route.task}" if route.task else route.upstream_path,
            "summary": lambda route: route.summary,
        },
    )
