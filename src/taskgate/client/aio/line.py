"""Performs a plan's steps with aiohttp; nothing is decided here.

Redirects are never followed and cookies never kept: the credential goes to the one URL that was named. A cancelled
task leaves through here like any error, and closes the stream it came in.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import aiohttp
from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientConnectorSSLError, ClientError
from yarl import URL

from taskgate import __version__
from taskgate.client.door import Door
from taskgate.client.retries import Patience
from taskgate.client.steps import Answer, Emit, Lost, Open, Pause, Plan, Read, Request, Send, Step

T = TypeVar("T")
OK = 200


class AsyncLine:
    """The connections to one gateway, made when the first verb needs one."""

    def __init__(self, door: Door, patience: Patience) -> None:
        self.door = door
        self.patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def finish(self, plan: Plan[T]) -> T:
        """Perform the plan to its end; items it emits are dropped."""
        running = Running(self, plan)
        try:
            while await running.advance() is not None:
                pass
            return running.result
        finally:
            running.close()

    async def items(self, plan: Plan[Any]) -> AsyncGenerator[Any, None]:
        """What the plan emits, as it comes."""
        running = Running(self, plan)
        try:
            while (step := await running.advance()) is not None:
                yield step.item
        finally:
            running.close()

    async def request(self, request: Request) -> aiohttp.ClientResponse | Lost:
        """One request; its body is not read yet."""
        headers = {"Accept": "application/json", "User-Agent": f"taskgate-python/{__version__}", **request.headers}
        if self.door.api_key:
            headers["X-API-Key"] = str(self.door.api_key)
        answer_s = self.patience.answer_s if request.answer_s is None else request.answer_s
        try:
            return await self._open_session().request(
                request.method,
                URL(self.door.url + request.path, encoded=True),
                data=request.body or None,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.patience.connect_s, sock_read=answer_s),
                allow_redirects=False,
            )
        except (ClientError, TimeoutError, OSError) as error:
            return lost(error, self.door.url)

    async def close(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            connector = aiohttp.TCPConnector(limit=64)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            self._loop = loop
        return self._session


class AsyncCaller:
    """Owns a line: as a context manager it closes it."""

    def __init__(self, line: AsyncLine) -> None:
        self._line = line

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._line.door.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the kept connections; the next verb opens new ones."""
        await self._line.close()


class Running(Generic[T]):
    """A plan on its way, with the stream it may have open."""

    result: T

    def __init__(self, line: AsyncLine, plan: Plan[T]) -> None:
        self._line = line
        self._plan = plan
        self._reply: Any = None
        self._stream: aiohttp.ClientResponse | None = None

    async def advance(self) -> Emit | None:
        """Perform steps up to the next item; None at the end of the plan."""
        while True:
            try:
                step = self._plan.send(self._reply)
            except StopIteration as end:
                self.result = end.value
                return None
            self._reply = None
            if isinstance(step, Emit):
                return step
            self._reply = await self._perform(step)

    def close(self) -> None:
        """Leave the plan where it is and close its stream."""
        self._plan.close()
        self._close_stream()

    async def _perform(self, step: Step) -> Answer | Lost | bytes | None:
        match step:
            case Send(request):
                return await self._send(request)
            case Open(request):
                return await self._open(request)
            case Read():
                return await self._read()
            case Pause(seconds):
                self._close_stream()
                await asyncio.sleep(seconds)
        return None

    async def _send(self, request: Request) -> Answer | Lost:
        reply = await self._line.request(request)
        if isinstance(reply, Lost):
            return reply
        try:
            return answer(reply, await reply.read())
        except (ClientError, TimeoutError, OSError) as error:
            return lost(error, self._line.door.url)
        finally:
            reply.release()

    async def _open(self, request: Request) -> Answer | Lost:
        self._close_stream()
        reply = await self._line.request(request)
        if isinstance(reply, Lost):
            return reply
        self._stream = reply
        if reply.status == OK:
            return answer(reply, b"")
        body = await self._read()
        return body if isinstance(body, Lost) else answer(reply, body)

    async def _read(self) -> bytes | Lost:
        if self._stream is None:
            return Lost(reason="no stream is open")
        try:
            return await self._stream.content.readany()
        except (ClientError, TimeoutError, OSError) as error:
            return lost(error, self._line.door.url)

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def answer(reply: aiohttp.ClientResponse, body: bytes) -> Answer:
    """The library's response as a value."""
    return Answer(status=reply.status, headers={name.lower(): text for name, text in reply.headers.items()}, body=body)


def lost(error: Exception, url: str) -> Lost:
    """Why an exchange failed, without a word of what was in it."""
    if isinstance(error, ClientConnectorCertificateError | ClientConnectorSSLError | ssl.SSLError):
        return Lost(reason=f"no trusted connection to {url}: {error}", is_sent=False, is_final=True)
    if isinstance(error, ClientConnectorError):
        why = error.os_error.strerror or "no connection"
        return Lost(reason=f"cannot connect to {url}: {why}", is_sent=False)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Lost(reason=f"cannot connect to {url}: no connection in time", is_sent=False)
    if isinstance(error, TimeoutError):
        return Lost(reason=f"{url} did not answer in time")
    return Lost(reason=f"the connection to {url} broke")
