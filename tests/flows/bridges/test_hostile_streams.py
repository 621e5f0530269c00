"""What whoever may write to the scheduler's Redis can put there: it ends neither a gateway nor anybody's work."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis as Client

from tests.flows.bridges.outside import READY, Outside, bridged, working


async def test_every_order_is_acknowledged_and_none_has_a_stream_written_for_it(
    outside: Outside, redis_url: str
) -> None:
    """Orders that mean nothing here do not come again, and a stream that an entry names for answers is left alone."""
    await outside.redis.xadd("victim", {"precious": "entry"})
    async with bridged(redis_url) as house, working(house):
        await outside.order("r1", reply_stream="victim")
        for kind in ("runtime_manage", "nobody knows this", "kill"):
            order = {"control_type": kind, "request_id": "q1", "reply_stream": "victim", "run_id": "elsewhere"}
            await outside.redis.xadd("antcode:control:w1", order)
        assert (await outside.until_results(1))[0]["status"] == "success"
        await outside.until(lambda: told(outside, "antcode:control:w1"))
    assert await outside.redis.xlen("victim") == 1
    assert await outside.redis.ttl("victim") == -1


async def told(outside: Outside, stream: str) -> bool:
    """Whether every order was read and acknowledged."""
    groups = await outside.redis.xinfo_groups(stream)
    if not groups:  # nobody has looked there yet
        return False
    (group,) = groups
    last = (await outside.redis.xinfo_stream(stream))["last-generated-id"]
    return (group["last-delivered-id"], group["pending"]) == (last, 0)


async def test_whoever_may_write_there_does_not_end_the_gateway(outside: Outside, redis_url: str) -> None:
    """Keys and values that nobody sane writes: what is no text, no id, no stream. Everybody else is served."""
    raw: Any = Client.from_url(redis_url, protocol=2)
    for family in (b"task:ready", b"control"):
        await raw.xadd(b"antcode:%b:\xff" % family, {"run_id": "r0"})
        await raw.set(b"antcode:%b:text" % family, "no stream")
    for what in (b"open", b"logs"):
        await raw.hset(b"antcode:taskgate:" + what, mapping={b"\xff": b"\xff", b"no\x00id": b"r0"})
    await raw.hset(b"antcode:taskgate:by_order", mapping={b"r8": b"\xff", b"r9": b"no\x00id"})
    await raw.aclose()
    async with bridged(redis_url) as house, working(house):
        for order_id in ("r8", "r9"):
            await outside.redis.xadd("antcode:control:w1", {"control_type": "cancel", "run_id": order_id})
        await outside.order("r1")
        assert [one["run_id"] for one in await outside.until_results(1)] == ["r1"]
        await outside.until(lambda: told(outside, "antcode:control:w1"))
        assert house.gateway.life.ailment() is None


async def test_poison_goes_to_the_dead_letters_with_its_reason(outside: Outside, redis_url: str) -> None:
    await outside.redis.xadd(READY, {"params": "{}"})
    await outside.order("bad", params="{")
    await outside.redis.xadd(READY, {b"run_id": b"r", b"params": b"\xff\xfe"})
    await outside.order("good")
    await outside.redis.xadd(READY, {f"field{n}": "x" for n in range(5000)})
    async with bridged(redis_url) as house, working(house):
        await outside.until_results(1)
        await outside.until(outside.is_drained)
        raw: Any = Client.from_url(redis_url, protocol=2)
        letters = [fields for _, fields in await raw.xrange(f"{READY}:dead_letter")]
        await raw.aclose()
        codes = [letter[b"_reason_code"] for letter in letters]
        assert codes == [b"NO_RUN_ID", b"NOT_JSON", b"NOT_TEXT", b"NO_RUN_ID"]
        assert (letters[1][b"run_id"], letters[1][b"_original_stream"]) == (b"bad", READY.encode())
        assert [told["run_id"] for told in await outside.results()] == ["good"]


async def test_orders_are_heard_again_when_their_stream_was_deleted(outside: Outside, redis_url: str) -> None:
    """Whoever tidies the scheduler's Redis takes the bridge's group with the stream: it joins what comes after."""
    stream = "antcode:control:global"
    async with bridged(redis_url) as house, working(house):
        for _ in range(2):
            await outside.redis.xadd(stream, {"control_type": "kill", "run_id": "elsewhere"})
            await outside.until(lambda: told(outside, stream))
            await outside.redis.delete(stream)


async def test_a_dead_letter_that_is_put_back_whole_tells_why_it_was_refused_now(
    outside: Outside, redis_url: str
) -> None:
    """Somebody mends half of it: the next reason is not hidden behind the first, which came with its fields."""
    await outside.redis.xadd(READY, {"params": "{", "_reason_code": "OLD", "_original_stream": "elsewhere"})
    async with bridged(redis_url) as house, working(house):
        await outside.until(outside.is_drained)
        ((_, letter),) = await outside.redis.xrange(f"{READY}:dead_letter")
        assert (letter["_reason_code"], letter["_original_stream"]) == ("NO_RUN_ID", READY)
