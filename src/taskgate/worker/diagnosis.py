"""What is wrong on a worker machine, one finding per question: asked by `taskgate doctor`, answered without starting.

Can the gateway be reached, is it trusted and does it take the credential; can the tasks be loaded; can the state
folder be used; which limits hold here. Nothing is changed: no lease is taken, no worker appears.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from taskgate.errors import Forbidden, StoreError, TaskgateError, Unauthenticated
from taskgate.worker.cgroups import CageYard, find_yard
from taskgate.worker.naming import take_home
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.spawning import identity
from taskgate.worker.transport import Transport
from taskgate.worker.trusting import address_of, trust

ANSWER_S = 10.0
LOAD_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer. `is_good` False: a worker would not work; `detail` says what is there, or what to do."""

    name: str
    is_good: bool
    detail: str


def doctor(settings: WorkerSettings) -> list[Finding]:
    """Look at everything a worker needs; takes seconds. The order is that in which to mend it."""
    return asyncio.run(examine(settings))


async def examine(settings: WorkerSettings) -> list[Finding]:
    """The same, inside a running event loop."""
    reach = await _find("gateway", _reach, settings)
    findings = [reach]
    if reach.is_good and settings.is_tls:
        findings.append(await _find("certificates", trust, settings))
    if all(finding.is_good for finding in findings):
        findings.append(await _find("credential", _credential, settings))
    findings.append(await _find("tasks", _tasks, settings))
    findings.append(await _find("state folder", _state, settings))
    findings.append(await _find("limits", _limits, settings))
    return findings


async def _find(name: str, ask: Callable[[WorkerSettings], Awaitable[str]], settings: WorkerSettings) -> Finding:
    try:
        return Finding(name=name, is_good=True, detail=await ask(settings))
    except TaskgateError as error:
        return Finding(name=name, is_good=False, detail=error.detail or error.code)
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        return Finding(name=name, is_good=False, detail=str(error) or type(error).__name__)


async def _reach(settings: WorkerSettings) -> str:
    host, port = address_of(settings)
    started_at = time.monotonic()
    async with asyncio.timeout(ANSWER_S):
        _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return f"{host}:{port} answers after {(time.monotonic() - started_at) * 1000:.0f} ms"


async def _credential(settings: WorkerSettings) -> str:
    """Open the connection that a worker opens, and say nothing on it."""
    transport = _transport(settings)
    try:
        async with asyncio.timeout(ANSWER_S):
            await transport.open()
            if settings.transport == "grpc":
                await _is_let_in(transport)
    except (Unauthenticated, Forbidden) as error:
        hint = "" if settings.token else " (no token was given: --token or TASKGATE_API_KEY)"
        raise type(error)(f"{error.detail}{hint}") from error
    finally:
        await transport.close()
    return "accepted"


async def _is_let_in(transport: Transport) -> None:
    """gRPC refuses on the stream, not at its opening: silence for a moment means that we are in."""
    try:
        async with asyncio.timeout(1.0):
            await transport.receive()
    except TimeoutError:
        return


async def _tasks(settings: WorkerSettings) -> str:
    from taskgate.worker.slots import Pool
    from taskgate.worker.telling import Nobody

    identity(settings)
    pool = Pool(settings, Nobody(), yard=CageYard({}), nonce=f"doctor-{os.getpid()}", is_alone=False)
    try:
        async with asyncio.timeout(LOAD_S):
            offers = await pool.start()
    finally:
        await pool.close()
    return ", ".join(sorted(f"{offer.name}{f'@{offer.version}' if offer.version else ''}" for offer in offers))


async def _state(settings: WorkerSettings) -> str:
    try:
        home = take_home(settings)
    except StoreError as error:
        if error.code == "STATE_IN_USE":
            return error.detail
        raise
    os.close(home.lock_fd)
    return f"{home.folder}, worker id {home.worker_id}"


async def _limits(settings: WorkerSettings) -> str:
    places = find_yard().places
    memory = "control group" if "memory" in places else "watched, twenty times a second at most"
    if "pids" in places:
        processes = "control group"
    else:
        processes = "not bounded, because root is exempt" if os.geteuid() == 0 and not settings.run_as else "per user"
    return f"memory: {memory}; processes: {processes}; {settings.slots} task processes"


def _transport(settings: WorkerSettings) -> Transport:
    from taskgate.worker.grpc import GrpcTransport
    from taskgate.worker.websocket import WebSocketTransport

    kind = GrpcTransport if settings.transport == "grpc" else WebSocketTransport
    return kind(settings, settings.name or f"doctor-{os.getpid()}")
