"""Settings of the bridges.

Which outside systems hand work to this gateway, and on whose behalf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from taskgate.secret import Url

Seconds = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsSettings:
    """A scheduler of its own that writes tasks to Redis Streams and reads their results from there.

    url: the scheduler's Redis, redis://USER:PASSWORD@HOST:PORT/DB or rediss://. Default none: no bridge.
    namespace: beginning of the scheduler's keys. Default antcode.
    workers: whose ready streams are read (`NAMESPACE:task:ready:WORKER`). Default *: all that there are or will be.
    task: the task that an entry without a field `task` becomes a run of. Default scheduler.run.
    site_id: the tenant of these runs. Default default.
    patience_s: seconds for which an entry of an unknown task waits for somebody to declare it; then it is a dead
        letter. Default 300.
    claim_idle_s: seconds after which entries that another consumer of the group read and never acknowledged are taken
        over. Default 60.
    max_open: most runs of this bridge that are open at a time; more entries stay in their streams. Default 10000.
    sweep_s: seconds between two looks for ended runs whose results are not back yet. Default 2.
    keep_s: seconds that logs and dead letters stay in Redis. Default 604800 (7 days).
    """

    url: Url = field(default=Url(""))
    namespace: str = "antcode"
    workers: tuple[str, ...] = ("*",)
    task: str = "scheduler.run"
    site_id: str = "default"
    patience_s: Seconds = 300.0
    claim_idle_s: Seconds = 60.0
    max_open: Annotated[int, Meta(ge=1)] = 10_000
    sweep_s: Seconds = 2.0
    keep_s: Seconds = 604_800.0
