"""Fifty submitters at once; results are polled for, every millisecond for one and every twenty for many."""

import uvloop
from app import broker, noop
from loop import PAYLOAD, drive_async


async def value_of(task, poll_s):
    return (await task.wait_result(check_interval=poll_s, timeout=60)).return_value


async def main():
    await broker.startup()
    await drive_async(
        lambda: noop.kiq(PAYLOAD),
        lambda task: value_of(task, 0.001),
        collect=lambda task: value_of(task, 0.02),
    )
    await broker.shutdown()


uvloop.run(main())
