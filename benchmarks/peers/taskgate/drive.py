"""The blocking client of the SDK: bulk in batches of 1,000, all results collected; round trips by `call`."""

from itertools import repeat
from typing import Any

from loop import PAYLOAD, drive, now

from taskgate import Client

client = Client()


def bulk(count: int) -> tuple[float, list[Any]]:
    begun = now()
    runs = [verdict.accepted for verdict in client.submit_many("noop", repeat(PAYLOAD, count))]
    submit_s = now() - begun
    ended = client.wait_many([run for run in runs if run is not None], timeout_s=100)
    return submit_s, [run.output() for run in ended]


drive(
    lambda: client.submit("noop", PAYLOAD),
    lambda run: run.output(timeout_s=60),
    once=lambda: client.call("noop", PAYLOAD, wait_s=60),
    bulk=bulk,
)
