"""Join tokens and revocations in memory.

Holds digests of secrets, never a secret; forgotten with the process.
"""

from __future__ import annotations

from dataclasses import replace

from taskgate.clock import Clock
from taskgate.identity.ports import Invitation, Revocation

DAY_S = 86_400.0


class MemoryTokenBook:
    """TokenBook in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._invitations: dict[str, Invitation] = {}
        self._revocations: dict[str, tuple[Revocation, float]] = {}

    async def invite(self, invitation: Invitation) -> None:
        now = self._clock.now()
        for old in [one.id for one in self._invitations.values() if one.expires_at < now - DAY_S]:
            del self._invitations[old]
        self._invitations[invitation.id] = invitation

    async def find(self, invitation_id: str) -> Invitation | None:
        return self._invitations.get(invitation_id)

    async def use(self, invitation_id: str, at: float) -> bool:
        found = self._invitations.get(invitation_id)
        if found is None or found.used_at is not None or at >= found.expires_at:
            return False
        self._invitations[invitation_id] = replace(found, used_at=at)
        return True

    async def take_back(self, revocation: Revocation) -> None:
        now = self._clock.now()
        for old in [name for name, (one, _) in self._revocations.items() if one.keep_until < now]:
            del self._revocations[old]
        known, _ = self._revocations.get(revocation.name, (revocation, now))
        self._revocations[revocation.name] = (
            replace(
                revocation,
                before=max(revocation.before, known.before),
                keep_until=max(revocation.keep_until, known.keep_until),
            ),
            now,
        )

    async def taken_back(self, within_s: float) -> list[Revocation]:
        now = self._clock.now()
        return [one for one, noted_at in self._revocations.values() if noted_at >= now - within_s]
