"""`taskgate gateways`: which gateways are alive, what each leads and who is linked to it.

A list that may not be whole says so, because a missing line would look like a missing gateway.
"""

from __future__ import annotations

import click

from taskgate.cli.connection import asking
from taskgate.cli.screen import Screen
from taskgate.client import Client

SHOWN_OF_ID = 8


@click.command
@asking
def gateways(client: Client, screen: Screen) -> None:
    """Every gateway that is alive; the one that answered is marked.

    \b
    Example:
      taskgate gateways
      taskgate gateways --json
    """
    found = client.gateways.all()
    if screen.as_json:
        screen.document(found)
        return
    screen.rows(
        found.gateways,
        {
            "host": lambda gateway: gateway.host,
            "id": lambda gateway: gateway.id[:SHOWN_OF_ID] + ("*" if gateway.here else ""),
            "status": lambda gateway: gateway.status,
            "version": lambda gateway: gateway.version,
            "since": lambda gateway: gateway.started_at,
            "workers": lambda gateway: str(gateway.workers),
            "running": lambda gateway: str(gateway.running),
            "leads": lambda gateway: gateway.leads,
        },
    )
    if not found.complete:
        screen.warn("the list may not be whole: Redis is away, and with it what the other gateways say")
