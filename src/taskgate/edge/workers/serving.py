"""A session over any transport: one reads, one writes, one works, and when one of them ends all three do.

It decides the order of an end: the seat is closed, what was received is worked off, what is still to be said has five
seconds. No task of a session may outlive this call, and a worker that does not read may not hold it open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from taskgate.edge.workers.session import TRY_LATER, WorkerSession
from taskgate.errors import TaskgateError
from taskgate.wire.messages import GatewayMessage, WorkerMessage

STALLED_S = 30.0
LAST_WORDS_S = 5.0

Read = Callable[[], Awaitable[Sequence[WorkerMessage] | None]]
Write = Callable[[Sequence[GatewayMessage]], Awaitable[None]]


async def serve(session: WorkerSession, *, read: Read, write: Write) -> tuple[int, str]:
    """Serve until either side ends; the close code and reason, for the transport to tell.

    `read` returns the next frame's messages, None when the other side has gone; what it raises is refused. `write`
    sends everything it is given and waits while the other side does not read: 30 s of that end the session.
    """
    running = asyncio.create_task(session.run(), name="worker session")
    reading = asyncio.create_task(_read(session, read), name="worker reader")
    writing = asyncio.create_task(_write(session, write), name="worker writer")
    try:
        await asyncio.wait({running, reading, writing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        session.seat.close(1000, "")
        try:
            await running
            await asyncio.wait({writing}, timeout=LAST_WORDS_S)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
    return session.seat.closed or (1000, "")


async def _read(session: WorkerSession, read: Read) -> None:
    while session.seat.closed is None:
        await session.room()
        try:
            messages = await read()
        except TaskgateError as error:
            session.refuse(error)
            return
        if messages is None:
            session.seat.close(1000, "")
            return
        session.receive(messages)


async def _write(session: WorkerSession, write: Write) -> None:
    try:
        while messages := await session.seat.outgoing():
            async with asyncio.timeout(STALLED_S):  # no task of its own per frame, as `wait_for` would make
                await write(messages)
    except TimeoutError:
        session.seat.close(TRY_LATER, "the worker does not read")
