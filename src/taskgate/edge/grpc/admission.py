"""Who may make a call, and how a call that may not, or that fails, is ended.

The credential is in the metadata and is checked before one byte of a message is read (INV-A4): every method is
served as a stream of raw bytes, so nothing is received or parsed until the call itself asks for it. An error
ends the call with its row's status; the trailers say its stable code, and when to come back.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc

from taskgate.edge.gate import Gate
from taskgate.errors import NotNow, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.status import row_of

_log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]
Call = Callable[[Principal, Context], Awaitable[None]]
STATUS: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
TEXT_LIMIT = 500


class Admission:
    """Wraps calls, so that they meet only workers whose credential is good, and never leak what went wrong inside."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def guarded(self, call: Call) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of a method, whatever its kind is to the caller: raw bytes in, raw bytes out."""

        async def behave(_: Any, context: Context) -> None:
            try:
                await call(await self._admit(context), context)
            except TaskgateError as error:
                failure = error
            except Exception as error:
                if isinstance(error, grpc.aio.AbortError):
                    raise
                _log.exception("a gRPC call failed")
                failure = TaskgateError("the gateway failed; its log says why")
            else:
                return
            await fail(context, failure)

        return grpc.stream_stream_rpc_method_handler(behave)

    async def _admit(self, context: Context) -> Principal:
        pairs = [(str(name), value) for name, value in context.invocation_metadata() or ()]
        principal = await self._gate.admit(pairs, address=address_of(context.peer()))
        principal.require("worker")
        return principal


async def fail(context: Context, error: TaskgateError) -> None:
    """End the call with this error."""
    await end(context, row_of(error).grpc, text=error.detail or error.code, code=error.code, after_s=_after(error))


async def end(context: Context, status: int, *, text: str, code: str = "", after_s: float | None = None) -> None:
    """End the call with a status, a sentence, and trailers for machines."""
    trailers = [("error-code", code)] if code else []
    if after_s is not None:
        trailers.append(("retry-after-ms", str(int(after_s * 1000))))
    printable = "".join(char if char.isprintable() else "?" for char in text[:TEXT_LIMIT])
    await context.abort(STATUS.get(status, grpc.StatusCode.UNKNOWN), printable, tuple(trailers))


def address_of(peer: str) -> str:
    """The caller's address out of gRPC's own spelling: `ipv4:10.0.0.1:5555`, `ipv6:%5B::1%5D:5555`, `unix:`."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    return unquote(rest).rpartition(":")[0].strip("[]")


def _after(error: TaskgateError) -> float | None:
    return error.retry_after_s if isinstance(error, NotNow) else None
