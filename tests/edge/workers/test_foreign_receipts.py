"""INV-F1, S36: every frame that names an attempt is judged the same way, at both doors and by unary calls.

The receipts that are tried: another worker's, another tenant's, one's own with a forged token, and one's own of an
attempt that has ended. The two first are good receipts in the wrong hands. None of them moves, renews, writes or ends
anything; and who tries them is not cut off, so that what he says of his own run still counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import msgspec
import pytest
from msgspec.structs import replace

from taskgate.runs.run import Run
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, Worker, receipt_of
from tests.edge.workers.stranger import Contract, Stranger
from tests.edge.workers.test_grpc_errands import refusal

FORGED = "forged"
CASES = pytest.mark.parametrize("whose", ["another worker's", "another tenant's", "forged token", "ended attempt"])
KINDS: dict[str, Callable[[m.Receipt], m.WorkerMessage]] = {
    "accept": lambda r: m.Accept(**named(r)),
    "heartbeat": lambda r: m.Heartbeat(nonce="beat", held=[r]),
    "log": lambda r: m.Log(**named(r), lines=[m.LogLine(seq=901, text=FORGED)]),
    "progress": lambda r: m.Progress(**named(r), seq=901, fraction=0.9, text=FORGED),
    "refuse": lambda r: m.Refuse(**named(r), reason="unknown_task"),
    "stopped": lambda r: m.Stopped(**named(r)),
    "result": lambda r: m.TaskResult(**named(r), result=msgspec.Raw(b'"forged"')),
}


def named(receipt: m.Receipt) -> dict[str, Any]:
    return {"run_id": receipt.run_id, "attempt": receipt.attempt, "lease_token": receipt.lease_token}


class Scene:
    """w1 has a run of acme; w2 has one of its own and shows a receipt that is not good in its hands."""

    def __init__(
        self, doors: Doors, owner: Worker, theirs: m.Task, thief: Worker, own: m.Task, shown: m.Receipt
    ) -> None:
        self.doors = doors
        self.owner = owner
        self.theirs = theirs
        self.thief = thief
        self.own = own
        self.shown = shown
        self.victim = shown.run_id
        self._seq = 0

    async def settle(self) -> None:
        """What the thief said before was worked off: a line of his own is durable, two results are answered."""
        self._seq += 1
        receipt = receipt_of(self.own)
        await self.thief.wire.say(m.Log(**named(receipt), lines=[m.LogLine(seq=self._seq, text="mine")]))
        await self.thief.until(m.LogAck, fits=lambda ack: ack.run_id == self.own.run_id and ack.seq == self._seq)
        for _ in range(2):
            bogus = replace(receipt, attempt=99)
            await self.thief.wire.say(m.TaskResult(**named(bogus)))
            await self.thief.until(m.Ack, fits=lambda ack: ack.attempt == 99)

    async def state(self) -> tuple[Run, float, list[str]]:
        """What of the victim a frame could change: the run, the end of its lease here, its journal.

        That nothing is left of what has ended its own worker may say as often as it likes.
        """
        held = self.doors.server.gateway.moves.leases.of_run(self.victim)
        page = await self.doors.server.gateway.journal.read(self.victim, after=0, limit=1000)
        texts = [entry.text for entry in page if entry.text == FORGED]
        run = await self.doors.run(self.victim)
        ends_at = 0.0 if held is None else held.expires_at
        return (run if run.is_open else replace(run, stopped_at=None)), ends_at, texts


async def begun(doors: Doors, worker: Worker, site: str) -> m.Task:
    run_id = await doors.submit(site=site)
    task = await worker.begin()
    assert task.run_id == run_id
    await doors.run_when(run_id, lambda run: run.lease is not None and run.lease.accepted)
    return task


async def scene(doors: Doors, door: str, whose: str) -> Scene:
    """Both keys are of one site alone, and no worker's by name: what counts is whose the lease is."""
    site = "other" if whose == "another tenant's" else "acme"
    owner = await doors.dial(door, "w1", key=await doors.house.key("worker", site="acme", name="owner"))
    await owner.hello("w1", credit=1)
    theirs = await begun(doors, owner, "acme")
    thief = await doors.dial(door, "w2", key=await doors.house.key("worker", site=site, name="thief"))
    await thief.hello("w2", credit=2)
    own = await begun(doors, thief, site)
    shown = receipt_of(theirs)
    if whose == "forged token":
        shown = replace(receipt_of(await begun(doors, thief, site)), lease_token=shown.lease_token)
    elif whose == "ended attempt":
        ended = await begun(doors, thief, site)
        assert (await thief.finish(ended, "mine")).verdict == "applied"
        shown = receipt_of(ended)
    return Scene(doors, owner, theirs, thief, own, shown)


@CASES
async def test_inv_f1_a_receipt_that_is_not_good_in_these_hands_does_nothing(
    doors: Doors, door: str, whose: str
) -> None:
    at = await scene(doors, door, whose)
    before = await at.state()
    for kind, said in KINDS.items():
        await at.thief.wire.say(said(at.shown))
        if kind == "heartbeat":
            fits: Callable[[m.HeartbeatAck], bool] = lambda ack: bool(ack.renewed or ack.stop)  # noqa: E731
            ack = await at.thief.until(m.HeartbeatAck, fits=fits)
            assert ([r.run_id for r in ack.renewed], [r.run_id for r in ack.stop]) == ([], [at.victim])
        if kind == "result":
            told = await at.thief.until(m.Ack, fits=lambda ack: ack.run_id == at.victim)
            assert told.verdict == "stale"
        await at.settle()
        assert await at.state() == before, kind
    assert (await at.thief.finish(at.own, "mine")).verdict == "applied", "his own run goes on"
    if whose.startswith("another"):
        assert (await at.owner.finish(at.theirs, "good")).verdict == "applied"


@CASES
async def test_inv_f1_hello_and_goodbye_of_a_receipt_that_is_not_good_in_these_hands(
    doors: Doors, door: str, whose: str
) -> None:
    """What hello names and does not get cannot be spoken for afterwards, nor given up by leaving."""
    at = await scene(doors, door, whose)
    before = await at.state()
    await at.thief.wire.close()
    site = "other" if whose == "another tenant's" else "acme"
    again = await doors.dial(door, "w3", key=await doors.house.key("worker", site=site, name="thief again"))
    welcome = await again.hello("w3", credit=0, held=[at.shown])
    assert [receipt.run_id for receipt in welcome.lost] == [at.victim]
    for said in KINDS.values():
        await again.wire.say(said(at.shown))
    await again.wire.say(m.Bye(reason="done"))
    assert await again.wire.status() == 0
    assert await at.state() == before


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return Contract(tmp_path_factory.mktemp("contract"))


@CASES
async def test_s36_unary_calls_judge_a_receipt_as_links_do(doors: Doors, contract: Contract, whose: str) -> None:
    """Another's is refused aloud; what is one's own and not good is lost."""
    at = await scene(doors, "websocket", whose)
    before = await at.state()
    mine = whose in ("forged token", "ended attempt")
    site = "other" if whose == "another tenant's" else "acme"
    key = await doors.house.key("worker", site=site, name="caller")
    caller = Stranger(contract, doors.channel, key, "w4")
    receipt = contract.Receipt(**named(at.shown))
    if mine:  # as its own worker, which is at none of the doors just now
        await at.thief.wire.close()
        await doors.until(lambda: doors.server.gateway.fleet.find("w2") is None)
        caller.worker_id = "w2"
    denied, stale = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.ABORTED
    result = contract.TaskResult(**named(at.shown), result=b'"forged"')
    lines = [contract.Log(**named(at.shown), stream="stdout", lines=[contract.LogLine(seq=901, text=FORGED)])]
    wanted = (stale, "STALE_ATTEMPT") if mine else (denied, "WRONG_WORKER")
    assert await refusal(caller.call("Report", result=result)) == wanted
    assert await refusal(caller.append(lines, named=True)) == wanted
    beat = caller.call("Heartbeat", heartbeat=contract.Heartbeat(held=[receipt]))
    poll = caller.call("Poll", held=[receipt], capabilities=["demo.echo"], wait_s=0.0)
    for name, call in (("Heartbeat", beat), ("Poll", poll)):
        if mine:
            answer = await call
            assert ([r.run_id for r in answer.stop], list(answer.renewed)) == ([at.victim], []), name
        else:
            assert await refusal(call) == (denied, "WRONG_WORKER"), name
        if name == "Heartbeat" or not mine:  # who polls without naming a run of its own gives it up
            assert await at.state() == before, name
