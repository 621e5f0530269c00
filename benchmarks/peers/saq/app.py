"""SAQ with fifty runs at once in one process."""

import os

from saq import Queue

queue = Queue.from_url(os.environ["BENCH_REDIS"])


async def noop(ctx, *, value):
    return value


settings = {"queue": queue, "functions": [noop], "concurrency": 50}
