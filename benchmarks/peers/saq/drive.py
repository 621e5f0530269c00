"""Jobs are enqueued and refreshed until complete: `queue.apply` waits a whole second between two looks."""

import asyncio

import uvloop
from app import queue
from loop import PAYLOAD, drive_async


async def done(job, poll_s):
    await job.refresh()
    while job.status not in ("complete", "failed", "aborted"):
        await asyncio.sleep(poll_s)
        await job.refresh()
    return job.result


async def main():
    await queue.connect()
    await drive_async(
        lambda: queue.enqueue("noop", value=PAYLOAD),
        lambda job: done(job, 0.001),
        collect=lambda job: done(job, 0.02),
    )
    await queue.disconnect()


uvloop.run(main())
