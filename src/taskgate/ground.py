"""What every part of a gateway stands on: settings, stores, keys, who is connected, which services there are.

The first step of the object graph; `assembly` builds the others upon it. Building does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from taskgate import __version__
from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.config import Settings, is_loopback
from taskgate.edge.entrance import Entrance, entrance_of
from taskgate.events import KeyRevoked
from taskgate.fleet.fleet import Fleet, evict
from taskgate.fleet.neighbours import Neighbours
from taskgate.identity.keys import Keys
from taskgate.identity.signing import IdentitySigner
from taskgate.ids import new_token
from taskgate.journal.together import JournalWithLogs
from taskgate.outbound.documents import WebDocuments
from taskgate.outbound.key_sets import IssuerKeySets
from taskgate.outbound.knocking import Knocker
from taskgate.proxy.credentials import read_credentials
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import Reach, Resolve, resolve
from taskgate.rereading import Rereader
from taskgate.routes.registry import Registry
from taskgate.routes.sharing import Sharing
from taskgate.routes.standing import Standing
from taskgate.runs.declaring import Declarations
from taskgate.runs.definitions import Definitions
from taskgate.stores.opening import Stores
from taskgate.stores.places import places_in
from taskgate.telemetry.metering import MeteredJournal, MeteredLeadership, MeteredLedger
from taskgate.telemetry.numbers import Numbers

Probe = Callable[[str], None]
Share = Callable[[Standing], Sharing]
REREAD_S = 30.0


def no_probe(_: str) -> None:
    """The failpoints of a gateway in production: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What everything stands on."""

    settings: Settings
    clock: Clock
    bus: Bus
    probe: Probe
    stores: Stores
    keys: Keys
    entrance: Entrance
    fleet: Fleet
    definitions: Definitions
    declarations: Declarations
    reach: Reach
    registry: Registry
    signer: IdentitySigner
    numbers: Numbers
    name: str
    catalogue_news: Rereader | None
    neighbours: Neighbours | None


def ground_of(settings: Settings, clock: Clock, *, probe: Probe, stores: Stores) -> Ground:
    """The ground as the settings describe it. `name` is this gateway's among those that share its stores."""
    bus = Bus()
    name = new_token()
    numbers = Numbers(limit=settings.telemetry.top_tasks)
    numbers.listen(bus)
    stores = metered(stores, numbers)
    definitions = Definitions(stores.catalogue)
    catalogue_news = _catalogue_news(stores, definitions, name) if stores.is_shared else None
    neighbours = _neighbours(stores, clock, name)
    fleet = Fleet(stores.roster, clock, heartbeat_s=settings.runs.heartbeat_s)
    bus.subscribe(KeyRevoked, lambda event: evict(fleet, event.key_id))
    reach, signer = reach_of(settings, clock), IdentitySigner()
    entrance = _entrance(settings, stores, bus=bus, clock=clock, signer=signer, reach=reach)
    share = _sharing(stores, clock, name=name, neighbours=neighbours) if stores.is_shared else None
    return Ground(
        settings=settings,
        clock=clock,
        bus=bus,
        probe=probe,
        stores=stores,
        keys=entrance.keys,
        entrance=entrance,
        fleet=fleet,
        definitions=definitions,
        declarations=Declarations(
            stores.catalogue, definitions, on_change=None if catalogue_news is None else catalogue_news.changed
        ),
        name=name,
        catalogue_news=catalogue_news,
        reach=reach,
        signer=signer,
        numbers=numbers,
        registry=_registry(settings, stores, bus=bus, clock=clock, reach=reach, share=share),
        neighbours=neighbours,
    )


def _entrance(
    settings: Settings, stores: Stores, *, bus: Bus, clock: Clock, signer: IdentitySigner, reach: Reach
) -> Entrance:
    return entrance_of(
        settings.auth,
        keyring=stores.keyring,
        token_book=stores.token_book,
        signals=stores.signals,
        bus=bus,
        clock=clock,
        signer=signer,
        believed=IssuerKeySets(reach, clock=clock, issuers_path=settings.auth.issuers_path),
        is_sole=not stores.is_shared,
        one_use=stores.one_use,
    )


def _registry(
    settings: Settings, stores: Stores, *, bus: Bus, clock: Clock, reach: Reach, share: Share | None
) -> Registry:
    return Registry(
        stores.services,
        bus=bus,
        clock=clock,
        reach=reach,
        presence=Knocker(reach),
        source=WebDocuments(reach, max_bytes=settings.routes.max_document_bytes),
        settings=settings.routes,
        max_body_bytes=settings.proxy.body_ceiling_bytes,
        credentials=read_credentials(settings.proxy.credentials),
        share=share,
    )


def _catalogue_news(stores: Stores, definitions: Definitions, name: str) -> Rereader:
    return Rereader(definitions.reread, signals=stores.signals, topic="tasks", name=name, every_s=REREAD_S)


def metered(stores: Stores, numbers: Numbers) -> Stores:
    """The same stores, counted."""
    return replace(
        stores,
        ledger=MeteredLedger(stores.ledger, numbers),
        journal=MeteredJournal(JournalWithLogs(stores.journal, stores.run_logs), numbers),
        leadership=MeteredLeadership(stores.leadership, numbers),
    )


def _neighbours(stores: Stores, clock: Clock, name: str) -> Neighbours | None:
    if not stores.is_shared or stores.board is None:
        return None
    return Neighbours(stores.board, name=name, version=__version__, clock=clock)


def _sharing(stores: Stores, clock: Clock, *, name: str, neighbours: Neighbours | None) -> Share:
    return partial(
        Sharing,
        stores.services,
        signals=stores.signals,
        turns=stores.leadership,
        neighbours=neighbours,
        name=name,
        clock=clock,
    )


def reach_of(settings: Settings, clock: Clock, *, resolve: Resolve = resolve) -> Reach:
    """Who judges addresses, as the settings say. Its own ports and its stores are nobody's upstream."""
    hosts = [settings.http.host, *([settings.grpc.host] if settings.grpc.enabled else [])]
    rules = rules_from(
        settings.reach.networks,
        ports=settings.reach.ports,
        http_hosts=settings.reach.http_hosts,
        own_ports=(settings.http.port, settings.grpc.port),
        is_local=all(map(is_loopback, hosts)),
    )
    return Reach(rules, clock=clock, closed=places_in(settings), resolve=resolve)
