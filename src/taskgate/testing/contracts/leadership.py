"""The contract of `Leadership`: one leader per duty, and an epoch that grows with every change (INV-F5).

Subclass it with fixtures `leadership` and `clock`.
"""

from __future__ import annotations

import asyncio

from taskgate.runs.ports import Leadership
from taskgate.testing.clock import ManualClock


class LeadershipContract:
    """Fixtures: `leadership`, in which nobody leads yet, and `clock`, a ManualClock that it was built with."""

    async def test_the_first_leads_and_stays(self, leadership: Leadership, clock: ManualClock) -> None:
        assert await leadership.campaign("janitor", "a", duration_s=10) == 1
        clock.advance(9)
        assert await leadership.campaign("janitor", "a", duration_s=10) == 1
        clock.advance(9)
        assert await leadership.campaign("janitor", "b", duration_s=10) is None

    async def test_a_reign_that_passed_goes_to_whoever_asks_first(
        self, leadership: Leadership, clock: ManualClock
    ) -> None:
        await leadership.campaign("janitor", "a", duration_s=10)
        clock.advance(9.999)
        assert await leadership.campaign("janitor", "b", duration_s=10) is None
        clock.advance(0.001)
        assert await leadership.campaign("janitor", "b", duration_s=10) == 2
        assert await leadership.campaign("janitor", "a", duration_s=10) is None
        clock.advance(10)
        assert await leadership.campaign("janitor", "a", duration_s=10) == 3

    async def test_nobody_else_led_meanwhile_so_the_epoch_stays(
        self, leadership: Leadership, clock: ManualClock
    ) -> None:
        await leadership.campaign("janitor", "a", duration_s=10)
        clock.advance(1000)
        assert await leadership.campaign("janitor", "a", duration_s=10) == 1

    async def test_who_resigns_makes_room_at_once(self, leadership: Leadership) -> None:
        await leadership.campaign("janitor", "a", duration_s=10)
        await leadership.resign("janitor", "b")
        assert await leadership.campaign("janitor", "b", duration_s=10) is None
        await leadership.resign("janitor", "a")
        await leadership.resign("janitor", "a")
        assert await leadership.campaign("janitor", "b", duration_s=10) == 2
        await leadership.resign("janitor", "b")
        assert await leadership.campaign("janitor", "b", duration_s=10) == 3

    async def test_duties_are_apart(self, leadership: Leadership) -> None:
        await leadership.resign("webhooks", "a")
        assert await leadership.campaign("janitor", "a", duration_s=10) == 1
        assert await leadership.campaign("webhooks", "b", duration_s=10) == 1

    async def test_of_many_who_campaign_at_once_one_leads(self, leadership: Leadership) -> None:
        epochs = await asyncio.gather(
            *(leadership.campaign("janitor", f"holder-{n}", duration_s=10) for n in range(20))
        )
        assert sorted(epoch or 0 for epoch in epochs) == [0] * 19 + [1]
