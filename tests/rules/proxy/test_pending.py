"""The longest waiting connections of an address give way, once everything that has arrived was read."""

from __future__ import annotations

from taskgate.proxy.pending import Act, Pending
from taskgate.proxy.settings import ProxySettings
from tests.rules.proxy.stage import Stage, answers

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_the_oldest_goes() -> None:
    acts, gone = list[Act](), list[int]()
    pending = Pending(2, after_reading=acts.append)
    for number in range(4):
        pending.add(number, "a", give_way=lambda number=number: gone.append(number))  # type: ignore[misc]
    pending.add(9, "b", give_way=lambda: gone.append(9))
    assert gone == []
    assert len(acts) == 1
    acts[0]()
    assert gone == [0, 1]
    assert (pending.count("a"), pending.count("b")) == (2, 1)


def test_whoever_has_spoken_is_forgotten() -> None:
    acts, gone = list[Act](), list[int]()
    pending = Pending(1, after_reading=acts.append)
    pending.add(1, "a", give_way=lambda: gone.append(1))
    pending.discard(1, "a")
    pending.discard(1, "a")
    pending.discard(1, "c")
    pending.add(2, "a", give_way=lambda: gone.append(2))
    assert (gone, acts) == ([], [])
    assert pending.count("a") == 1


def test_whoever_speaks_before_everything_was_read_stays() -> None:
    """F27: a crowd that came in one moment is not slow."""
    acts, gone = list[Act](), list[int]()
    pending = Pending(1, after_reading=acts.append)
    for number in range(5):
        pending.add(number, "a", give_way=lambda number=number: gone.append(number))  # type: ignore[misc]
    for number in range(4):
        pending.discard(number, "a")
    acts.pop()()
    assert gone == []
    pending.add(5, "a", give_way=lambda: gone.append(5))
    acts.pop()()
    assert gone == [4]


def test_f27_many_that_come_at_once_are_read_before_anybody_gives_way() -> None:
    """All workers behind one address, after a restart: their heads are there, and nobody was slow."""
    first = Stage(ProxySettings(pending_per_address=2))
    crowd = [first, *(Stage(doorway=first.doorway) for _ in range(20))]
    for stage in crowd:
        stage.say(GET)
    first.turn.read()
    assert all(len(answers(stage.told)) == 1 for stage in crowd)
    assert not any(stage.closed() or stage.transport.has_ended for stage in crowd)
