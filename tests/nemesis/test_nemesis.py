"""The nemesis: real processes under load while their plan of faults is played, judged from outside (F1–F12, G-1..G-6).

`make test` plays one short round of a fixed plan. `make soak ARGS="-k nemesis"` plays long ones; the environment
says which: TASKGATE_TEST_SEED, TASKGATE_TEST_MINUTES, TASKGATE_TEST_KINDS (comma between), TASKGATE_TEST_RATE
(runs a second), TASKGATE_TEST_GAP (mean seconds between two faults). A failure prints seed and
plan, and the same seed plays the same plan again.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.nemesis.checking import broken
from tests.nemesis.plan import Fault, plan_of
from tests.nemesis.round import RATE, play, report

pytestmark = pytest.mark.system

SHORT = [
    Fault(at_s=0.5, action="gateway.kill", target="one", for_s=0.1),
    Fault(at_s=1.5, action="link.kill", target="w3", for_s=0.0),
    Fault(at_s=3.0, action="redis.empty", target="redis", for_s=0.0),
    Fault(at_s=3.5, action="wire.reset", target="two-postgres", for_s=0.0),
]


async def test_a_short_round(tmp_path: Path) -> None:
    evidence = await play(SHORT, tmp_path, seed=1, length_s=6.0, rate=30.0, workers=("w2", "w3"))
    assert len(evidence.rows) > 60
    assert broken(evidence) == []


@pytest.mark.soak
async def test_nemesis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("TASKGATE_TEST_SEED") or secrets.randbelow(10**6))
    length_s = 60.0 * float(os.environ.get("TASKGATE_TEST_MINUTES") or 10)
    kinds = [name for name in os.environ.get("TASKGATE_TEST_KINDS", "").split(",") if name]
    gap_s = float(os.environ.get("TASKGATE_TEST_GAP") or 4.0)
    rate = float(os.environ.get("TASKGATE_TEST_RATE") or RATE)
    plan = plan_of(seed, length_s, kinds=kinds, mean_gap_s=gap_s)
    told = "\n".join([f"seed {seed}, {length_s / 60:g} minutes, kinds {kinds or 'all'}", *map(str, plan)])
    with capsys.disabled():
        print(f"\n{told}", flush=True)
    evidence = await play(plan, tmp_path, seed=seed, length_s=length_s, rate=rate)
    found = report(evidence)
    with capsys.disabled():
        print(found, flush=True)
    assert not broken(evidence), f"{told}\n{found}\n{tmp_path}"
