"""The gateway with its fronts: what serves them, the socket on which they hand requests on, and their processes.

Opened behind the gateway's own door and closed before it, so that a front never meets a gateway that does not answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import msgspec

from taskgate.assembly import Gateway
from taskgate.config import packed
from taskgate.errors import TaskgateError
from taskgate.fronts.feeding import Feeder
from taskgate.fronts.handing_on import SOCKET
from taskgate.fronts.keeping import FrontKeeper
from taskgate.fronts.messages import Begin
from taskgate.lifespan import Lifespan
from taskgate.proxy.listening import BACKLOG, DRAIN_S
from taskgate.proxy.recorder import Recorder

GRACE_S = 2.0


class Company:
    """A part of a gateway that serves with `count` processes, itself included; the first of `ports` is shared."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        ports: tuple[int, ...],
        count: int,
        connection: Callable[[], asyncio.Protocol],
    ) -> None:
        folder, means = gateway.settings.data_path, gateway.plane.means
        begin = Begin(
            port=ports[0],
            count=count,
            own_ports=ports,
            settings=packed(gateway.settings),
            identity_root=gateway.signer.root.hex(),
        )
        self.feeder = Feeder(
            folder,
            snapshot=lambda: gateway.registry.snapshot,
            ring=gateway.stores.keyring,
            bus=gateway.bus,
            signals=gateway.stores.signals,
            run_door=means.run_door,
            records=means.recording if isinstance(means.recording, Recorder) else None,
        )
        gateway.upstreams.add(self.feeder.health)
        gateway.watch.traffic.join(self.feeder.gathered.standing, usage=self.feeder.usage)
        self._path = folder / SOCKET
        self._connection = connection
        self._server: asyncio.Server | None = None
        keeper = FrontKeeper(count - 1, msgspec.json.encode(begin), end_s=DRAIN_S + GRACE_S)
        self._life = Lifespan(self.feeder, keeper)

    @property
    def ailment(self) -> TaskgateError | None:
        """Why one of its parts cannot go on."""
        return self._life.ailment()

    async def start(self) -> None:
        """Open the sockets, for this user alone, and start the fronts."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._connection, str(self._path), backlog=BACKLOG)
        finally:
            os.umask(mask)
        await self._life.start()

    async def stop(self) -> None:
        """End the fronts, each with what it has in flight, then close the sockets."""
        await self._life.stop()
        if self._server is not None:
            self._server.close()
            self._server = None
        self._path.unlink(missing_ok=True)
