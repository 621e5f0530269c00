"""What the audit log needs of a store. There is no verb that changes or removes one entry.

`append` returns after its commit is durable, and several gateways may append to one log at once. Failures:
`Unavailable` (wait), `StoreError` (operator).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from taskgate.audit.chain import Ends
from taskgate.audit.entry import Deed, Entry


class AuditFilter(Struct, frozen=True, kw_only=True, gc=False):
    """Newest first; empty restricts nothing; `cursor` is the last number seen. From `at_from`, before `at_before`."""

    action: str = ""
    outcome: str = ""
    actor_id: str = ""
    subject: str = ""
    at_from: float | None = None
    at_before: float | None = None
    limit: int = 50
    cursor: int = 0


class AuditLog(Protocol):
    """Entries by number, without a gap."""

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        """The entries that the deeds became, behind everything that was there."""
        ...

    async def find(self, wanted: AuditFilter) -> list[Entry]: ...

    async def chain(self, after: int, limit: int) -> list[Entry]:
        """Entries behind a number, oldest first."""
        ...

    async def ends(self) -> Ends: ...

    async def purge(self, before: float, limit: int) -> int:
        """Take the oldest entries away as long as they are from before that moment; their last one becomes the
        checkpoint. Returns how many."""
        ...
