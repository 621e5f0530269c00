"""What carries the link's messages, whichever it is, and how it says that it could not.

A transport never judges a message and never tries again. It sorts ends into those that time may mend (Unavailable)
and those that it will not: a refused credential, a name that another connection took over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskgate.errors import Forbidden, RemoteLinkError, TaskgateError, Unauthenticated, Unavailable
from taskgate.wire.messages import GatewayMessage, WorkerMessage


class Transport(Protocol):
    """One connection. `open` may be called once; after an error only `close`."""

    async def open(self) -> None:
        """Connect. Unauthenticated, Forbidden: the credential is refused. Unavailable: anything that may pass."""
        ...

    async def send(self, messages: Sequence[WorkerMessage]) -> None:
        """Send all, waiting while the other side does not read."""
        ...

    async def receive(self) -> list[GatewayMessage]:
        """The next messages. The error of the closing (see `closing`) when the connection has ended."""
        ...

    async def close(self) -> None:
        """End the connection; harmless when it has ended."""
        ...


REPLACED = "REPLACED"


def closing(code: int | None, reason: str) -> TaskgateError:
    """A WebSocket close code as an error; REPLACED is another connection under our name."""
    if code == 4401:
        return Unauthenticated(reason or "the gateway does not accept the credential any more")
    if code == 4403:
        return Forbidden(reason or "the gateway forbids this worker")
    if code == 4409:
        return RemoteLinkError(reason or "another worker took over this name", code=REPLACED)
    return Unavailable(f"the connection ended{f' with {code}' if code else ''}{f': {reason}' if reason else ''}")


def said(error: BaseException) -> str:
    """What an error says, or what it is when it says nothing."""
    return str(error) or type(error).__name__
