"""F27: hellos are judged a few at a time, in the order in which they came; who would wait too long comes later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from taskgate.edge.workers.lobby import CROWDED, Lobby
from taskgate.errors import Unavailable
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, open_doors


async def test_so_many_at_a_time_and_first_come_first_served() -> None:
    lobby, inside, order = Lobby(places=3, patience_s=10.0), 0, list[int]()

    async def come(number: int) -> None:
        nonlocal inside
        async with lobby.place():
            inside += 1
            order.append(number)
            assert inside <= 3
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(come(number) for number in range(200)))
    assert order == list(range(200))
    assert lobby.waiting_count == 0


async def test_who_leaves_the_queue_takes_no_place_with_him() -> None:
    lobby = Lobby(places=1, patience_s=10.0)

    async def come() -> None:
        async with lobby.place():
            await asyncio.sleep(0.001)

    for after in range(6):
        tasks = [asyncio.create_task(come()) for _ in range(20)]
        for _ in range(after):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        await come()
    assert lobby.waiting_count == 0


async def test_who_waits_too_long_is_told_to_come_later_and_the_others_go_on() -> None:
    lobby = Lobby(places=1, patience_s=0.05)
    async with lobby.place():
        crowd = await asyncio.gather(*(lobby.place().__aenter__() for _ in range(5)), return_exceptions=True)
    for error in crowd:
        assert isinstance(error, Unavailable)
        assert (error.code, error.retry_after_s >= 1.0) == (CROWDED, True)
    assert (lobby.waiting_count, lobby.turned_away_count) == (0, 5)
    async with lobby.place():
        pass


async def test_f27_who_is_turned_away_comes_back_at_the_pace_at_which_hellos_are_judged() -> None:
    """Ten were judged in the second that the others waited, so the last of them needs six."""
    lobby, holds = Lobby(places=1, patience_s=1.0), asyncio.Event()

    async def come(*, stays: bool) -> float:
        try:
            async with lobby.place():
                if stays:
                    await holds.wait()
        except Unavailable as crowded:
            return crowded.retry_after_s
        return 0.0

    async with asyncio.TaskGroup() as group:
        async with lobby.place():
            quick = [group.create_task(come(stays=False)) for _ in range(9)]
            slow = group.create_task(come(stays=True))
            behind = [group.create_task(come(stays=False)) for _ in range(60)]
            await asyncio.sleep(0)
            assert lobby.waiting_count == 70
        told = [await one for one in behind]
        holds.set()
    assert [one.result() for one in (*quick, slow)] == [0.0] * 10
    assert told == [pytest.approx(max(left / 10, 1.0)) for left in range(59, -1, -1)]
    assert lobby.waiting_count == 0


async def test_a_worker_at_a_crowded_door_hears_when_to_come_back(tmp_path: Path, door: str) -> None:
    async with open_doors(tmp_path, link={"arrivals": 1, "arrival_wait_s": 0.05}) as doors:
        async with doors.server.gateway.worker_rooms.lobby.place():
            worker = await doors.dial(door)
            await worker.wire.say(m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["echo"]))
            drain: m.Drain = await worker.until(m.Drain)
            assert (drain.reconnect, drain.delay_s >= 1.0) == (True, True)
            assert await worker.wire.status() == grpc.StatusCode.UNAVAILABLE.value[0]
            await worker.wire.close()
        later = await doors.dial(door)
        assert (await later.hello()).worker_id == "w1"
        await later.wire.close()


async def test_a_registration_at_a_crowded_door_is_unavailable_with_a_hint(tmp_path: Path) -> None:
    async with (
        open_doors(tmp_path, link={"arrivals": 1, "arrival_wait_s": 0.05}) as doors,
        doors.server.gateway.worker_rooms.lobby.place(),
    ):
        assert await _refused(doors) == (grpc.StatusCode.UNAVAILABLE, True)


async def _refused(doors: Doors) -> tuple[grpc.StatusCode, bool]:
    from taskgate.wire import gateway_pb2 as pb

    hello = pb.Hello(worker_id="p1", instance="i1", versions=[1], capabilities=["echo"])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await doors.call("Register", hello.SerializeToString())
    trailers = dict(refused.value.trailing_metadata() or ())
    return refused.value.code(), int(trailers["retry-after-ms"]) >= 1000
