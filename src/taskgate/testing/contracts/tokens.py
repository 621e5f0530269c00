"""The contract of `TokenBook`: a join token is honoured once, what was taken back stays taken back.

Subclass it with fixtures `clock` and `token_book`, which stands on that clock.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf

from taskgate.identity.ports import Invitation, Revocation, TokenBook
from taskgate.testing.clock import ManualClock


def invitation(invitation_id: str = "inv000000001", *, now: float, **changes: object) -> Invitation:
    """A join token with something in every field; it ends in an hour."""
    plain = Invitation(
        id=invitation_id,
        secret_sha256=bytes(range(32)),
        site_id="site-a",
        scopes=frozenset({"worker", "serve:*"}),
        worker_id="gpu-1",
        key_days=90.5,
        created_at=now,
        created_by="key000000001",
        expires_at=now + 3600.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class TokenBookContract:
    """Fixtures: `clock`, and `token_book`, an empty TokenBook."""

    async def test_an_invitation_comes_back_as_it_was_kept(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        bare = invitation("inv000000002", now=now, worker_id="", key_days=None, scopes=frozenset({"worker"}))
        await token_book.invite(invitation(now=now))
        await token_book.invite(bare)
        assert await token_book.find("inv000000001") == invitation(now=now)
        assert await token_book.find("inv000000002") == bare
        assert await token_book.find("INV000000001") is None

    async def test_s36_of_many_who_use_it_at_once_one_may(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        await token_book.invite(invitation(now=now))
        answers = await asyncio.gather(*(token_book.use("inv000000001", now + 1.0) for _ in range(8)))
        assert sorted(answers) == [False] * 7 + [True]
        found = await token_book.find("inv000000001")
        assert found == invitation(now=now, used_at=now + 1.0)

    async def test_s36_after_its_end_nobody_may(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        await token_book.invite(invitation(now=now))
        assert await token_book.use("inv000000001", now + 3600.0) is False
        assert await token_book.use("another00001", now) is False
        assert await token_book.use("inv000000001", now + 3599.5) is True

    async def test_old_invitations_are_forgotten(self, token_book: TokenBook, clock: ManualClock) -> None:
        await token_book.invite(invitation(now=clock.now()))
        clock.advance(3600.0 + 86_401.0)
        await token_book.invite(invitation("inv000000002", now=clock.now()))
        assert await token_book.find("inv000000001") is None
        assert await token_book.find("inv000000002") is not None

    async def test_inv_a5_what_was_taken_back_is_read(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        old = Revocation(name="jti:old", before=now, keep_until=now + 1000.0)
        new = Revocation(name="corp:Zoë", before=now + 50.0, keep_until=now + 2000.0)
        assert await token_book.taken_back(inf) == []
        await token_book.take_back(old)
        clock.advance(50.0)
        await token_book.take_back(new)
        assert await token_book.taken_back(49.0) == [new]
        for within_s in (51.0, inf):
            assert sorted(await token_book.taken_back(within_s), key=lambda one: one.before) == [old, new]

    async def test_taking_back_again_keeps_the_later_moment(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        later = Revocation(name="corp:alice", before=now + 10.0, keep_until=now + 500.0)
        await token_book.take_back(later)
        clock.advance(100.0)
        await token_book.take_back(Revocation(name="corp:alice", before=now + 5.0, keep_until=now + 900.0))
        assert await token_book.taken_back(1.0) == [replace(later, keep_until=now + 900.0)]

    async def test_revocations_past_their_time_go(self, token_book: TokenBook, clock: ManualClock) -> None:
        now = clock.now()
        await token_book.take_back(Revocation(name="jti:old", before=now, keep_until=now + 10.0))
        clock.advance(11.0)
        kept = Revocation(name="jti:new", before=now, keep_until=now + 1000.0)
        await token_book.take_back(kept)
        assert await token_book.taken_back(inf) == [kept]
