"""What operators get about gateways, as shapes.

A gateway that is alive is one row, whichever of them is asked.
"""

from __future__ import annotations

from datetime import datetime

from taskgate.edge.http.shapes import Given


class GatewayShape(Given):
    """One gateway. `id` is new with every start; `leads` what it does for all of them; `here`: it gave this answer."""

    id: str
    host: str
    version: str
    started_at: datetime
    status: str
    leads: list[str]
    processes: int
    workers: int
    running: int
    here: bool


class GatewaysShape(Given):
    """The gateways that are alive, by host; not `complete` while the others cannot be heard."""

    gateways: list[GatewayShape]
    complete: bool
