"""Health: open to everybody and silent about what runs here; a credential shows the version and the parts.

`/health` and `/health/live` say that the process answers. `/health/ready` asks the store, within 2 seconds, and tells
the breakers of the servers behind it; whether they are closed decides nothing here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from taskgate import __version__
from taskgate.edge.http.call import Call
from taskgate.edge.http.paths import RawRoute
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.shapes import HealthShape
from taskgate.errors import NotNow, StoreError
from taskgate.identity.keys import Keys

SERVICE = "taskgate"
AT_ONCE_S = 0.05  # a refusal, nobody waited
LATE_S = 0.25
ASKED = 3
REMEMBERED_S = 1.0
NOBODY = "............"


class HealthEndpoints:
    """Three questions. `is_leaving`: this gateway is about to end, and callers should go to another. `backends`: the
    states of breakers by the names of backends."""

    def __init__(
        self,
        keys: Keys,
        *,
        is_leaving: Callable[[], bool] = lambda: False,
        backends: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._backends = backends
        self._keys = keys
        self._is_leaving = is_leaving
        self._asked_at = float("-inf")
        self._known = "ok"

    def routes(self) -> list[RawRoute]:
        """Where they are asked."""
        return [
            RawRoute("GET", "/health", self._alive),
            RawRoute("GET", "/health/live", self._alive),
            RawRoute("GET", "/health/ready", self._ready),
        ]

    async def _alive(self, call: Call, _: str) -> None:
        await call.answer(200, encoded(HealthShape(status="ok", service=SERVICE, version=_version_for(call))))

    async def _ready(self, call: Call, _: str) -> None:
        store = "leaving" if self._is_leaving() else await self._store()
        told = {f"breaker.{name}": state for name, state in self._backends().items()}
        checks = {"store": store, **told} if call.principal is not None else {}
        status = "ok" if store == "ok" else "leaving" if store == "leaving" else "unavailable"
        shape = HealthShape(status=status, service=SERVICE, version=_version_for(call), checks=checks)
        headers = [] if store == "ok" else [(b"retry-after", b"1")]
        await call.answer(200 if store == "ok" else 503, encoded(shape), headers=headers)

    async def _store(self) -> str:
        """`ok` when the store answered a small question in time; the keys live in the same one as the runs.

        Asked at most once a second, however many strangers want to know.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._asked_at + REMEMBERED_S:
            self._asked_at = now
            self._known = await self._ask()
        return self._known

    async def _ask(self) -> str:
        """Whether it answers. A wait that did not take its time says nothing of the store: this process stood still
        (thousands may have connected at once), and a balancer would take a gateway away that is only busy."""
        for _ in range(ASKED):
            began = time.monotonic()
            try:
                await self._keys.recall.find(NOBODY)
            except StoreError:
                return "unavailable"
            except NotNow:
                waited_s = time.monotonic() - began
                patience_s = self._keys.recall.patience_s
                if waited_s < AT_ONCE_S or patience_s <= waited_s <= patience_s + LATE_S:
                    return "unavailable"
            else:
                return "ok"
        return self._known


def _version_for(call: Call) -> str:
    return "" if call.principal is None else __version__
