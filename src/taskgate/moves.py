"""Everything that changes a run after it was accepted, as part of a gateway's object graph: what gives out leases, what
hears of their ends, and time's own work.

The second step of the object graph, upon the ground; `assembly` builds what callers see upon it. Building does no I/O.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from taskgate.cluster import duty_of, exchange_of, neighbourly
from taskgate.ground import Ground
from taskgate.lifespan import Part
from taskgate.runs.alarm import Alarm
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.janitor import DUTY, Janitor
from taskgate.runs.leases import Leases
from taskgate.runs.leasing import Leasing
from taskgate.runs.matching import Matcher
from taskgate.runs.narrating import Narrator
from taskgate.runs.reporting import Reports
from taskgate.runs.settings import RunSettings
from taskgate.runs.settling import Settler
from taskgate.runs.waiting import Waiters
from taskgate.stores.archives import NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Everything that changes a run after it was accepted."""

    leases: Leases
    leasing: Leasing
    matcher: Matcher
    dispatcher: Dispatcher
    settler: Settler
    reports: Reports
    narrator: Narrator
    janitor: Janitor
    waiters: Waiters
    neighbourly: list[Part]


def moves_of(ground: Ground, waiters: Waiters) -> Moves:
    """All of it, wired to each other; `waiters` are told of every end."""
    stores, runs = ground.stores, ground.settings.runs
    leases = Leases()
    leasing = Leasing(
        stores.ledger,
        stores.book,
        leases=leases,
        definitions=ground.definitions,
        bus=ground.bus,
        clock=ground.clock,
        settings=runs,
    )
    matcher = Matcher(ground.fleet, offer_s=runs.offer_s)
    dispatcher = Dispatcher(
        stores.ledger,
        stores.ready,
        definitions=ground.definitions,
        fleet=ground.fleet,
        matcher=matcher,
        probe=ground.probe,
        on_delivered=leasing.deliver,
        is_shared=stores.is_shared,
    )
    alarm = Alarm(ground.clock)
    settler = _settler(ground, dispatcher, alarm=alarm)
    reports = Reports(leases, settler, book=stores.book, fleet=ground.fleet, settings=runs)
    return Moves(
        leases=leases,
        leasing=leasing,
        matcher=matcher,
        dispatcher=dispatcher,
        settler=settler,
        reports=reports,
        narrator=Narrator(stores.journal, leases, bus=ground.bus, clock=ground.clock),
        janitor=_janitor(ground, leases, reports=reports, settler=settler, dispatcher=dispatcher, alarm=alarm),
        waiters=waiters,
        neighbourly=neighbourly(ground, leases=leases, reports=reports, waiters=waiters)
        + exchange_of(ground, matcher=matcher, dispatcher=dispatcher, settler=settler),
    )


def _settler(ground: Ground, dispatcher: Dispatcher, *, alarm: Alarm) -> Settler:
    return Settler(
        ground.stores.ledger,
        ground.definitions,
        bus=ground.bus,
        clock=ground.clock,
        rng=random.Random(),
        probe=ground.probe,
        requeue=dispatcher.replace,
        dequeue=ground.stores.ready.withdraw,
        on_timer=alarm.remind,
    )


def _janitor(
    ground: Ground, leases: Leases, *, reports: Reports, settler: Settler, dispatcher: Dispatcher, alarm: Alarm
) -> Janitor:
    return Janitor(
        ground.stores.ledger,
        ground.stores.book,
        duty=duty_of(ground, DUTY),
        leases=leases,
        reports=reports,
        settler=settler,
        dispatcher=dispatcher,
        fleet=ground.fleet,
        alarm=alarm,
        clock=ground.clock,
        settings=_settings_of_the_janitor(ground),
        journal=ground.stores.journal,
    )


def _settings_of_the_janitor(ground: Ground) -> RunSettings:
    """The janitor deletes old runs only where nobody archives them first."""
    settings = ground.settings
    return settings.runs if settings.archive.url == NONE else replace(settings.runs, keep_ended_s=0.0)
