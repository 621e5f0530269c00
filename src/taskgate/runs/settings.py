"""Settings of the runs room.

The gateway, its sweeps and the worker's heartbeats take their times from here; `renew_below`, `heartbeat_s` and
`lease_s` must fit each other (docs/decisions/renewal-threshold.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How runs are accepted, leased, retried and kept.

    max_input_bytes: largest inline input, bytes. Default 786432 (768 KiB). Above it 413 INPUT_TOO_LARGE.
    max_output_bytes: largest inline output, bytes. Default 786432. Above it the run fails OUTPUT_TOO_LARGE.
    offer_s: seconds that an unaccepted offer is held for its worker. Default 5.
    lease_s: seconds that an accepted lease lasts without renewal. Default 30.
    heartbeat_s: seconds between a worker's heartbeats. Default 10.
    renew_below: a held lease is renewed once less than this fraction of `lease_s` is left. Default 0.75.
    accept_flush_s: seconds that accepts and renewals are gathered before they are written together. Default 0.25.
    deadline_s: total seconds a run may take when neither caller nor task says so. Default 0 (no limit).
    keep_ended_s: seconds that an ended run and its idempotency key are kept, at least 86400 (24 h).
        Default 604800 (7 days); 0 keeps for ever.
    sweep_s: seconds between two looks for expired leases and due timers. Default 1.
    reconcile_s: seconds between two checks that every queued run is in the ready queue. Default 30.
    leader_term_s: seconds after which another gateway takes over the duties of one that fell silent. Default 15.
    """

    max_input_bytes: int = 768 << 10
    max_output_bytes: int = 768 << 10
    offer_s: float = 5.0
    lease_s: float = 30.0
    heartbeat_s: float = 10.0
    renew_below: float = 0.75
    accept_flush_s: float = 0.25
    deadline_s: float = 0.0
    keep_ended_s: float = 604_800.0
    sweep_s: float = 1.0
    reconcile_s: float = 30.0
    leader_term_s: Annotated[float, Meta(gt=0)] = 15.0
