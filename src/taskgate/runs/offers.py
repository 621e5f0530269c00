"""From a leased run to the message that offers it to a worker.

What a worker is told about a run is decided here alone. The input is never parsed on its way, and of the tenant only
what is known is named.
"""

from __future__ import annotations

import msgspec

from taskgate.runs.definitions import Definitions
from taskgate.runs.run import Run
from taskgate.trace import below, span_of
from taskgate.wire.messages import Task


def offer_of(run: Run, definitions: Definitions, *, offer_s: float) -> Task:
    """The offer of a run under lease; its input travels as the bytes that were submitted."""
    tenant = {"site_id": run.tenant.site_id}
    if run.tenant.user_id:
        tenant["user_id"] = run.tenant.user_id
    if run.tenant.app_id:
        tenant["app_id"] = run.tenant.app_id
    known = definitions.digests.met(run.definition)
    return Task(
        run_id=run.id,
        tracking_id=run.id,
        attempt=run.attempt,
        lease_token=run.lease.token if run.lease is not None else "",
        capability=run.task,
        payload=msgspec.Raw(run.input),
        version=run.version,
        timeout_s=timeout_of(run, definitions),
        memory_bytes=known.definition.limits.memory_bytes if known is not None else None,
        offer_s=offer_s,
        tries=run.tries,
        labels=dict(run.labels),
        tenant=tenant,
        traceparent=below(run.traceparent, span_of(run.id, str(run.attempt))),
        priority=run.priority,
    )


def timeout_of(run: Run, definitions: Definitions) -> float | None:
    """The start-to-close limit of the run's present target: the caller's own, else the target's; None = none."""
    if run.timeout_s is not None:
        return run.timeout_s
    known = definitions.digests.met(run.definition)
    return known.chain[run.chain_position].timeout_s if known is not None else None
