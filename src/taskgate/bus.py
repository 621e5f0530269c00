"""News between rooms of one process.

A room publishes an event (`events.py`); whoever was subscribed to its class by `assembly` is called, in
order of subscription, on the publisher's own stack. Listeners must be quick and must not raise: a
listener that raises is reported to the logger and the others are still called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

E = TypeVar("E")
_log = logging.getLogger(__name__)


class Bus:
    """Synchronous publish and subscribe by event class."""

    def __init__(self) -> None:
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}

    def subscribe(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """Call `listener` for every later event of exactly this class; returns the function that ends it."""
        listeners = self._listeners.setdefault(kind, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def publish(self, event: object) -> None:
        """Hand the event to every listener of its class before returning."""
        for listener in tuple(self._listeners.get(type(event), ())):
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed on %s", type(event).__name__)
