"""What a gateway has besides when others may stand on the same stores: it tells them what it changes and hears of them.

A gateway on stores of its own has none of these parts, and pays for none of them.
"""

from __future__ import annotations

from functools import partial

from taskgate.fleet.fleet import posted
from taskgate.fleet.moving import Arrived, Moving
from taskgate.fleet.neighbours import Neighbours
from taskgate.ground import Ground
from taskgate.identity.keys import TOPIC as KEYS
from taskgate.identity.reviewing import REVIEW_S, KeyReview
from taskgate.lifespan import Part
from taskgate.rereading import Rereader
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
    stores = ground.stores
    if not stores.is_shared:
        return []
    parts: list[Part] = [] if ground.catalogue_news is None else [ground.catalogue_news]
    parts.append(_key_review(ground))
    if ground.registry.sharing is not None:
        parts.append(ground.registry.sharing)
    if ground.neighbours is not None:
        parts += [_moving(ground, ground.neighbours, reports), ground.neighbours]
    parts.append(
        Tidings(
            stores.signals,
            stores.book,
            name=ground.name,
            bus=ground.bus,
            leases=leases,
            waiters=waiters,
            reports=reports,
            fleet=ground.fleet,
        )
    )
    return parts


def _key_review(ground: Ground) -> Rereader:
    review = KeyReview(ground.stores.keyring, bus=ground.bus, clock=ground.clock)
    return Rereader(
        review.read, signals=ground.stores.signals, topic=KEYS, name=ground.name, every_s=REVIEW_S, pause_s=0.2
    )


def _moving(ground: Ground, neighbours: Neighbours, reports: Reports) -> Moving:
    async def moved(said: Arrived) -> None:
        await reports.moved(said.worker_id, instance=said.instance, held=said.held)

    moving = Moving(
        ground.stores.signals,
        name=ground.name,
        bus=ground.bus,
        fleet=ground.fleet,
        neighbours=neighbours,
        clock=ground.clock,
        on_moved=moved,
    )
    neighbours.workers = partial(posted, ground.fleet)
    ground.fleet.neighbours = neighbours
    ground.fleet.drain_elsewhere = moving.ask_drain
    return moving
