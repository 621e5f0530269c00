"""The gateway as a front sees it: keys to look up, runs to perform, news to hear.

Each is an adapter of a port, over one channel. While the channel is down every question is Unavailable: a front
fails closed for keys that it does not remember, and goes on with those it does.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from taskgate import errors
from taskgate.errors import NotNow, RunEnded, StoreError, TaskgateError, Unavailable
from taskgate.fronts import messages as m
from taskgate.fronts.channel import Channel
from taskgate.identity.ports import KeyRecord
from taskgate.identity.principal import Principal
from taskgate.routes.ports import RunAnswer
from taskgate.routes.records import CallFilter, CallRecord

ASK_S = 10.0
GRACE_S = 5.0


class Questions:
    """Numbers questions and hands each answer to its asker. `channel` is None while there is none."""

    def __init__(self) -> None:
        self.channel: Channel[m.ToFront] | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[m.Answer]] = {}

    async def ask(self, make: Callable[[int], object], *, timeout_s: float = ASK_S) -> Any:
        """The answer to one question; raises what the gateway raised, Unavailable when it does not answer."""
        if self.channel is None:
            raise _away()
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self.channel.send(make(number))
            async with asyncio.timeout(timeout_s):
                found = await answer
        except TimeoutError:
            raise _away() from None
        finally:
            self._open.pop(number, None)
        if isinstance(found, m.Refused):
            raise error_of(found)
        return found

    def answered(self, answer: m.Answer) -> None:
        """An answer came; one that nobody waits for any more is dropped."""
        waiting = self._open.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def cut(self) -> None:
        """The channel is gone, and with it every open question."""
        self.channel = None
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(_away())


class AskedKeyRing:
    """KeyRing that reads the gateway's. A front never changes a key."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def find(self, key_id: str) -> KeyRecord | None:
        found: m.KeyFound = await self._questions.ask(lambda number: m.FindKey(number, key_id))
        return found.record

    async def all(self) -> list[KeyRecord]:
        found: m.KeyList = await self._questions.ask(m.ListKeys)
        return found.records

    async def save(self, record: KeyRecord) -> None:
        raise StoreError(f"a front does not change keys: {record.id}")

    async def revoke(self, key_id: str, at: float) -> bool:
        raise StoreError(f"a front does not change keys: {key_id} at {at}")


class AskedRunDoor:
    """RunDoor whose runs are submitted by the gateway."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def perform(
        self, principal: Principal, task: str, *, body: bytes, key: str, wait_s: float, traceparent: str
    ) -> RunAnswer:
        done: m.Performed = await self._questions.ask(
            lambda number: m.Perform(number, principal, task, body, key, wait_s, traceparent),
            timeout_s=wait_s + GRACE_S,
        )
        return RunAnswer(status=done.status, headers=done.headers, body=done.body)


class AskedRecords:
    """CallRecords whose store is the gateway's. A front never reads one."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def append(self, records: Sequence[CallRecord]) -> None:
        if self._questions.channel is None:
            raise _away()
        self._questions.channel.send(m.Records(list(records)))
        await self._questions.channel.drain()

    async def find(self, wanted: CallFilter) -> list[CallRecord]:
        raise StoreError(f"a front keeps no records: {wanted.route}")

    async def purge(self, started_before: float, limit: int) -> int:
        return 0


def refusal_of(number: int, error: TaskgateError) -> m.Refused:
    """An error as it travels."""
    return m.Refused(
        number=number,
        kind=type(error).__name__,
        code=error.code,
        detail=error.detail,
        extra=error.extra,
        retry_after_s=getattr(error, "retry_after_s", 1.0),
    )


def error_of(refused: m.Refused) -> TaskgateError:
    """The error that travelled; one of an unknown class is the root's."""
    kind = getattr(errors, refused.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, TaskgateError)):
        return TaskgateError(refused.detail, code=refused.code, extra=refused.extra)
    if issubclass(kind, NotNow):
        return kind(refused.detail, retry_after_s=refused.retry_after_s, code=refused.code, extra=refused.extra)
    if issubclass(kind, RunEnded):
        return kind(refused.detail, code=refused.code)
    return kind(refused.detail, code=refused.code, extra=refused.extra)


def _away() -> Unavailable:
    return Unavailable("the gateway does not answer its front", code="GATEWAY_AWAY")
