"""What all gateways that run at the same time must have in common: who comes with something else may not start.

The leader of the duty is not a gateway but the thing itself: every gateway campaigns under the same name, and one
that would have another name is refused while the term lasts, which those that run renew. So nothing has to be
forgotten before it may change: once all gateways have been down for a term, the next one decides anew.
"""

from __future__ import annotations

import asyncio
import logging

from taskgate.errors import NotNow, StoreError
from taskgate.lifespan import TaskSet
from taskgate.runs.ports import Leadership

_log = logging.getLogger(__name__)
TERM_S = 60.0
DISAGREE = "GATEWAYS_DISAGREE"


class Agreement:
    """A part: starts if `value` may call, under the duty `subject`, what the others say; StoreError with `refusal`."""

    def __init__(self, leadership: Leadership, subject: str, *, refusal: str) -> None:
        self._leadership = leadership
        self._subject = subject
        self._refusal = refusal
        self.value = ""
        self.tasks = TaskSet()

    async def start(self) -> None:
        await self._hold()
        self.tasks.spawn(self._renew(), name=f"agreement on {self._subject}")

    async def stop(self) -> None:
        await self.tasks.close()

    async def _hold(self) -> None:
        if await self._leadership.campaign(self._subject, self.value, duration_s=TERM_S) is None:
            raise StoreError(self._refusal, code=DISAGREE)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(TERM_S / 4)
            try:
                await self._hold()
            except (NotNow, StoreError) as error:
                if error.code == DISAGREE:
                    raise
                _log.warning("the agreement on %s is renewed later: %s", self._subject, error)
