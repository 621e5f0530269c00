"""What every carrier of journal tails must hold.

class TestMyRelay(TailRelayContract):
    @pytest.fixture
    def relays(self): yield the carriers of two gateways that are joined
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.journal.ports import TailRelay

PATIENCE_S = 20.0


def tail(first: int, count: int = 1, *, text: str = "line") -> Page:
    """Committed entries with these numbers."""
    return Page(
        Entry(seq=seq, kind="log", at=1.5, text=text, fields={"n": [seq, None]}) for seq in range(first, first + count)
    )


class Follower:
    """What came of a subject."""

    def __init__(self, relay: TailRelay, subject: str) -> None:
        self.pages: list[Page] = []
        self.close = relay.follow(subject, self.pages.append)

    def entries(self) -> list[Entry]:
        return [entry for page in self.pages for entry in page]

    def seqs(self) -> list[int]:
        return [entry.seq for entry in self.entries()]


class TailRelayContract:
    """Fixture `relays`: two TailRelays that are joined; they may be one object. A page may be replaced by an empty one
    while the news of a follower is on its way, so every test says pages until the follower is known."""

    async def test_pages_arrive_as_they_were_committed(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, there = relays
        follower = await _known(here, there, "run")
        sent = [tail(101, 3), tail(104, text="ä\x00\n"), tail(105, 100)]
        for page in sent:
            here.send([("run", page)])
        await _until(lambda: 204 in follower.seqs())
        after = [entry for entry in follower.entries() if entry.seq > 100]
        assert after == [entry for page in sent for entry in page]

    async def test_a_follower_hears_of_its_subject_alone(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, there = relays
        one, other = await _known(here, there, "one"), await _known(here, there, "other")
        here.send([("one", tail(101)), ("other", tail(201)), ("nobody", tail(301))])
        await _until(lambda: 101 in one.seqs() and 201 in other.seqs())
        assert {seq for seq in one.seqs() if seq > 100} == {101}
        assert {seq for seq in other.seqs() if seq > 100} == {201}

    async def test_all_followers_of_a_subject_hear(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, there = relays
        first, second = await _known(here, there, "run"), await _known(here, there, "run")
        here.send([("run", tail(101))])
        await _until(lambda: 101 in first.seqs() and 101 in second.seqs())

    async def test_who_has_closed_hears_nothing(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, there = relays
        gone, stays = await _known(here, there, "run"), await _known(here, there, "run")
        gone.close()
        gone.close()
        here.send([("run", tail(101))])
        await _until(lambda: 101 in stays.seqs())
        assert 101 not in gone.seqs()

    async def test_sending_to_nobody_neither_waits_nor_fails(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, _ = relays
        for first in range(1, 200):
            here.send([("nobody", tail(first)), ("nothing", Page())])

    async def test_both_ways(self, relays: tuple[TailRelay, TailRelay]) -> None:
        here, there = relays
        at_there, at_here = await _known(here, there, "a"), await _known(there, here, "b")
        here.send([("a", tail(101))])
        there.send([("b", tail(201))])
        await _until(lambda: 101 in at_there.seqs() and 201 in at_here.seqs())


async def _known(sender: TailRelay, follows: TailRelay, subject: str) -> Follower:
    """A follower at one gateway of which the other knows: a page of it has arrived."""
    follower = Follower(follows, subject)

    def has_arrived() -> bool:
        sender.send([(subject, tail(1))])
        return bool(follower.seqs())

    await _until(has_arrived)
    return follower


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110  (the claim is about another's state)
            await asyncio.sleep(0.01)
