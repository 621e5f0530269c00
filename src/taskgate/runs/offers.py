"""From a leased run to the message that offers it to a worker."""

from __future__ import annotations

import msgspec

from taskgate.runs.run import Run
from taskgate.runs.settings import RunSettings
from taskgate.wire.messages import Task


def offer_of(run: Run, *, timeout_s: float | None, memory_bytes: int | None, settings: RunSettings) -> Task:
    """The offer of a run under lease; its input travels as the bytes that were submitted."""
    tenant = {"site_id": run.tenant.site_id}
    if run.tenant.user_id:
        tenant["user_id"] = run.tenant.user_id
    if run.tenant.app_id:
        tenant["app_id"] = run.tenant.app_id
    return Task(
        run_id=run.id,
        tracking_id=run.id,
        attempt=run.attempt,
        lease_token=run.lease.token if run.lease is not None else "",
        capability=run.task,
        payload=msgspec.Raw(run.input),
        version=run.version,
        timeout_s=timeout_s,
        memory_bytes=memory_bytes,
        offer_s=settings.offer_s,
        tries=run.tries,
        labels=dict(run.labels),
        tenant=tenant,
        traceparent=run.traceparent,
    )
