"""What a gateway has besides when others may stand on the same stores: it tells them what it changes and hears of them.

A gateway on stores of its own has none of these parts, and pays for none of them.
"""

from __future__ import annotations

from taskgate.ground import Ground
from taskgate.lifespan import Part
from taskgate.runs.duty import Duty
from taskgate.runs.leases import Leases
from taskgate.runs.reporting import Reports
from taskgate.runs.tidings import Tidings
from taskgate.runs.waiting import Waiters


def duty_of(ground: Ground, name: str) -> Duty:
    """A duty that this gateway may have."""
    term_s = ground.settings.runs.leader_term_s
    return Duty(ground.stores.leadership, name, holder=ground.name, term_s=term_s, clock=ground.clock)


def neighbourly(ground: Ground, *, leases: Leases, reports: Reports, waiters: Waiters) -> list[Part]:
    """The parts, none for a gateway that is alone."""
    if not ground.stores.is_shared:
        return []
    parts: list[Part] = [] if ground.catalogue_news is None else [ground.catalogue_news]
    return [
        *parts,
        Tidings(
            ground.stores.signals,
            ground.stores.book,
            name=ground.name,
            bus=ground.bus,
            leases=leases,
            waiters=waiters,
            reports=reports,
            fleet=ground.fleet,
        ),
    ]
