"""Celery with Redis as broker and as result backend, JSON both ways, no events."""

import os

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"] + "/0", backend=os.environ["BENCH_REDIS"] + "/1")
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    result_expires=600,
)


@app.task(name="noop")
def noop(value):
    return value
