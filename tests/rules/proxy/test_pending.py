"""The longest waiting connections of an address give way, once everything that has arrived was read."""

from __future__ import annotations

import pytest

from taskgate.proxy.pending import CROWD, Act, Pending
from taskgate.proxy.settings import ProxySettings
from tests.rules.proxy.stage import Stage, answers

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
YOUNG_S = 5.0


class Crowd:
    """Connections by number, who went, and a clock that stands still."""

    def __init__(self, limit: int) -> None:
        self.now = 1000.0
        self.acts: list[Act] = []
        self.gone: list[int] = []
        self.pending = Pending(limit, young_s=YOUNG_S, after_reading=self.acts.append, monotonic=lambda: self.now)

    def come(self, *numbers: int, address: str = "a") -> None:
        for number in numbers:
            self.pending.add(number, address, give_way=lambda number=number: self.gone.append(number))  # type: ignore[misc]

    def look(self, after_s: float = 0.0) -> list[int]:
        """So much later everything that has arrived was read: who went."""
        self.now += after_s
        self.gone.clear()
        acts, self.acts[:] = list(self.acts), []
        for act in acts:
            act()
        return list(self.gone)


def test_the_oldest_goes() -> None:
    crowd = Crowd(2)
    crowd.come(0, 1, 2, 3)
    crowd.come(9, address="b")
    assert crowd.gone == []
    assert len(crowd.acts) == 1
    assert crowd.look(YOUNG_S) == [0, 1]
    assert (crowd.pending.count("a"), crowd.pending.count("b")) == (2, 1)
    assert crowd.acts == []


def test_f27_the_young_stay_and_are_looked_at_again() -> None:
    """Their heads are on their way; who has stayed silent for long goes first, whoever speaks stays."""
    crowd = Crowd(2)
    crowd.come(0, 1, 2)
    crowd.now += 3.0
    crowd.come(3, 4, 5)
    assert crowd.look() == []
    assert crowd.look(YOUNG_S - 3.1) == []
    assert crowd.look(0.1) == [0, 1, 2]
    for number in (3, 4):
        crowd.pending.discard(number, "a")
    assert crowd.look(60) == []
    assert (crowd.pending.count("a"), crowd.acts) == (1, [])


def test_s27_youth_is_no_way_around_the_limit() -> None:
    """A flood of silent connections holds so many places and no more, however fast it comes."""
    crowd = Crowd(2)
    crowd.come(*range(100))
    assert crowd.look() == list(range(100 - 2 * CROWD))
    crowd.come(100, 101)
    assert crowd.look(1.0) == [84, 85]
    assert crowd.pending.count("a") == 2 * CROWD
    assert len(crowd.look(YOUNG_S)) == 2 * CROWD - 2


def test_one_that_fails_to_go_ends_no_watch() -> None:
    crowd = Crowd(1)
    crowd.pending.add(0, "a", give_way=lambda: 1 / 0)  # type: ignore[arg-type]
    crowd.come(1)
    with pytest.raises(ZeroDivisionError):
        crowd.look(YOUNG_S)
    crowd.come(2)
    assert crowd.look(YOUNG_S) == [1]


def test_whoever_has_spoken_is_forgotten() -> None:
    crowd = Crowd(1)
    crowd.come(1)
    crowd.pending.discard(1, "a")
    crowd.pending.discard(1, "a")
    crowd.pending.discard(1, "c")
    crowd.come(2)
    assert (crowd.gone, crowd.acts) == ([], [])
    assert crowd.pending.count("a") == 1


def test_whoever_speaks_before_everything_was_read_stays() -> None:
    """F27: a crowd that came in one moment is not slow, however long nobody has read what it said."""
    crowd = Crowd(1)
    crowd.come(*range(5))
    for number in range(4):
        crowd.pending.discard(number, "a")
    assert crowd.look(60) == []
    crowd.come(5)
    assert crowd.look(YOUNG_S) == [4]


def test_f27_many_that_come_at_once_are_read_before_anybody_gives_way() -> None:
    """All workers behind one address, after a restart: their heads are there, and nobody was slow."""
    first = Stage(ProxySettings(pending_per_address=2))
    crowd = [first, *(Stage(doorway=first.doorway) for _ in range(20))]
    for stage in crowd:
        stage.say(GET)
    first.turn.read()
    assert all(len(answers(stage.told)) == 1 for stage in crowd)
    assert not any(stage.closed() or stage.transport.has_ended for stage in crowd)


def test_connections_without_a_request_give_way() -> None:
    first = Stage(ProxySettings(pending_per_address=2))
    spoken = Stage(doorway=first.doorway).say(GET)
    later = [Stage(doorway=first.doorway) for _ in range(2)]
    stages = (first, spoken, *later)
    first.turn.read()
    assert not any(stage.closed() or stage.transport.has_ended for stage in stages)
    first.turn.later(first.doorway.settings.header_s * 0.6)  # the time for a head is not over, that of a crowd is
    first.turn.read()
    assert [stage.transport.has_ended for stage in stages] == [True, False, False, False]
    assert not any(stage.closed() for stage in (spoken, *later))
