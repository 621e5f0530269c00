"""The blocking client of the SDK: bulk in batches of 1,000, all results collected; round trips by `call`."""

import time
from itertools import repeat
from typing import Any

from loop import PAYLOAD, drive, now

from taskgate import Client

HELLO_S = 30.0
client = Client()


def wait_for_worker() -> None:
    """Until the worker's hello has made the task known."""
    deadline = now() + HELLO_S
    while all(task.name != "noop" for task in client.tasks.all()):
        if now() > deadline:
            raise SystemExit(f"no worker said hello in {HELLO_S:.0f} s")
        time.sleep(0.02)


def bulk(count: int) -> tuple[float, list[Any]]:
    """Submit everything, then collect every result."""
    begun = now()
    runs = [verdict.accepted for verdict in client.submit_many("noop", repeat(PAYLOAD, count))]
    submit_s = now() - begun
    ended = client.wait_many([run for run in runs if run is not None], timeout_s=100)
    return submit_s, [run.output() for run in ended]


wait_for_worker()
drive(
    lambda: client.submit("noop", PAYLOAD),
    lambda run: run.output(timeout_s=60),
    once=lambda: client.call("noop", PAYLOAD, wait_s=60),
    bulk=bulk,
)
