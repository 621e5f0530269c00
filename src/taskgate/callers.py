"""What callers see of a gateway, as part of its object graph: runs that are taken on and read, calls that are proxied.

The third step, upon ground, moves and past; nothing here changes a run but by what moves offers. Building does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskgate.bridges.opening import open_bridges
from taskgate.edge.http.live import Live
from taskgate.edge.http.task_door import TaskDoor
from taskgate.events import KeyRevoked, RoutesChanged
from taskgate.ground import Ground
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import Part
from taskgate.limits.drawing import Drawing
from taskgate.moves import Moves
from taskgate.past import Past
from taskgate.proxy.calling import PoolCaller
from taskgate.proxy.credentials import secrets_of
from taskgate.proxy.holders import ServiceHolders
from taskgate.proxy.plane import Plane
from taskgate.proxy.recorder import Recorder
from taskgate.runs.desk import Desk
from taskgate.runs.endings import RunEndings
from taskgate.runs.intake import Intake
from taskgate.runs.uploading import LogDesk
from taskgate.runs.why import Explainer
from taskgate.stores.opening import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """What the doors offer. `holders` do the work that services do; `bridges` bring work from elsewhere."""

    intake: Intake
    desk: Desk
    explainer: Explainer
    run_journal: RunJournal
    log_desk: LogDesk
    waits: Live
    recorder: Recorder
    plane: Plane
    holders: ServiceHolders
    bridges: tuple[Part, ...]


def callers_of(ground: Ground, moves: Moves, *, past: Past) -> Callers:
    """All of it, wired to each other."""
    intake = _intake(ground, moves)
    desk = _desk(ground, moves, intake=intake, past=past)
    run_journal = _run_journal(ground, moves)
    waits = Live(ground.bus)
    recorder = _recorder(ground)
    plane = _plane(ground, tasks=TaskDoor(intake, desk, live=waits), recorder=recorder)
    return Callers(
        intake=intake,
        desk=desk,
        explainer=Explainer(desk, ground.fleet, clock=ground.clock),
        run_journal=run_journal,
        log_desk=_log_desk(ground),
        waits=waits,
        recorder=recorder,
        plane=plane,
        holders=_holders(ground, moves, plane),
        bridges=open_bridges(
            ground.settings.streams,
            intake=intake,
            desk=desk,
            book=ground.stores.book,
            journal=run_journal,
            leadership=ground.stores.leadership,
            bus=ground.bus,
            clock=ground.clock,
        ),
    )


def _run_journal(ground: Ground, moves: Moves) -> RunJournal:
    keep_s, clock = ground.settings.journal.keep_s, ground.clock
    return RunJournal(
        ground.stores.journal,
        RunEndings(ground.stores.book, moves.waiters),
        has_gone=lambda ended_at: 0 < keep_s < clock.now() - ended_at,
    )


def _intake(ground: Ground, moves: Moves) -> Intake:
    return Intake(
        ground.stores.ledger,
        ground.definitions,
        matcher=moves.matcher,
        dispatcher=moves.dispatcher,
        bus=ground.bus,
        waiters=moves.waiters,
        clock=ground.clock,
        settings=ground.settings.runs,
        probe=ground.probe,
        look_again=None if ground.catalogue_news is None else ground.catalogue_news.now,
    )


def _desk(ground: Ground, moves: Moves, *, intake: Intake, past: Past) -> Desk:
    return Desk(
        ground.stores.book,
        intake,
        settler=moves.settler,
        leases=moves.leases,
        fleet=ground.fleet,
        waiters=moves.waiters,
        journal=ground.stores.journal,
        is_shared=ground.stores.is_shared,
        keep=past.keep,
    )


def _log_desk(ground: Ground) -> LogDesk:
    return LogDesk(ground.stores.book, ground.stores.run_logs, clock=ground.clock, settings=ground.settings.journal)


def _recorder(ground: Ground) -> Recorder:
    proxy = ground.settings.proxy
    return Recorder(ground.stores.calls, proxy, clock=ground.clock, secrets=secrets_of(proxy.credentials))


def _plane(ground: Ground, *, tasks: TaskDoor, recorder: Recorder) -> Plane:
    settings = ground.settings
    share = 1 / settings.http.workers
    plane = Plane(
        settings.proxy,
        door=ground.entrance.gate,
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
