"""Taskiq over Redis streams (the broker that acknowledges), results in Redis."""

import os

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

results = RedisAsyncResultBackend(os.environ["BENCH_REDIS"], result_ex_time=600)
broker = RedisStreamBroker(os.environ["BENCH_REDIS"]).with_result_backend(results)


@broker.task(task_name="noop")
async def noop(value: dict) -> dict:
    return value
