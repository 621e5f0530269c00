"""The bridges that settings ask for. Making them does no I/O.

A bridge that is not asked for is not imported either: its driver may not be there.
"""

from __future__ import annotations

from typing import Any

from taskgate.bridges.settings import StreamsSettings
from taskgate.lifespan import Part


def open_bridges(streams: StreamsSettings, **rooms: Any) -> tuple[Part, ...]:
    """Parts to be started behind everything that they hand work to; `rooms` are what `StreamsBridge` takes."""
    if not streams.url:
        return ()
    from taskgate.bridges.streams.bridge import StreamsBridge

    return (StreamsBridge(streams, **rooms),)
