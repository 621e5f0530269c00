"""The object graph of one gateway, built from settings. Nothing else in taskgate builds it.

`build` makes every part and wires them; `Gateway.start` opens the stores, loads the snapshots, makes the first
keys and starts the background work; `Gateway.stop` ends it in reverse. Building does no I/O, so that
`taskgate check` can build without starting.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from taskgate.bus import Bus
from taskgate.clock import Clock, SystemClock
from taskgate.config import Settings
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.fleet.fleet import Fleet
from taskgate.identity.keys import Keys
from taskgate.journal.ports import Journal
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import Lifespan
from taskgate.runs.alarm import Alarm
from taskgate.runs.declaring import Declarations
from taskgate.runs.definitions import Definitions
from taskgate.runs.desk import Desk
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.endings import RunEndings
from taskgate.runs.intake import Intake
from taskgate.runs.janitor import Janitor
from taskgate.runs.leases import Leases
from taskgate.runs.leasing import Leasing
from taskgate.runs.matching import Matcher
from taskgate.runs.narrating import Narrator
from taskgate.runs.reporting import Reports
from taskgate.runs.settling import Settler
from taskgate.runs.waiting import Waiters
from taskgate.runs.why import Explainer
from taskgate.stores.opening import Stores, open_stores


def no_probe(_: str) -> None:
    """The failpoints of a gateway in production: none."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Everything the doors need, and the life of it."""

    settings: Settings
    clock: Clock
    bus: Bus
    stores: Stores
    keys: Keys
    fleet: Fleet
    definitions: Definitions
    declarations: Declarations
    intake: Intake
    desk: Desk
    explainer: Explainer
    leasing: Leasing
    leases: Leases
    reports: Reports
    narrator: Narrator
    matcher: Matcher
    dispatcher: Dispatcher
    janitor: Janitor
    journal: Journal
    run_journal: RunJournal
    worker_rooms: WorkerRooms
    _life: Lifespan

    async def start(self) -> None:
        """Open the stores and begin; when this returns the doors may open."""
        await self._life.start()

    async def stop(self) -> None:
        """End the background work and close the stores; what was accepted is on disk already."""
        self.intake.closed = True
        await self._life.stop()


def build(settings: Settings, *, clock: Clock | None = None, probe: Callable[[str], None] = no_probe) -> Gateway:
    """A gateway as the settings describe it, not started yet."""
    clock = clock or SystemClock()
    bus = Bus()
    stores = open_stores(settings.database_url, clock=clock, probe=probe)
    fleet = Fleet(stores.roster, clock, heartbeat_s=settings.runs.heartbeat_s)
    keys = Keys(stores.keyring, clock=clock, bus=bus, signals=stores.signals)
    definitions = Definitions(stores.catalogue)
    declarations = Declarations(stores.catalogue, definitions)
    leases = Leases()
    leasing = Leasing(
        stores.ledger,
        stores.book,
        leases=leases,
        definitions=definitions,
        bus=bus,
        clock=clock,
        settings=settings.runs,
    )
    matcher = Matcher(fleet, offer_s=settings.runs.offer_s)
    dispatcher = Dispatcher(
        stores.ledger,
        stores.ready,
        definitions=definitions,
        fleet=fleet,
        matcher=matcher,
        probe=probe,
        on_delivered=leasing.deliver,
    )
    alarm = Alarm(clock)
    settler = Settler(
        stores.ledger,
        definitions,
        bus=bus,
        clock=clock,
        rng=random.Random(),
        probe=probe,
        requeue=dispatcher.replace,
        on_timer=alarm.remind,
    )
    reports = Reports(leases, settler, stores.book, fleet=fleet, settings=settings.runs)
    intake = Intake(
        stores.ledger,
        definitions,
        matcher=matcher,
        dispatcher=dispatcher,
        bus=bus,
        clock=clock,
        settings=settings.runs,
        probe=probe,
    )
    janitor = Janitor(
        stores.ledger,
        stores.book,
        leadership=stores.leadership,
        leases=leases,
        reports=reports,
        settler=settler,
        dispatcher=dispatcher,
        fleet=fleet,
        alarm=alarm,
        clock=clock,
        settings=settings.runs,
        journal=stores.journal,
    )
    waiters = Waiters(bus)
    desk = Desk(
        stores.book,
        intake,
        settler=settler,
        leases=leases,
        fleet=fleet,
        waiters=waiters,
        journal=stores.journal,
    )
    narrator = Narrator(stores.journal, leases, bus=bus, clock=clock)
    run_journal = RunJournal(stores.journal, RunEndings(stores.book, waiters))
    worker_rooms = WorkerRooms(
        bus=bus,
        clock=clock,
        keys=keys,
        fleet=fleet,
        roster=stores.roster,
        declarations=declarations,
        leases=leases,
        leasing=leasing,
        reports=reports,
        narrator=narrator,
        dispatcher=dispatcher,
        runs=settings.runs,
        link=settings.link,
        probe=probe,
    )
    life = Lifespan(*stores.parts, keys, declarations, leasing, narrator, dispatcher, janitor)
    return Gateway(
        settings=settings,
        clock=clock,
        bus=bus,
        stores=stores,
        keys=keys,
        fleet=fleet,
        definitions=definitions,
        declarations=declarations,
        intake=intake,
        desk=desk,
        explainer=Explainer(desk, fleet, clock),
        leasing=leasing,
        leases=leases,
        reports=reports,
        narrator=narrator,
        matcher=matcher,
        dispatcher=dispatcher,
        janitor=janitor,
        journal=stores.journal,
        run_journal=run_journal,
        worker_rooms=worker_rooms,
        _life=life,
    )
