"""Orders for one worker that asks for them: cancel, config, drain.

Each stays until the worker acknowledges it, and is handed out again as often as it is asked for; so a worker that
dies between the two loses nothing. A receipt is a random text, known here alone and good for this worker alone:
whoever sends one that was not issued here is refused, and nothing is settled by a guess. Pure: no time, no waiting.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque

from taskgate.errors import Forbidden
from taskgate.wire.messages import Cancel, Config, Drain

MOST_WAITING = 10_000  # beyond it the oldest is dropped: its lease is lost all the same, and renewing it says so
REMEMBERED = 1_000

Order = Cancel | Config | Drain


class Orders:
    """What one worker has not acknowledged yet, oldest first."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Order] = OrderedDict()
        self._settled: deque[str] = deque(maxlen=REMEMBERED)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, order: Order) -> None:
        """Add an order; one that waits already is not added again."""
        if order in self._waiting.values():
            return
        self._waiting[secrets.token_urlsafe(16)] = order
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)

    def first(self) -> tuple[str, Order] | None:
        """The oldest order with its receipt."""
        return next(iter(self._waiting.items()), None)

    def acknowledge(self, receipt_id: str) -> None:
        """The worker has it. Safe to repeat; Forbidden (FOREIGN_RECEIPT) for a receipt that was not issued here."""
        if self._waiting.pop(receipt_id, None) is not None:
            self._settled.append(receipt_id)
        elif receipt_id not in self._settled:
            raise Forbidden("this receipt was not given to this worker", code="FOREIGN_RECEIPT")
