"""F27: so many WebSockets are handed over at each turn of the loop, in their order; who has left meanwhile is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.doorway import Doorway, unclaimed
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.turnstile import WIDTH, Act, Turnstile
from tests.rules.proxy.stage import HandClock, HandTurn, Stage, answers

WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@given(st.integers(1, 5), st.lists(st.integers(0, 12), max_size=12))
def test_so_many_at_each_turn_in_their_order(width: int, arrivals: list[int]) -> None:
    turns, passed = list[Act](), list[int]()
    turnstile, come = Turnstile(turns.append, width=width), 0
    for count in [*arrivals, *[0] * (sum(arrivals) + 1)]:
        before = len(passed)
        for act in [turns.pop() for _ in turns[:]]:
            act()
        for number in range(come, come + count):
            turnstile.enter(lambda number=number: passed.append(number))  # type: ignore[misc]
        come += count
        assert len(turns) <= 1
        assert len(passed) - before == min(width, come - before)
        assert turnstile.waiting_count == come - len(passed)
    assert passed == list(range(come))
    assert turns == []


class Socket:
    """A WebSocket protocol that keeps what it was given."""

    def __init__(self, **_told: Any) -> None:
        self.caller: tuple[str, int] | None = None
        self.heard = b""
        self.transport: object = None
        OPENED.append(self)

    def connection_made(self, transport: object) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data


OPENED: list[Socket] = []


def crowd(count: int, *, speaks: type = Socket) -> list[Stage]:
    """So many callers who ask for a WebSocket in the same moment."""
    OPENED.clear()
    turn = HandTurn(HandClock())
    doorway = Doorway(unclaimed, ProxySettings(), turn=turn)
    doorway.config = SimpleNamespace(ws_protocol_class=speaks)  # type: ignore[assignment]
    stages = [Stage(doorway=doorway) for _ in range(count)]
    for stage in stages:
        stage.turn = turn
        stage.say(WEBSOCKET)
    return stages


def opened(stages: list[Stage]) -> list[int]:
    return [number for number, stage in enumerate(stages) if any(one.transport is stage.transport for one in OPENED)]


def test_f27_websockets_that_come_at_once_are_handed_over_a_few_at_a_time() -> None:
    stages = crowd(2 * WIDTH + 3)
    for turn in range(1, 4):
        assert opened(stages) == list(range(min(turn * WIDTH, len(stages))))
        stages[0].turn.turned()
    assert opened(stages) == list(range(len(stages)))
    assert all(one.heard.startswith(b"GET /ws HTTP/1.1\r\n") for one in OPENED)


def test_what_is_said_while_one_waits_is_heard_afterwards() -> None:
    stages = crowd(WIDTH + 1)
    stages[-1].say(b"early")
    stages[-1].turn.turned()
    assert OPENED[-1].heard.endswith(b"\r\n\r\nearly")


def test_who_leaves_while_he_waits_opens_nothing_and_takes_no_place() -> None:
    stages = crowd(2 * WIDTH)
    for stage in stages[WIDTH:-1]:
        stage.front.connection_lost(None)
    stages[0].turn.turned()
    assert opened(stages) == [*range(WIDTH), 2 * WIDTH - 1]
    assert len(OPENED) == WIDTH + 1


def test_a_gateway_that_ends_opens_no_more() -> None:
    stages = crowd(WIDTH + 1)
    stages[-1].front.shutdown()
    stages[-1].turn.turned()
    assert [status for status, _ in answers(stages[-1].told)] == [503]
    assert stages[-1].closed()
    assert len(opened(stages)) == WIDTH


def test_one_that_fails_is_cut_and_the_others_go_on() -> None:
    class Broken(Socket):
        def __init__(self, **told: Any) -> None:
            super().__init__(**told)
            if len(OPENED) == WIDTH + 1:
                raise ZeroDivisionError

    stages = crowd(WIDTH + 2, speaks=Broken)
    stages[0].turn.turned()
    assert stages[WIDTH].transport.is_cut
    assert opened(stages) == [*range(WIDTH), WIDTH + 1]
