"""Who may make a call, how often and how long, and how a call that may not, or that fails, is ended.

In this order: what its connection has cost so far, its credential, its principal's rate (unary calls), its time. All
of it before one byte of a message is read (INV-A4): every method is served as a stream of raw bytes, so nothing is
received or parsed until the call itself asks for it. An error ends the call with its row's status; the trailers say
its stable code, when to come back, and what is left of the rate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc

from taskgate.edge.gate import Gate
from taskgate.edge.grpc.credentials import shown_by
from taskgate.edge.grpc.peers import Peers
from taskgate.edge.grpc.rates import CallRates
from taskgate.errors import NotNow, TaskgateError, TooSlow
from taskgate.identity.principal import Principal
from taskgate.status import row_of

_log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]
Call = Callable[[Principal, Context], Awaitable[None]]
STATUS: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
TEXT_LIMIT = 500
DEADLINE_S = 60.0  # of a unary call that brings none, or a later one
NO_MESSAGE = "NO_MESSAGE"
REMAINING = "x-ratelimit-remaining"


class Admission:
    """Wraps calls, so that they meet only workers whose credential is good, and never leak what went wrong inside."""

    def __init__(self, gate: Gate, *, peers: Peers, rates: CallRates) -> None:
        self._gate = gate
        self._peers = peers
        self._rates = rates

    def guarded(self, call: Call, *, deadline_s: float | None = DEADLINE_S) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of a method, whatever its kind is to the caller: raw bytes in, raw bytes out.

        A call without `deadline_s` is a stream for as long as both sides like, and no rate counts it.
        """

        async def behave(_: Any, context: Context) -> None:
            peer = context.peer()
            address = address_of(peer)
            try:
                began_at = self._peers.begin(peer, address)
            except TaskgateError as error:
                await fail(context, error)
                return
            try:
                await self._answer(call, context, address=address, deadline_s=deadline_s)
            except _GivenUp as error:
                self._peers.given_up(peer, began_at)
                await fail(context, error.failure)
            except asyncio.CancelledError:
                self._peers.given_up(peer, began_at)
                raise
            finally:
                self._peers.end(peer, address)

        return grpc.stream_stream_rpc_method_handler(behave)

    async def _answer(self, call: Call, context: Context, *, address: str, deadline_s: float | None) -> None:
        left: int | None = None
        try:
            principal = await self._admit(context, address)
            if deadline_s is None:
                await call(principal, context)
                return
            left = await self._rates.take(principal.id)
            if left is not None:
                context.set_trailing_metadata(((REMAINING, str(left)),))
            await _within(deadline_s, call(principal, context))
        except TaskgateError as error:
            if error.code == NO_MESSAGE:
                raise _GivenUp(error) from error
            failure = error
        except Exception as error:
            if isinstance(error, grpc.aio.AbortError):
                raise
            _log.exception("a gRPC call failed")
            failure = TaskgateError("the gateway failed; its log says why")
        else:
            return
        await fail(context, failure, left=0 if failure.code == "RATE_LIMITED" else left)

    async def _admit(self, context: Context, address: str) -> Principal:
        pairs = [(str(name), value) for name, value in context.invocation_metadata() or ()]
        principal = await self._gate.admit(pairs, address=address, certificate=shown_by(context))
        principal.require("worker")
        return principal


class _GivenUp(Exception):
    """The caller ended a call before it had said what it wants."""

    def __init__(self, failure: TaskgateError) -> None:
        super().__init__(failure.code)
        self.failure = failure


async def fail(context: Context, error: TaskgateError, *, left: int | None = None) -> None:
    """End the call with this error; `left` is what its principal has left of its rate."""
    row = row_of(error)
    await end(context, row.grpc, text=error.detail or error.code, code=error.code, after_s=_after(error), left=left)


async def end(
    context: Context, status: int, *, text: str, code: str = "", after_s: float | None = None, left: int | None = None
) -> None:
    """End the call with a status, a sentence, and trailers for machines."""
    trailers = [("error-code", code)] if code else []
    if after_s is not None:
        trailers.append(("retry-after-ms", str(int(after_s * 1000))))
    if left is not None:
        trailers.append((REMAINING, str(left)))
    printable = "".join(char if char.isprintable() else "?" for char in text[:TEXT_LIMIT])
    await context.abort(STATUS.get(status, grpc.StatusCode.UNKNOWN), printable, tuple(trailers))


def address_of(peer: str) -> str:
    """The caller's address out of gRPC's own spelling: `ipv4:10.0.0.1:5555`, `ipv6:%5B::1%5D:5555`, `unix:`."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    return unquote(rest).rpartition(":")[0].strip("[]")


async def _within(deadline_s: float, work: Awaitable[None]) -> None:
    """Do the work; TooSlow when it takes longer, whether or not the caller set a limit."""
    limit = asyncio.timeout(deadline_s)
    try:
        async with limit:
            await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TooSlow(f"the call took longer than {deadline_s:g} s", code="DEADLINE") from error


def _after(error: TaskgateError) -> float | None:
    return error.retry_after_s if isinstance(error, NotNow) else None
