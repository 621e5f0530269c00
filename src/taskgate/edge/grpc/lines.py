"""One stream of log lines, kept while it comes: what arrived while the last batch was being committed is the next one.

Nothing is acknowledged before it is durable. Repeats are dropped by their numbers, so a caller whose stream broke says
all of it again. A stream that says nothing for a minute is ended. The reader never runs ahead of the journal by more
than one batch: who writes faster than that is slowed down by his own connection. Where the journal is so far behind
that this process may hold nothing more for it, or does not answer at all, the stream ends: say it again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from taskgate.errors import LeaseLost, RemoteLinkError, TooSlow, Unavailable
from taskgate.journal.allowance import Allowance
from taskgate.runs.leases import Bearer
from taskgate.runs.narrating import Narrator
from taskgate.wire.link import Limits
from taskgate.wire.log_window import check_lines
from taskgate.wire.messages import Log, LogAck, Receipt

BATCH_BYTES = 256 << 10
SILENT_S = 60.0
RECORD_S = 10.0
LIMITS = Limits()

Read = Callable[[], Awaitable[Log | None]]
Check = Callable[[Receipt], Awaitable[Bearer]]


class Lines:
    """One call. `check` tells which worker says some lines, and raises when their lease is not the caller's."""

    def __init__(self, narrator: Narrator, *, check: Check, allowance: Allowance) -> None:
        self._narrator = narrator
        self._allowance = allowance
        self._check = check
        self._bearers: dict[Receipt, Bearer] = {}
        self._acks: dict[tuple[str, int, str], LogAck] = {}
        self._stale: dict[tuple[str, int], Receipt] = {}

    async def keep(self, read: Read) -> tuple[list[LogAck], list[Receipt]]:
        """Keep everything until `read` returns None; what is durable, and the leases that were lost.

        LeaseLost when all that was said came too late. TooSlow after a minute of silence. Limited or Unavailable when
        the journal is behind or away.
        """
        waiting: list[Log] = []
        coming = asyncio.ensure_future(read())
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=0 if waiting else SILENT_S)
                if done:
                    log = coming.result()
                    if log is None:
                        break
                    waiting.append(log)
                    coming = asyncio.ensure_future(read())
                    if _weight(waiting) < BATCH_BYTES:
                        continue
                elif not waiting:
                    raise TooSlow(f"no line within {SILENT_S:g} s", code="SILENT")
                waiting = await self._record(waiting)
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await self._record(waiting)
        if self._stale and not self._acks:
            raise LeaseLost("these attempts do not hold their runs any more")
        return list(self._acks.values()), list(self._stale.values())

    async def _record(self, logs: list[Log]) -> list[Log]:
        """Make them durable; what is left to be recorded: nothing."""
        said: dict[Bearer, list[Log]] = {}
        for log in logs:
            wrong = check_lines(log, line_count=LIMITS.log_lines, line_chars=LIMITS.line_chars)
            if wrong:
                raise RemoteLinkError(wrong, code="BAD_LOG")
            receipt = Receipt(run_id=log.run_id, attempt=log.attempt, lease_token=log.lease_token)
            if receipt not in self._bearers:
                self._bearers[receipt] = await self._check(receipt)
            said.setdefault(self._bearers[receipt], []).append(log)
        for bearer, its in said.items():
            acks, stale = await self._durable(its, bearer)
            self._acks |= {(ack.run_id, ack.attempt, ack.stream): ack for ack in acks}
            self._stale |= {(receipt.run_id, receipt.attempt): receipt for receipt in stale}
        return []

    async def _durable(self, logs: list[Log], bearer: Bearer) -> tuple[list[LogAck], list[Receipt]]:
        try:
            with self._allowance.taken(_weight(logs)):
                async with asyncio.timeout(RECORD_S):
                    return await self._narrator.record(logs, bearer)
        except TimeoutError:
            raise Unavailable("the journal does not answer", code="STORE_SLOW", retry_after_s=1.0) from None


def _weight(logs: list[Log]) -> int:
    return sum(len(line.text) + 64 for log in logs for line in log.lines)
