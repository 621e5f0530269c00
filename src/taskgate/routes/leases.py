"""Which registered services are away, judged from their leases alone. Pure: it is given monotonic seconds.

A lease that was not renewed in time has lapsed, and its service is away until it renews. But when many lapse at once
it is rarely the services that died: a switch or this gateway was cut off, and dropping them would turn a pause into
an outage. So while more than `keep_above` of all leases (and at least three) lapse within one lease, all of those
count as present (the last good set) and an alarm is raised; the state ends when enough of them have renewed.
A service that was away before such a moment stays away.
A service that has never renewed is asked instead, shortly before its lease lapses and now and then afterwards: clients
of the old gateways register once, when they start, and know of no lease. Who renewed once is held to its lease.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

LEAST = 3
ASK_AHEAD_S = 4.0


class Lease(msgspec.Struct, kw_only=True):
    """`until` is the monotonic moment at which it lapses, `lease_s` how long a renewal lasts. `is_kept_up`: the
    service has renewed it since it registered. `asked_at` is when it was asked last whether it is there."""

    until: float
    lease_s: float
    is_kept_up: bool = False
    asked_at: float = -math.inf


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Who is away now, and whom only self-preservation keeps (nobody: empty)."""

    away: frozenset[str]
    kept: frozenset[str]


def judge(leases: Mapping[str, Lease], before: Verdict, *, now: float, keep_above: float) -> Verdict:
    """The verdict that follows `before`. Who lapsed within its own last lease, or was kept, is judged together."""
    lapsed = {name: lease for name, lease in leases.items() if lease.until <= now}
    if not lapsed:
        return Verdict(away=frozenset(), kept=frozenset())
    recent = {name for name, lease in lapsed.items() if name in before.kept or now - lease.until < lease.lease_s}
    # A sweep that comes late finds leases that lapsed long ago and were never judged: they lapsed now.
    recent |= lapsed.keys() - before.away - before.kept
    gone = lapsed.keys() - recent
    present = len(leases) - len(gone)
    if len(recent) >= LEAST and len(recent) > keep_above * present:
        return Verdict(away=frozenset(gone), kept=frozenset(recent))
    return Verdict(away=frozenset(lapsed), kept=frozenset())


def forgotten(leases: Mapping[str, Lease], *, now: float, forget_after_s: float) -> list[str]:
    """Services that lapsed so long ago that they are removed for good; `forget_after_s` 0 keeps all."""
    if not forget_after_s:
        return []
    return [name for name, lease in leases.items() if lease.until + forget_after_s <= now]


def to_ask(leases: Mapping[str, Lease], *, now: float) -> list[str]:
    """Services to ask whether they are there: never renewed, about to lapse or lapsed, and not asked for a while."""
    return [
        name
        for name, lease in leases.items()
        if not lease.is_kept_up
        and now >= lease.until - ASK_AHEAD_S
        and now >= lease.asked_at + max(1.0, lease.lease_s / 3)
    ]
