"""What a gateway has besides when others may stand on the same stores: it tells them what it changes and hears of them.

A gateway on stores of its own has none of these parts, and pays for none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from string import hexdigits

from taskgate.errors import InvalidInput
from taskgate.fleet.fleet import posted
from taskgate.fleet.moving import Arrived, Moving
from taskgate.fleet.neighbours import Neighbours
from taskgate.ground import Ground
from taskgate.identity.keys import TOPIC as KEYS
from taskgate.identity.reviewing import REVIEW_S, KeyReview
from taskgate.identity.signing import ROOT_BYTES
from taskgate.lifespan import Part
from taskgate.rereading import Rereader
from taskgate.runs.agreement import Agreement
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.duty import Duty
from taskgate.runs.exchange import Exchange
from taskgate.runs.happenings import Refused
from taskgate.runs.leases import Leases
from taskgate.runs.matching import Matcher
from taskgate.runs.reporting import Reports, end_moved
from taskgate.runs.run import Run
from taskgate.runs.settling import Change, Settler
from taskgate.runs.tidings import Tidings
from taskgate.runs.waiting import Waiters

DISAGREEMENT = (
    "the gateways that run on this database have another root secret: give all of them the same auth.root_secret, or "
    "the same file identity.secret in their data directories; a new one counts once all have been down for a minute"
)


class RootAgreement(Agreement):
    """That all gateways sign identities with the same secret: its fingerprint is what they agree on."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.stores.leadership, "root secret", refusal=DISAGREEMENT)
        self._signer = ground.signer

    async def start(self) -> None:
        self.value = hashlib.sha256(b"taskgate root fingerprint\0" + self._signer.root).hexdigest()[:32]
        await super().start()


def agreements(ground: Ground) -> list[Part]:
    """What has to be so at all gateways before this one may start."""
    told = ground.settings.auth.root_secret
    if told:
        ground.signer.use(_root_of(told))
    return [RootAgreement(ground)] if ground.stores.is_shared else []


def _root_of(text: str) -> bytes:
    is_hex = len(text) == 2 * ROOT_BYTES and all(character in hexdigits for character in text)
    if not is_hex or len(set(text)) == 1:
        detail = f"auth.root_secret: must be {2 * ROOT_BYTES} random hexadecimal digits, as of `openssl rand -hex 32`"
        raise InvalidInput(detail, code="SETTINGS_INVALID", extra={"path": "auth.root_secret"})
    return bytes.fromhex(text)


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
        parts += [_moving(ground, ground.neighbours, leases=leases, reports=reports), ground.neighbours]
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


def exchange_of(ground: Ground, *, matcher: Matcher, dispatcher: Dispatcher, settler: Settler) -> list[Part]:
    """What lends credit of workers to other gateways and borrows theirs; none for a gateway that is alone."""

    async def refuse(runs: Sequence[Run]) -> None:
        await settler.settle([Change(run, Refused(reason="busy")) for run in runs])

    if not ground.stores.is_shared:
        return []
    return [
        Exchange(
            ground.stores.signals,
            name=ground.name,
            root=lambda: ground.signer.root,
            clock=ground.clock,
            fleet=ground.fleet,
            matcher=matcher,
            dispatcher=dispatcher,
            definitions=ground.definitions,
            refuse=refuse,
            offer_s=ground.settings.runs.offer_s,
        )
    ]


def _key_review(ground: Ground) -> Rereader:
    review = KeyReview(ground.stores.keyring, bus=ground.bus, clock=ground.clock)
    return Rereader(
        review.read, signals=ground.stores.signals, topic=KEYS, name=ground.name, every_s=REVIEW_S, pause_s=0.2
    )


def _moving(ground: Ground, neighbours: Neighbours, *, leases: Leases, reports: Reports) -> Moving:
    async def moved(said: Arrived) -> None:
        await end_moved(reports, leases, worker_id=said.worker_id, instance=said.instance, held=said.held)

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
