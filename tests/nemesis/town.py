"""Two gateways, four workers, PostgreSQL and Redis: real processes with a wire between any two that talk.

Everything that may go wrong is a verb here, named as in the plan. Each verb ends with the part whole again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.nemesis.plan import WORKERS, Fault
from tests.nemesis.wires import Wire
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import GatewayProcess, WorkerProcess

SLOTS = 3
STARTS = 10
SETTINGS = {
    "TASKGATE_AUTH__ROOT_SECRET": "5e" * 32,
    "TASKGATE_RUNS__LEADER_TERM_S": "2",
    "TASKGATE_RUNS__LEASE_S": "6",
    "TASKGATE_RUNS__HEARTBEAT_S": "1.5",
    "TASKGATE_RUNS__OFFER_S": "3",
    "TASKGATE_RUNS__SWEEP_S": "0.5",
    "TASKGATE_RUNS__RECONCILE_S": "5",
    "TASKGATE_LINK__DEAD_AFTER_S": "5",
    "TASKGATE_ARCHIVE__DELAY_S": "1",
    "TASKGATE_HTTP__LEAVE_S": "0.5",
}


class Town:
    """The installation. `wires` by name: GATEWAY-postgres, GATEWAY-redis, and one per worker."""

    def __init__(self, folder: Path, *, workers: Sequence[str] = WORKERS) -> None:
        self._folder = folder
        self._names = workers
        self.postgres = Postgres(folder / "postgres")
        self.redis = Redis(folder / "redis")
        self.gateways: dict[str, GatewayProcess] = {}
        self.workers: dict[str, WorkerProcess] = {}
        self.wires: dict[str, Wire] = {}
        self.database = ""
        self._keys: dict[str, str] = {}

    async def start(self) -> None:
        """Start everything; workers are on their way when it returns."""
        await asyncio.to_thread(self.postgres.start)
        await asyncio.to_thread(self.redis.start)
        self.database = await asyncio.to_thread(self.postgres.new_database)
        for name in ("one", "two"):
            await self._new_gateway(name)
        one, two = self.gateways["one"], self.gateways["two"]
        for name in self._names:
            near, far = (one, two) if name in ("w1", "w3") else (two, one)
            ports = (near.grpc_port, far.grpc_port) if self._is_grpc(name) else (near.port, far.port)
            self.wires[name] = Wire(*(port for port in ports if port is not None))
            await self.wires[name].open()
            await self._new_key(name)
            self._start_worker(name)

    async def stop(self) -> None:
        """End every process, whatever its state."""
        await asyncio.to_thread(self._end)
        for wire in self.wires.values():
            await wire.close()

    def _end(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        for gateway in self.gateways.values():
            gateway.kill()
        for server in (self.postgres, self.redis):
            with suppress(ProcessLookupError, FileNotFoundError):
                server.signal(signal.SIGCONT)
            server.stop()

    async def suffer(self, fault: Fault) -> None:
        """Let it happen, and mend it."""
        part, verb = fault.action.split(".")
        done: Callable[[Fault, str], Awaitable[None]] = getattr(self, f"_{part}")
        await done(fault, verb)

    async def _gateway(self, fault: Fault, verb: str) -> None:
        gateway = self.gateways[fault.target]
        if verb == "freeze":
            await _frozen(lambda number: os.killpg(gateway.pid, number), fault.for_s)
            return
        await asyncio.to_thread(gateway.kill if verb == "kill" else gateway.stop)
        await asyncio.sleep(fault.for_s)
        await asyncio.to_thread(_up, gateway)

    async def _worker(self, fault: Fault, verb: str) -> None:
        worker = self.workers[fault.target]
        if verb == "freeze":
            await _frozen(worker.signal_all, fault.for_s)
            return
        await asyncio.to_thread(worker.kill)
        await asyncio.sleep(fault.for_s)
        self._start_worker(fault.target)

    async def _link(self, fault: Fault, verb: str) -> None:
        if link := self.workers[fault.target].link():
            with suppress(ProcessLookupError):
                os.kill(link, signal.SIGKILL)

    async def _task(self, fault: Fault, verb: str) -> None:
        worker = self.workers[fault.target]
        link = worker.link()
        if children := [pid for pid in worker.children(link) if link]:
            with suppress(ProcessLookupError):
                os.kill(random.Random(str(fault)).choice(children), signal.SIGKILL)

    async def _key(self, fault: Fault, verb: str) -> None:
        """The key is revoked under the worker, which is then given another one."""
        await self._call("DELETE", f"/v1/keys/{self._keys[fault.target]}")
        await asyncio.sleep(fault.for_s)
        await asyncio.to_thread(self.workers[fault.target].kill)
        await self._new_key(fault.target)
        self._start_worker(fault.target)

    async def _postgres(self, fault: Fault, verb: str) -> None:
        if verb == "freeze":
            await _frozen(self.postgres.signal, fault.for_s)
            return
        await asyncio.to_thread(self.postgres.kill)
        await asyncio.sleep(fault.for_s)
        await asyncio.to_thread(self.postgres.start)

    async def _redis(self, fault: Fault, verb: str) -> None:
        if verb == "freeze":
            await _frozen(self.redis.signal, fault.for_s)
        elif verb == "empty":
            await asyncio.to_thread(self.redis.command, "FLUSHALL")
        else:
            await asyncio.to_thread(self.redis.kill)
            await asyncio.sleep(fault.for_s)
            await asyncio.to_thread(self.redis.start)

    async def _wire(self, fault: Fault, verb: str) -> None:
        wire = self.wires[fault.target]
        if verb == "reset":
            wire.reset()
            return
        if verb in ("stall", "up"):
            wire.up.clear()
        if verb in ("stall", "down"):
            wire.down.clear()
        if verb == "delay":
            wire.delay_s = 0.2
        await asyncio.sleep(fault.for_s)
        wire.heal()

    async def _new_gateway(self, name: str) -> None:
        for server, port in (("postgres", self.postgres.port), ("redis", self.redis.port)):
            self.wires[f"{name}-{server}"] = wire = Wire(port)
            await wire.open()
        database = urlsplit(self.database)
        user = database.netloc.partition("@")[0]
        through = f"{user}@127.0.0.1:{self.wires[f'{name}-postgres'].port}"
        told = {
            "TASKGATE_DATABASE__URL": database._replace(netloc=through).geturl(),
            "TASKGATE_REDIS__URL": f"redis://127.0.0.1:{self.wires[f'{name}-redis'].port}/0",
        }
        gateway = GatewayProcess(self._folder / name, grpc=True, settings=SETTINGS | told)
        if first := self.gateways.get("one"):  # it made the keys of the installation
            gateway.folder.mkdir()
            for file in ("admin.key", "worker.key"):
                (gateway.folder / file).write_text((first.folder / file).read_text(encoding="utf-8"), encoding="utf-8")
        self.gateways[name] = gateway
        await asyncio.to_thread(gateway.start)

    def _start_worker(self, name: str) -> None:
        port = self.wires[name].port
        more = {"transport": "grpc", "grpc": f"127.0.0.1:{port}"} if self._is_grpc(name) else {}
        self.workers[name] = WorkerProcess(
            self.gateways["one"],
            name,
            tasks="tests.nemesis.tasks",
            slots=SLOTS,
            url=f"http://127.0.0.1:{port}",
            key=self._folder / f"{name}.key",
            **more,
        )

    def _is_grpc(self, name: str) -> bool:
        return name in WORKERS[2:]

    async def _new_key(self, name: str) -> None:
        body = {"name": name, "kind": "worker", "scopes": ["worker", "serve:*"]}
        made = await self._call("POST", "/v1/keys", body)
        self._keys[name] = made["id"]
        (self._folder / f"{name}.key").write_text(made["key"], encoding="utf-8")

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, str]:
        """Ask either gateway until one has done it; a key that is gone is gone."""
        headers = {"X-API-Key": self.gateways["one"].admin_key}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as session:
            for turn in range(600):
                gateway = list(self.gateways.values())[turn % len(self.gateways)]
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.request(method, gateway.url + path, json=body) as answer:
                        if answer.status in (201, 204, 404):
                            return dict(await answer.json()) if answer.status == 201 else {}
                        if answer.status == 200:
                            return {}
                await asyncio.sleep(0.1)
        raise AssertionError(f"{method} {path} was never done")


def _up(gateway: GatewayProcess) -> None:
    """Start it as a service manager does: again, when what it needs is away."""
    for _ in range(STARTS):
        try:
            gateway.start()
        except AssertionError:
            gateway.kill()
        else:
            return
    raise AssertionError(f"the gateway did not start: {gateway.log()[-2000:]}")


async def _frozen(send: Callable[[int], None], seconds: float) -> None:
    send(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        with suppress(ProcessLookupError):
            send(signal.SIGCONT)
