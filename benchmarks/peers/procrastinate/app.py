"""Procrastinate over PostgreSQL."""

import os

import procrastinate

connector = procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"], min_size=4, max_size=20)
app = procrastinate.App(connector=connector)


@app.task(name="noop", queue="bench")
async def noop(value):
    return value
