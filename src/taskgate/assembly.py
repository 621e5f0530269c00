"""The object graph of one gateway, built from settings. Nothing else in taskgate builds it.

`build` makes every part and wires them; `Gateway.start` opens the stores, loads the snapshots and starts the
background work; `Gateway.stop` ends it in reverse. Building does no I/O, so that `taskgate check` can build
without starting. The graph is made in steps, each standing on those before it: ground (stores, keys, who is
connected), moves (everything that changes a run), past (what remains of it), callers (what the doors offer), and
watching, which looks at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from taskgate.bus import Bus
from taskgate.callers import Callers, callers_of
from taskgate.clock import Clock, SystemClock
from taskgate.cluster import agreements
from taskgate.config import Settings
from taskgate.edge.entrance import Entrance
from taskgate.edge.gate import Gate
from taskgate.edge.http.live import Live
from taskgate.edge.workers.lobby import Lobby
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.fleet.fleet import Fleet
from taskgate.fleet.ports import Roster
from taskgate.ground import Ground, Probe, ground_of, no_probe
from taskgate.identity.keys import Keys
from taskgate.identity.signing import ROOT_BYTES, IdentitySigner
from taskgate.journal.allowance import Allowance
from taskgate.journal.ports import Journal
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import Lifespan, Part
from taskgate.moves import Moves, moves_of
from taskgate.past import Past, past_of
from taskgate.proxy.plane import Plane
from taskgate.proxy.recorder import Recorder
from taskgate.reach.pinning import Reach
from taskgate.routes.health import Healths
from taskgate.routes.records import CallRecords
from taskgate.routes.registry import Registry
from taskgate.runs.declaring import Declarations
from taskgate.runs.definitions import Definitions
from taskgate.runs.desk import Desk
from taskgate.runs.intake import Intake
from taskgate.runs.uploading import LogDesk
from taskgate.runs.waiting import Waiters
from taskgate.runs.why import Explainer
from taskgate.stores.opening import Stores, open_stores
from taskgate.stores.secret_file import SecretFile
from taskgate.watching import Watch, watch_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Everything the doors need, and the life of it."""

    settings: Settings
    clock: Clock
    bus: Bus
    stores: Stores
    keys: Keys
    entrance: Entrance
    fleet: Fleet
    definitions: Definitions
    declarations: Declarations
    intake: Intake
    desk: Desk
    explainer: Explainer
    journal: Journal
    run_journal: RunJournal
    log_desk: LogDesk
    past: Past
    moves: Moves
    worker_rooms: WorkerRooms
    reach: Reach
    registry: Registry
    signer: IdentitySigner
    gate: Gate
    plane: Plane
    upstreams: Healths
    recorder: Recorder
    waits: Live
    watch: Watch
    life: Lifespan

    @property
    def calls(self) -> CallRecords:
        """Recorded calls of routes."""
        return self.stores.calls

    @property
    def roster(self) -> Roster:
        """Workers that were ever seen."""
        return self.stores.roster

    @property
    def unwritten(self) -> Allowance:
        """How much may wait for the journal."""
        return self.worker_rooms.unwritten

    async def start(self) -> None:
        """Open the stores and begin; when this returns the doors may open."""
        await self.life.start()

    async def stop(self) -> None:
        """End the background work and close the stores; what was accepted is on disk already."""
        self.intake.closed = True
        await self.life.stop()


def build(
    settings: Settings, *, clock: Clock | None = None, probe: Probe = no_probe, stores: Stores | None = None
) -> Gateway:
    """A gateway as the settings describe it, not started yet; on these stores, where some are given."""
    clock = clock or SystemClock()
    if stores is None:
        stores = open_stores(
            settings.database_url,
            clock=clock,
            probe=probe,
            database=settings.database,
            redis=settings.redis,
            journal=settings.journal,
        )
    clock = stores.clock or clock
    ground = ground_of(settings, clock, probe=probe, stores=stores)
    moves = moves_of(ground, Waiters(ground.bus))
    past = past_of(settings, ground.stores, clock=clock)
    callers = callers_of(ground, moves, past=past)
    rooms = _worker_rooms(ground, moves)
    watch = watch_of(ground, callers.plane, intake=callers.intake, links=rooms.counters, backends=past.backends)
    life = _life(ground, moves, callers=callers, behind=(*past.parts, *watch.parts))
    return _gateway(ground, moves, past=past, callers=callers, worker_rooms=rooms, watch=watch, life=life)


def _gateway(
    ground: Ground,
    moves: Moves,
    *,
    past: Past,
    callers: Callers,
    worker_rooms: WorkerRooms,
    watch: Watch,
    life: Lifespan,
) -> Gateway:
    return Gateway(
        settings=ground.settings,
        clock=ground.clock,
        bus=ground.bus,
        stores=ground.stores,
        keys=ground.keys,
        entrance=ground.entrance,
        gate=ground.entrance.gate,
        fleet=ground.fleet,
        definitions=ground.definitions,
        declarations=ground.declarations,
        log_desk=callers.log_desk,
        reach=ground.reach,
        registry=ground.registry,
        signer=ground.signer,
        journal=ground.stores.journal,
        moves=moves,
        past=past,
        intake=callers.intake,
        desk=callers.desk,
        explainer=callers.explainer,
        run_journal=callers.run_journal,
        waits=callers.waits,
        recorder=callers.recorder,
        plane=callers.plane,
        upstreams=Healths(callers.plane.health),
        worker_rooms=worker_rooms,
        watch=watch,
        life=life,
    )


def _worker_rooms(ground: Ground, moves: Moves) -> WorkerRooms:
    return WorkerRooms(
        bus=ground.bus,
        clock=ground.clock,
        keys=ground.keys,
        fleet=ground.fleet,
        roster=ground.stores.roster,
        declarations=ground.declarations,
        leases=moves.leases,
        leasing=moves.leasing,
        reports=moves.reports,
        narrator=moves.narrator,
        dispatcher=moves.dispatcher,
        runs=ground.settings.runs,
        link=ground.settings.link,
        probe=ground.probe,
        lobby=Lobby(places=ground.settings.link.arrivals, patience_s=ground.settings.link.arrival_wait_s),
        unwritten=Allowance(ground.settings.journal.unwritten_bytes),
    )


def _life(ground: Ground, moves: Moves, *, callers: Callers, behind: tuple[Part, ...]) -> Lifespan:
    """What is started, in order: stores, snapshots, then work, and `behind` all of it what looks back at it."""
    secrets = [SecretFile(path, ground.signer.use, size=ROOT_BYTES) for path in _secret_paths(ground.settings)]
    return Lifespan(
        *ground.stores.parts,
        *secrets,
        *agreements(ground),
        *ground.entrance.parts,
        ground.declarations,
        ground.reach,
        callers.recorder,
        callers.plane,
        ground.registry,
        moves.leasing,
        moves.narrator,
        moves.dispatcher,
        moves.janitor,
        *moves.neighbourly,
        callers.holders,
        *callers.bridges,
        *behind,
    )


def _secret_paths(settings: Settings) -> list[Path]:
    """Where the secret is kept that identities are signed with; what forgets its services at its end keeps none."""
    if settings.auth.root_secret or settings.database_url.startswith("memory:"):
        return []
    return [settings.data_path / "identity.secret"]
