"""The gate's fast way says what its slow way says, or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.bus import Bus
from taskgate.edge.gate import Gate
from taskgate.errors import InvalidInput, Malformed, TaskgateError, Unauthenticated
from taskgate.identity.keys import Keys
from taskgate.identity.keytext import new_key
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.testing.clock import ManualClock

NAMES = [b"x-api-key", b"X-API-Key", b"authorization", b"AUTHORIZATION", b"x-site-id", b"X-User-Id", b"x-app-id",
         b"x_site_id", b"accept", b"x-request"]  # fmt: skip


class House:
    """A gate over two keys: an ordinary one, and one that may speak for other sites."""

    def __init__(self, *, auth_enabled: bool = True) -> None:
        self.clock = ManualClock()
        self.keys = Keys(MemoryKeyRing(), clock=self.clock, bus=Bus())
        self.gate = Gate(self.keys, clock=self.clock, auth_enabled=auth_enabled)
        self.texts = asyncio.run(self._make())

    async def _make(self) -> list[bytes]:
        made = [await self.keys.create(None, name="x", scopes=scopes, site_id="acme")
                for scopes in (["read"], ["read", "tenant:assert"])]  # fmt: skip
        return [text.encode() for _, text in made]

    def slowly(self, pairs: list[tuple[bytes, bytes]], query: bytes) -> Any:
        """The principal, or the class of what was raised; each from an address of its own."""
        self.clock.advance(0.001)
        try:
            return asyncio.run(self.gate.admit(pairs, query=query, address=str(self.clock.now())))
        except TaskgateError as error:
            return type(error), error.code

    def quickly(self, pairs: list[tuple[bytes, bytes]], query: bytes) -> Any:
        try:
            return self.gate.recall(pairs, query=query)
        except TaskgateError as error:
            return type(error), error.code


HOUSES = {True: House(), False: House(auth_enabled=False)}
values = st.sampled_from(["own", "platform", "unknown", "", "acme", "globex", "bad id", " own", "own "])
pairs = st.lists(st.tuples(st.sampled_from(NAMES), values, st.sampled_from([b"", b"Bearer ", b"bearer ", b"Basic "])),
                 max_size=5)  # fmt: skip
queries = st.sampled_from([b"", b"page=2", b"key=1", b"%6bey=1", b"a=%20", b"Token=x", b"monkey=1"])


@given(is_on=st.booleans(), drawn=pairs, query=queries)
def test_both_ways_agree(is_on: bool, drawn: list[tuple[bytes, str, bytes]], query: bytes) -> None:
    """What memory says is what `admit` says; what memory refuses is refused; it never admits more."""
    house = HOUSES[is_on]
    texts = {"own": house.texts[0], "platform": house.texts[1], "unknown": new_key()[2].encode()}
    sent = []
    for name, word, scheme in drawn:
        text = word.replace("own", texts["own"].decode()) if "own" in word and word != "unknown" else word
        sent.append((name, scheme + texts.get(word, text.encode())))
    quick, slow = house.quickly(sent, query), house.slowly(sent, query)
    assert quick is None or quick == slow


def test_the_usual_ways_need_no_second_look() -> None:
    house = HOUSES[True]
    own, platform = house.texts
    for pairs in ([(b"x-api-key", own)], [(b"Authorization", b"Bearer " + own)], [(b"X-API-KEY", own), (b"host", b"a")],
                  [(b"x-api-key", own), (b"authorization", b"bearer " + own)], [(b"x-api-key", own),
                  (b"x-site-id", b"globex")]):  # fmt: skip
        principal = house.gate.recall(pairs, query=b"page=2&sort=name")
        assert principal is not None
        assert principal.site_id == "acme"
    asserted = house.gate.recall([(b"x-api-key", platform), (b"X-Site-Id", b"globex"), (b"x-user-id", b"u1")])
    assert asserted is not None
    assert (asserted.site_id, asserted.user_id) == ("globex", "u1")
    with pytest.raises(InvalidInput):
        house.gate.recall([(b"x-api-key", platform), (b"x-site-id", b"bad id")])
    with pytest.raises(Malformed):
        house.gate.recall([(b"x-api-key", own)], query=b"api_key=x")


def test_only_admit_refuses_and_counts() -> None:
    house = HOUSES[True]
    wrong = [(b"x-api-key", new_key()[2].encode())]
    for _ in range(20):
        assert house.gate.recall(wrong, address="192.0.2.1") is None
    with pytest.raises(Unauthenticated):
        asyncio.run(house.gate.admit(wrong, address="192.0.2.1"))
    assert house.gate.recall([]) is None
    anybody = HOUSES[False].gate.recall([(b"x-site-id", b"globex")])
    assert anybody is not None
    assert anybody.site_id == "globex"


def test_what_is_remembered_of_headers_is_no_longer_than_their_key() -> None:
    """The same headers again: known at once, until the key is revoked, forgotten or due to be read again."""
    house = House()
    pairs, memory = [(b"x-api-key", house.texts[0])], dict[str, Any]()
    known = house.gate.recall(pairs, memory=memory)
    assert known is not None
    assert house.gate.recall([(b"x-api-key", b"nobody reads this")], memory=memory) is known
    with pytest.raises(Malformed):
        house.gate.recall(pairs, query=b"key=1", memory=memory)
    house.clock.advance(29.0)
    assert not house.keys.recall.still(
        memory["caller"][0]
    )  # due: looked up and proven as if it came for the first time
    asyncio.run(house.keys.revoke(None, known.id))
    assert house.gate.recall(pairs, memory=memory) is None


def test_a_revoked_key_is_forgotten_with_its_headers() -> None:
    house = House()
    pairs, memory = [(b"x-api-key", house.texts[1]), (b"x-site-id", b"globex")], dict[str, Any]()
    known = house.gate.recall(pairs, memory=memory)
    assert known is not None
    assert known.site_id == "globex"
    assert house.gate.recall(pairs, memory=memory) is known
    asyncio.run(house.keys.revoke(None, known.id))
    assert house.gate.recall(pairs, memory=memory) is None
