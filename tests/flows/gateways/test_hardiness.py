"""What other gateways and stores say amiss is no reason for a gateway to end: its background work goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from taskgate.errors import InvalidInput, StoreError
from taskgate.fleet.neighbours import GatewayPost
from taskgate.rereading import Rereader
from taskgate.runs.agreement import Agreement
from taskgate.runs.run import Run
from taskgate.stores.memory.ledger import MemoryRunLedger
from taskgate.stores.memory.signals import MemorySignals
from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import SETTINGS, Neighbour, eventually, shared_stores

FAST = replace(SETTINGS, runs=replace(SETTINGS.runs, sweep_s=0.01))


async def test_words_of_another_version_are_passed_over() -> None:
    """F33: a newer gateway may say something else under a name that this one knows."""
    clock = ManualClock()
    stores = shared_stores(clock)
    post = GatewayPost(name="newer", version="9", since=0.0, more={"leases": msgspec.Raw(b'[{"strange":1}]')})
    await stores.board.post("newer", msgspec.json.encode(post), keep_s=3600.0)
    house = Neighbour(stores, clock)
    await house.gateway.start()
    await house.neighbours.turn()
    assert [one.name for one in house.neighbours.posts()] == ["newer"]
    assert house.gateway.life.ailment() is None
    await house.gateway.stop()


class Refusing(MemoryRunLedger):
    """Refuses a look as if it were its caller's fault, so many times."""

    left = 3

    async def expired(self, limit: int) -> list[Run]:
        if self.left:
            self.left -= 1
            raise InvalidInput("a text holds characters that the database cannot store", code="UNSTORABLE_TEXT")
        return await super().expired(limit)


async def test_the_janitor_outlives_any_answer_of_its_store() -> None:
    clock = ManualClock()
    stores = shared_stores(clock)
    refusing: Any = stores.ledger
    refusing.__class__ = Refusing
    house = Neighbour(stores, clock, FAST)
    await house.gateway.start()

    def has_looked() -> bool:
        clock.advance(0.02)
        return not refusing.left

    await eventually(has_looked)
    assert house.gateway.life.ailment() is None
    await house.gateway.stop()


class Leaders:
    """Says in turn what it was told to."""

    def __init__(self, answers: Sequence[int | Exception | None]) -> None:
        self.answers = list(answers)

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        answer = self.answers.pop(0) if self.answers else 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def resign(self, duty: str, holder: str) -> None:
        return


@pytest.mark.parametrize(("answers", "ends"), [([1, StoreError("the role may not do this")], False), ([1, None], True)])
async def test_only_another_secret_ends_an_agreement(
    answers: Sequence[int | Exception | None], ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskgate.runs.agreement.TERM_S", 0.01)
    leaders: Any = Leaders(answers)
    agreement = Agreement(leaders, "secret", refusal="another one")
    await agreement.start()
    await eventually(lambda: not leaders.answers)
    await asyncio.sleep(0.02)
    assert (agreement.tasks.ailment is not None) is ends
    await agreement.stop()


async def test_a_reading_that_a_store_refuses_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    readings = 0

    async def read() -> None:
        nonlocal readings
        readings += 1
        if readings == 1:
            raise InvalidInput("what stands cannot be read")

    rereader = Rereader(read, signals=MemorySignals(), topic="t", name="me", every_s=0.01, pause_s=0.001)
    await rereader.start()
    await eventually(lambda: readings > 1)
    assert rereader.tasks.ailment is None
    await rereader.stop()
