"""The object graph of one gateway, built from settings. Nothing else in taskgate builds it.

`build` makes every part and wires them; `Gateway.start` opens the stores, loads the snapshots and starts the
background work; `Gateway.stop` ends it in reverse. Building does no I/O, so that `taskgate check` can build
without starting. The graph is made in three steps, each standing on those before it: ground (stores, keys, who is
connected), moves (everything that changes a run), callers (what the doors offer).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from taskgate.bridges.opening import open_bridges
from taskgate.bus import Bus
from taskgate.clock import Clock, SystemClock
from taskgate.cluster import agreements
from taskgate.config import Settings
from taskgate.edge.entrance import Entrance
from taskgate.edge.gate import Gate
from taskgate.edge.http.live import Live
from taskgate.edge.http.task_door import TaskDoor
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.events import KeyRevoked, RoutesChanged
from taskgate.fleet.fleet import Fleet
from taskgate.ground import Ground, Probe, ground_of, no_probe
from taskgate.identity.keys import Keys
from taskgate.identity.signing import ROOT_BYTES, IdentitySigner
from taskgate.journal.ports import Journal
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import Lifespan, Part
from taskgate.limits.drawing import Drawing
from taskgate.moves import Moves, moves_of
from taskgate.past import Past, past_of
from taskgate.proxy.calling import PoolCaller
from taskgate.proxy.credentials import secrets_of
from taskgate.proxy.holders import ServiceHolders
from taskgate.proxy.plane import Plane
from taskgate.proxy.recorder import Recorder
from taskgate.reach.pinning import Reach
from taskgate.routes.health import Healths
from taskgate.routes.records import CallRecords
from taskgate.routes.registry import Registry
from taskgate.runs.declaring import Declarations
from taskgate.runs.definitions import Definitions
from taskgate.runs.desk import Desk
from taskgate.runs.endings import RunEndings
from taskgate.runs.intake import Intake
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
            settings.database_url, clock=clock, probe=probe, database=settings.database, redis=settings.redis
        )
    ground = ground_of(settings, clock, probe=probe, stores=stores)
    stores = ground.stores
    waiters = Waiters(ground.bus)
    moves = moves_of(ground, waiters)
    intake = _intake(ground, moves)
    past = past_of(settings, stores, clock=ground.clock)
    desk = _desk(ground, moves, intake=intake, waiters=waiters, past=past)
    gate = ground.entrance.gate
    waits = Live(ground.bus)
    recorder = _recorder(ground)
    plane = _plane(ground, gate, tasks=TaskDoor(intake, desk, live=waits), recorder=recorder)
    run_journal = RunJournal(stores.journal, RunEndings(stores.book, waiters))
    bridges = open_bridges(
        settings.streams,
        intake=intake,
        desk=desk,
        book=stores.book,
        journal=run_journal,
        leadership=stores.leadership,
        bus=ground.bus,
        clock=ground.clock,
    )
    worker_rooms = _worker_rooms(ground, moves)
    watch = watch_of(ground, plane, intake=intake, links=worker_rooms.counters)
    return Gateway(
        settings=settings,
        clock=ground.clock,
        bus=ground.bus,
        stores=stores,
        keys=ground.keys,
        entrance=ground.entrance,
        fleet=ground.fleet,
        definitions=ground.definitions,
        declarations=ground.declarations,
        intake=intake,
        desk=desk,
        explainer=Explainer(desk, ground.fleet, clock=ground.clock),
        journal=stores.journal,
        run_journal=run_journal,
        past=past,
        moves=moves,
        worker_rooms=worker_rooms,
        watch=watch,
        reach=ground.reach,
        registry=ground.registry,
        signer=ground.signer,
        gate=gate,
        plane=plane,
        upstreams=Healths(plane.health),
        recorder=recorder,
        waits=waits,
        life=_life(ground, moves, plane=plane, recorder=recorder, bridges=(*bridges, *past.parts, *watch.parts)),
    )


def _intake(ground: Ground, moves: Moves) -> Intake:
    return Intake(
        ground.stores.ledger,
        ground.definitions,
        matcher=moves.matcher,
        dispatcher=moves.dispatcher,
        bus=ground.bus,
        clock=ground.clock,
        settings=ground.settings.runs,
        probe=ground.probe,
        look_again=None if ground.catalogue_news is None else ground.catalogue_news.now,
    )


def _recorder(ground: Ground) -> Recorder:
    proxy = ground.settings.proxy
    return Recorder(ground.stores.calls, proxy, clock=ground.clock, secrets=secrets_of(proxy.credentials))


def _desk(ground: Ground, moves: Moves, *, intake: Intake, waiters: Waiters, past: Past) -> Desk:
    return Desk(
        ground.stores.book,
        intake,
        settler=moves.settler,
        leases=moves.leases,
        fleet=ground.fleet,
        waiters=waiters,
        journal=ground.stores.journal,
        is_shared=ground.stores.is_shared,
        keep=past.keep,
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
    )


def _plane(ground: Ground, gate: Gate, *, tasks: TaskDoor, recorder: Recorder) -> Plane:
    settings = ground.settings
    share = 1 / settings.http.workers
    plane = Plane(
        settings.proxy,
        door=gate,
        pinner=ground.reach,
        run_door=tasks,
        recording=recorder,
        share=share,
        signer=ground.signer,
        origins=settings.http.cors_origins,
        drawing=_drawing(ground.stores) if settings.redis.url else None,
    )
    ground.bus.subscribe(RoutesChanged, lambda event: plane.apply(event.snapshot))
    ground.bus.subscribe(KeyRevoked, lambda event: plane.revoke(event.key_id))
    return plane


def _drawing(stores: Stores) -> Drawing:
    """What gives out rate limits together with the gateways that are on the board."""

    async def count_gateways() -> int:
        return len(await stores.board.read())

    return Drawing(stores.buckets, count_gateways=count_gateways)


def _holders(ground: Ground, moves: Moves, plane: Plane) -> ServiceHolders:
    proxy, runs = ground.settings.proxy, ground.settings.runs
    holders = ServiceHolders(
        moves,
        definitions=ground.definitions,
        fleet=ground.fleet,
        clock=ground.clock,
        caller=PoolCaller(plane.upstreams, proxy, credentials=plane.credentials, vouching=plane.means.vouching),
        settings=proxy,
        heartbeat_s=runs.heartbeat_s,
        max_bytes=runs.max_output_bytes,
    )
    ground.bus.subscribe(RoutesChanged, lambda event: holders.follow(event.snapshot))
    return holders


def _life(ground: Ground, moves: Moves, *, plane: Plane, recorder: Recorder, bridges: tuple[Part, ...]) -> Lifespan:
    """What is started, in order: stores, snapshots, then work."""
    secrets = [SecretFile(path, ground.signer.use, size=ROOT_BYTES) for path in _secret_paths(ground.settings)]
    return Lifespan(
        *ground.stores.parts,
        *secrets,
        *agreements(ground),
        *ground.entrance.parts,
        ground.declarations,
        ground.reach,
        recorder,
        plane,
        ground.registry,
        moves.leasing,
        moves.narrator,
        moves.dispatcher,
        moves.janitor,
        *moves.neighbourly,
        _holders(ground, moves, plane),
        *bridges,
    )


def _secret_paths(settings: Settings) -> list[Path]:
    """Where the secret is kept that identities are signed with; what forgets its services at its end keeps none."""
    if settings.auth.root_secret or settings.database_url.startswith("memory:"):
        return []
    return [settings.data_path / "identity.secret"]
