"""The longest waiting connection of an address gives way."""

from __future__ import annotations

from taskgate.proxy.pending import Pending


def test_the_oldest_goes() -> None:
    pending, gone = Pending(2), list[int]()
    for number in range(4):
        pending.add(number, "a", give_way=lambda number=number: gone.append(number))  # type: ignore[misc]
    pending.add(9, "b", give_way=lambda: gone.append(9))
    assert gone == [0, 1]
    assert (pending.count("a"), pending.count("b")) == (2, 1)


def test_whoever_has_spoken_is_forgotten() -> None:
    pending, gone = Pending(1), list[int]()
    pending.add(1, "a", give_way=lambda: gone.append(1))
    pending.discard(1, "a")
    pending.discard(1, "a")
    pending.discard(1, "c")
    pending.add(2, "a", give_way=lambda: gone.append(2))
    assert gone == []
    assert pending.count("a") == 1
