"""F16: the clock of a gateway's host is wrong, and no run is timed out, delayed or purged by it."""

from __future__ import annotations

import time

import pytest

from taskgate.assembly import build
from taskgate.clock import SystemClock
from taskgate.config import Settings
from taskgate.runs.intake import Accepted, Submission
from taskgate.runs.run import Status
from taskgate.runs.settings import RunSettings
from taskgate.runs.task import TaskDefinition
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from tests.flows.runs.house import ADMIN

HOUR_S = 3600.0
MOMENT_S = 5.0


class WrongClock(SystemClock):
    """A host whose wall clock somebody has set."""

    def __init__(self, off_s: float) -> None:
        self.off_s = off_s

    def now(self) -> float:
        return time.time() + self.off_s


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S])
async def test_f16_a_host_an_hour_off_times_out_nothing_and_delays_nothing(postgres_url: str, off_s: float) -> None:
    clock = WrongClock(off_s)
    runs = RunSettings(sweep_s=HOUR_S, reconcile_s=HOUR_S, keep_ended_s=86_400.0)
    gateway = build(Settings(database=DatabaseSettings(url=Url(postgres_url)), runs=runs), clock=clock)
    await gateway.start()
    try:
        await gateway.declarations.declare(ADMIN, TaskDefinition(name="t"))
        asked = [
            Submission(task="t", input=b"1", deadline_s=600.0),
            Submission(task="t", input=b"2", delay_s=600.0),
        ]
        verdicts = await gateway.intake.submit(ADMIN, asked)
        open_runs = [verdict.run for verdict in verdicts if isinstance(verdict, Accepted)]
        clock.off_s = -off_s  # a step in the middle of its life
        assert abs(gateway.clock.now() - time.time()) < MOMENT_S
        assert await gateway.moves.janitor.sweep() == 0
        for run, status in zip(open_runs, (Status.QUEUED, Status.SCHEDULED), strict=True):
            stands = await gateway.desk.get(ADMIN, run.id)
            assert stands.status is status
            assert abs(stands.created_at - time.time()) < 60.0
        at = open_runs[1].due_at
        assert at is not None
        assert abs(at - time.time() - 600.0) < 60.0
    finally:
        await gateway.stop()
