"""Jobs are deferred in batches of 500. Procrastinate keeps no results: a job's status is what is waited for."""

import asyncio
import os

import psycopg
from app import app, noop
from loop import PAYLOAD, drive_async, now

STATUS = "select status from procrastinate_jobs where id = %s"
OPEN = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"


async def main():
    link = await psycopg.AsyncConnection.connect(os.environ["BENCH_POSTGRES"], autocommit=True)

    async def read(query, *values):
        return (await (await link.execute(query, values)).fetchone())[0]

    async def wait(job_id):
        while (status := await read(STATUS, job_id)) in ("todo", "doing"):  # noqa: ASYNC110 -- another process ends it
            await asyncio.sleep(0.001)
        return PAYLOAD if status == "succeeded" else status

    async def bulk(count):
        begun = now()
        for start in range(0, count, 500):
            await noop.batch_defer_async(*[{"value": PAYLOAD}] * min(500, count - start))
        submit_s = now() - begun
        while await read(OPEN):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        failed = await read("select count(*) from procrastinate_jobs where status <> 'succeeded'")
        return submit_s, [PAYLOAD] * (count - failed)

    async with app.open_async():
        await drive_async(lambda: noop.defer_async(value=PAYLOAD), wait, bulk=bulk)
    await link.close()


asyncio.run(main())
