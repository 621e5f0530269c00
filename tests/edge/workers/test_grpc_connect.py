"""`Connect` as somebody speaks it who has the .proto file alone, and connections that never make a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from taskgate.runs.run import Status
from tests.edge.http.house import ECHO
from tests.edge.workers.doors import Doors, open_doors
from tests.edge.workers.stranger import PATIENCE_S, Contract, Stranger
from tests.security import http2 as h2

IDLE_S = 1.0
POLL = "/taskgate.v1.GatewayService/Poll"


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return Contract(tmp_path_factory.mktemp("contract"))


class Stream:
    """One conversation, message by message."""

    def __init__(self, stranger: Stranger, call: Any) -> None:
        self.contract = stranger.contract
        self.call = call
        self._heard: list[Any] = []

    async def say(self, kind: str, **fields: Any) -> None:
        """One message in a frame of its own."""
        name = "".join(part.title() for part in kind.split("_"))
        message = self.contract.WorkerMessage(**{kind: getattr(self.contract, name)(**fields)})
        await self.call.write(self.contract.WorkerFrame(messages=[message]))

    async def hear(self, kind: str) -> Any:
        """The next message of this kind; whatever else came stays for later."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self._heard:
                    if message.WhichOneof("kind") == kind:
                        self._heard.remove(message)
                        return getattr(message, kind)
                frame = await self.call.read()
                assert frame is not grpc.aio.EOF, f"ended before {kind}"
                self._heard += frame.messages

    async def beat(self, nonce: str) -> Any:
        """The first echo of this nonce; leases that were renewed are told in another one."""
        while (told := await self.hear("heartbeat_ack")).nonce != nonce:
            pass
        return told

    def has_heard(self, kind: str) -> bool:
        return any(message.WhichOneof("kind") == kind for message in self._heard)


@asynccontextmanager
async def connected(doors: Doors, contract: Contract) -> AsyncIterator[Stream]:
    """A stream that has said hello and was welcomed."""
    stranger = Stranger(contract, doors.channel, doors.worker_key)
    stream = Stream(stranger, stranger.stub("Connect")(metadata=stranger.metadata))
    offers = [contract.TaskOffer(name=ECHO.name)]
    await stream.say("hello", worker_id="s1", instance="i1", versions=[1], slots=2, tasks=offers)
    welcome = await stream.hear("welcome")
    assert (welcome.worker_id, welcome.heartbeat_s > 0, dict(welcome.refused)) == ("s1", True, {})
    yield stream
    stream.call.cancel()


async def test_a_stranger_works_over_a_stream(doors: Doors, contract: Contract) -> None:
    """Hello, credit, task, accept, log, heartbeat, result and its repetition, drain, bye."""
    async with connected(doors, contract) as stream:
        run_id = await doors.submit(n=7)
        await stream.say("ready", credit=1)
        task = await stream.hear("task")
        assert (task.run_id, task.payload) == (run_id, b'{"n": 7}')
        lease: dict[str, Any] = {"run_id": run_id, "attempt": task.attempt, "lease_token": task.lease_token}
        await stream.say("accept", **lease)
        run = await doors.run_when(run_id, lambda run: run.tries == 1)
        assert (run.status, run.tries) == (Status.RUNNING, 1)
        await stream.say("log", **lease, stream="stdout", lines=[contract.LogLine(seq=1, text="hello")])
        durable = await stream.hear("log_ack")
        assert (durable.run_id, durable.attempt, durable.seq) == (run_id, task.attempt, 1)
        await stream.say("heartbeat", nonce="n1", held=[contract.Receipt(**lease)])
        assert not (await stream.beat("n1")).stop
        result: dict[str, Any] = {**lease, "result": b'{"n":70}', "log_count": 1}
        await stream.say("task_result", **result)
        assert (await stream.hear("ack")).verdict == "applied"
        await stream.say("task_result", **result)
        assert (await stream.hear("ack")).verdict == "replayed"
        run = await doors.run(run_id)
        assert (run.status, run.output) == (Status.SUCCEEDED, b'{"n":70}')
        await doors.submit(n=8)
        await stream.say("heartbeat", nonce="n2")
        await stream.beat("n2")
        assert not stream.has_heard("task")  # without credit nothing comes
        holder = doors.server.gateway.fleet.find("s1")
        assert holder is not None
        holder.seat.drain(reason="later", reconnect=True, delay_s=2.5)
        drain = await stream.hear("drain")
        assert (drain.reason, drain.reconnect, drain.delay_s) == ("later", True, 2.5)
        await stream.say("bye", reason="done", drained=True)
        assert await stream.call.read() is grpc.aio.EOF
        assert await stream.call.code() is grpc.StatusCode.OK
        await doors.until(lambda: doors.server.gateway.fleet.find("s1") is None)


async def test_a_cancel_reaches_a_stranger_and_a_stale_result_changes_nothing(doors: Doors, contract: Contract) -> None:
    async with connected(doors, contract) as stream:
        run_id = await doors.submit()
        await stream.say("ready", credit=1)
        task = await stream.hear("task")
        lease: dict[str, Any] = {"run_id": run_id, "attempt": task.attempt, "lease_token": task.lease_token}
        await stream.say("accept", **lease)
        key = await doors.house.key("submit", "read")
        assert (await doors.house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)).status == 200
        assert (await stream.hear("cancel")).run_id == run_id
        await stream.say("task_result", **lease, result=b'{"n":1}')
        assert (await stream.hear("ack")).verdict == "stale"
        assert (await doors.run(run_id)).status is Status.CANCELLED


async def test_s28_a_connection_that_makes_no_call_is_ended_and_one_that_works_is_not(
    tmp_path: Path, contract: Contract
) -> None:
    """Nothing at all; a preface and no more; a header block that never ends."""
    async with open_doors(tmp_path, grpc={"idle_s": IDLE_S}) as doors, connected(doors, contract) as stream:
        port = doors.server.grpc_port
        heard, mute = await asyncio.open_connection("127.0.0.1", port)
        with h2.Line(port) as quiet, h2.Line(port) as endless:
            endless.say(h2.frame(h2.HEADERS, stream=1, body=h2.call(POLL)))
            endless.say(h2.frame(h2.CONTINUATION, stream=1, body=h2.literal(b"x", b"y" * 1_000)))
            for line in (quiet, endless):
                assert await asyncio.to_thread(line.is_ended, PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            while await heard.read(4096):
                pass
        mute.close()
        await stream.say("heartbeat", nonce="still here")
        assert (await stream.hear("heartbeat_ack")).nonce == "still here"
