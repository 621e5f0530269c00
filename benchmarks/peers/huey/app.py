"""Huey as its documentation sets it up: a Redis queue that keeps results."""

import os

from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"])


@huey.task()
def noop(value):
    return value
