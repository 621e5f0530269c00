"""What stands before several gateways in tests: whoever calls it is passed on to one that says it is ready."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.system.cluster import GatewayProcess, free_port


class Balancer:
    """Sends each connection to a gateway that is ready, as the cheapest TCP balancers do."""

    def __init__(self, gateways: tuple[GatewayProcess, ...]) -> None:
        self._gateways = gateways
        self._ready: list[GatewayProcess] = list(gateways)
        self._turn = 0
        self.port = free_port()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        async with server, asyncio.TaskGroup() as group:
            group.create_task(server.serve_forever())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:
            while True:
                self._ready = [gateway for gateway in self._gateways if await self._is_ready(session, gateway)]
                await asyncio.sleep(0.05)

    async def _is_ready(self, session: aiohttp.ClientSession, gateway: GatewayProcess) -> bool:
        try:
            async with session.get(f"{gateway.url}/health/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        gateway = self._ready[self._turn % len(self._ready)]
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer), return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
