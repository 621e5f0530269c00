"""The contract of `Signals`: messages of a topic reach all who subscribed, in order.

class TestMySignals(SignalsContract):
    @pytest.fixture
    async def signals(self): ...
"""

from __future__ import annotations

import asyncio
import random

from taskgate.runs.ports import Signals, Subscription

PATIENCE_S = 20.0


async def heard(subscription: Subscription, amount: int) -> list[bytes]:
    """The next messages."""
    async with asyncio.timeout(PATIENCE_S):
        return [await subscription.next() for _ in range(amount)]


class SharedSignalsContract:
    """Fixture: `twins`, the signals of two gateways, nobody listening."""

    async def test_both_gateways_hear_everything_in_order(self, twins: tuple[Signals, Signals]) -> None:
        """Of one publisher; what several publish at once has an order at each hearer alone."""
        one, other = twins
        here, there = one.subscribe("t"), other.subscribe("t")
        messages = [b"\x00" + random.randbytes(number) for number in range(200)]
        for message in messages:
            await one.publish("t", message)
        assert await heard(here, 200) == messages
        assert await heard(there, 200) == messages
        await other.publish("t", b"back")
        assert await heard(here, 1) == await heard(there, 1) == [b"back"]
        here.close()
        there.close()

    async def test_a_subscription_hears_others_from_when_it_is_made(self, twins: tuple[Signals, Signals]) -> None:
        """Nothing that another gateway publishes afterwards is missed, however soon."""
        one, other = twins
        for number in range(30):
            topic = f"topic {number}"
            subscription = other.subscribe(topic)
            await one.publish(topic, b"soon")
            assert await heard(subscription, 1) == [b"soon"]
            subscription.close()

    async def test_topics_of_two_gateways_are_apart(self, twins: tuple[Signals, Signals]) -> None:
        one, other = twins
        subscription = other.subscribe("two")
        for topic in ("one", "two.more", "tw", "two"):
            await one.publish(topic, topic.encode())
        assert await heard(subscription, 1) == [b"two"]
        subscription.close()


class SignalsContract:
    """Fixture: `signals`, nobody listening."""

    async def test_everybody_hears_everything_in_order(self, signals: Signals) -> None:
        one, two = signals.subscribe("t"), signals.subscribe("t")
        messages = [random.randbytes(number) for number in range(1, 51)]
        for message in messages:
            await signals.publish("t", message)
        assert await heard(one, 50) == messages
        assert await heard(two, 50) == messages
        one.close()
        two.close()

    async def test_topics_are_apart(self, signals: Signals) -> None:
        one, two = signals.subscribe("one"), signals.subscribe("two")
        await signals.publish("two", b"2")
        await signals.publish("one", b"1")
        await signals.publish("nobody", b"3")
        assert await heard(one, 1) == [b"1"]
        assert await heard(two, 1) == [b"2"]
        one.close()
        two.close()

    async def test_a_subscription_begins_when_it_is_made(self, signals: Signals) -> None:
        await signals.publish("t", b"early")
        subscription = signals.subscribe("t")
        await signals.publish("t", b"late")
        assert await heard(subscription, 1) == [b"late"]
        subscription.close()

    async def test_who_waits_is_woken(self, signals: Signals) -> None:
        subscription = signals.subscribe("t")
        waiting = asyncio.ensure_future(heard(subscription, 2))
        await asyncio.sleep(0)
        await signals.publish("t", b"1")
        await signals.publish("t", b"2")
        assert await waiting == [b"1", b"2"]
        subscription.close()

    async def test_a_cancelled_wait_loses_nothing(self, signals: Signals) -> None:
        subscription = signals.subscribe("t")
        waiting = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await signals.publish("t", b"1")
        assert await heard(subscription, 1) == [b"1"]
        subscription.close()

    async def test_a_closed_subscription_disturbs_nobody(self, signals: Signals) -> None:
        closed, other = signals.subscribe("t"), signals.subscribe("t")
        closed.close()
        closed.close()
        await signals.publish("t", b"1")
        assert await heard(other, 1) == [b"1"]
        other.close()
        again = signals.subscribe("t")
        await signals.publish("t", b"2")
        assert await heard(again, 1) == [b"2"]
        again.close()
