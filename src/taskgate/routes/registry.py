"""Services come, renew, change and leave. The shell around the rules of this room.

A registration is judged whole before anything changes: its words (`checking.py`), its document, its routes
(`registering.py`), every address (the port `Reach`), whose paths they are (`holdings.py`). Then it is saved, and only
then it stands; when any of this fails, everything is as it was (INV-P3, F34). Changes are made one at a time; one that
has begun is finished even when its caller hangs up. Renewing writes nothing, so a store that is away disturbs no route.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine
from typing import Any

import msgspec

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import Conflict, Forbidden, InvalidInput, NotFound, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet
from taskgate.routes.asking import Asking
from taskgate.routes.checking import base_url_of, check_count, check_credentials, check_registration, check_rights
from taskgate.routes.documents import Documents
from taskgate.routes.holdings import Clash
from taskgate.routes.leases import forgotten
from taskgate.routes.openapi.reading import ApiDocument
from taskgate.routes.paths import is_below
from taskgate.routes.policy import Alternative
from taskgate.routes.ports import DocumentSource, Presence, Reach, ServiceBook
from taskgate.routes.registering import Rights, bounded, rights_of, routes_of, service_of
from taskgate.routes.registration import Registered, Registration
from taskgate.routes.service import Service, Snapshot, digest_of
from taskgate.routes.settings import RouteSettings
from taskgate.routes.sharing import Sharing
from taskgate.routes.standing import Standing
from taskgate.routes.turns import Turns

_log = logging.getLogger(__name__)
SWEEP_S = 1.0
MAX_FETCHES = 8
NEVER_RENEWED = (
    "it stays for {:g} s unless its lease is renewed or, as long as it never was, the service takes connections; "
    "lease_s 0 needs neither"
)


class Registry:
    """Every registered service. `standing` is what is known of them at this moment.

    `credentials` are the names that a policy's `set:NAME` may have, None for any; `max_body_bytes` is the most that a
    policy may allow; `share` is given where other gateways register services too.
    """

    def __init__(
        self,
        book: ServiceBook,
        *,
        bus: Bus,
        clock: Clock,
        reach: Reach,
        source: DocumentSource,
        presence: Presence,
        settings: RouteSettings,
        max_body_bytes: int = 1 << 30,
        credentials: Container[str] | None = None,
        share: Callable[[Standing], Sharing] | None = None,
    ) -> None:
        self._book = book
        self._clock = clock
        self._reach = reach
        self._settings = settings
        self._max_body_bytes = max_body_bytes
        self._credentials = credentials
        self._documents = Documents(source, max_bytes=settings.max_document_bytes)
        self._unwritten: set[str] = set()
        self._is_kept = False
        self._looked_at: dict[str, float] = {}
        self.standing = Standing(bus, clock)
        self.sharing = None if share is None else share(self.standing)
        self._shelf = book if self.sharing is None else self.sharing  # where changes are written
        self._turns = Turns() if self.sharing is None else Turns(self.sharing.turn)
        self.tasks = TaskSet()
        self.asking = Asking(self.standing, presence, clock=clock)

    @property
    def snapshot(self) -> Snapshot:
        """What stands now; later ones are published as `RoutesChanged`."""
        return self.standing.snapshot

    async def start(self) -> None:
        """Read the book; every service gets a fresh lease, as if it had just renewed."""
        self.standing.put(await self._book.load())
        self.tasks.spawn(self._every(SWEEP_S, self.sweep), name="route leases")
        self.tasks.spawn(self._every(SWEEP_S, self.refresh), name="route documents")

    async def stop(self) -> None:
        """End the sweeps and finish what was begun; what stands goes on standing."""
        await self.tasks.close()
        await self.asking.tasks.close()
        await self._turns.rest()

    async def register(self, principal: Principal, asked: Registration) -> Registered:
        """Let a service stand, new or in the place of what it was; the same again only renews its lease.

        InvalidInput, Forbidden, Conflict (its `extra["owner"]` is the service that was there first, where the caller
        may know it), TooLarge, or what fetching and saving raise: then nothing has changed.
        """
        check_rights(principal, asked)
        check_registration(asked, self._settings, max_body_bytes=self._max_body_bytes)
        if self._credentials is not None:
            check_credentials(asked, self._credentials)
        check_count(len(asked.routes or ()), self._settings)
        old = self._check_name(principal, asked.name)
        asked, document, trouble = await self._with_document(principal, asked)
        service, warnings = service_of(asked, document, rights=rights_of(principal), settings=self._settings)
        service = self._owned(principal, asked, service=service)
        await self._pin(service)
        await self._turns.finish(self._settle(principal, service))
        self.standing.trouble(service.name, trouble or None)
        warnings += self._unknown_alternatives(service)
        warnings += await self._documents.breaks(b"" if old is None else old.document, service.document, new=document)
        if trouble:
            warnings.insert(0, f"the document could not be fetched: {trouble}")
        if service.lease_s and asked.lease_s is None:
            warnings.append(NEVER_RENEWED.format(service.lease_s))
        return _told(service, warnings)

    def renew(self, principal: Principal, name: str) -> Registered:
        """A fresh lease for a service of the caller's site; NotFound when there is none. Nothing is written."""
        service = self._own(principal, name)
        self.standing.renew(name, by_itself=True)
        if self.sharing is not None:
            self.sharing.renewed(name)
        return _told(service, [])

    async def withdraw(self, principal: Principal, name: str) -> None:
        """Let a service of the caller's site stand no more; NotFound when there is none."""
        await self._turns.finish(self._withdraw(self._own(principal, name)))

    async def sweep(self) -> None:
        """One look at the leases: whom to ask, who is away, whom to forget."""
        self.asking.ask()
        if self.sharing is not None and not self.sharing.may_judge:
            return
        verdict = self.standing.judge(keep_above=self._settings.keep_above)
        if verdict.kept and not self._is_kept:
            _log.error(
                "%d of %d leases lapsed at once: the last good set of services stays",
                len(verdict.kept),
                len(self.standing.leases),
            )
        self._is_kept = bool(verdict.kept)
        gone = forgotten(
            self.standing.leases, now=self._clock.monotonic(), forget_after_s=self._settings.forget_after_s
        )
        if gone or self._unwritten:
            await self._turns.finish(self._forget(gone))

    async def refresh(self) -> None:
        """Look again at every fetched document whose time has come; a bad one changes nothing but says so."""
        now = self._clock.monotonic()
        standing = self.standing.services
        self._looked_at = {name: at for name, at in self._looked_at.items() if name in standing}
        due = []
        for service in standing.values():
            if service.openapi_url and now - self._looked_at.setdefault(service.name, now) >= self._settings.refresh_s:
                self._looked_at[service.name] = now
                due.append(service)
        limit = asyncio.Semaphore(MAX_FETCHES)
        await asyncio.gather(*(self._refresh(service, limit) for service in due))

    # ---------------------------------------------------------------- whose it is

    def _check_name(self, principal: Principal, name: str) -> Service | None:
        old = self.standing.services.get(name)
        if old is not None and old.site_id != principal.site_id and not principal.may("admin"):
            raise Conflict("this name is taken", code="SERVICE_TAKEN", extra={"path": "/name"})
        if old is not None:
            _check_bounds(principal, old)
        if old is None:
            mine = sum(service.site_id == principal.site_id for service in self.standing.services.values())
            if mine >= self._settings.max_services:
                raise Forbidden(f"a site has at most {self._settings.max_services} services", code="TOO_MANY_SERVICES")
        return old

    def _own(self, principal: Principal, name: str) -> Service:
        principal.require("register")
        service = self.standing.services.get(name)
        if service is None or (service.site_id != principal.site_id and not principal.may("admin")):
            raise NotFound("there is no such service", code="UNKNOWN_SERVICE")
        _check_bounds(principal, service)
        return service

    def _owned(self, principal: Principal, asked: Registration, *, service: Service) -> Service:
        return msgspec.structs.replace(
            service,
            site_id=principal.site_id,
            owner=principal.id,
            shared=principal.may("serve:*") if asked.shared is None else asked.shared,
            registered_at=self._clock.now(),
            bounds=principal.prefixes,
            may_be_wide=principal.may("admin"),
        )

    # ---------------------------------------------------------------- documents and addresses

    async def _with_document(
        self, principal: Principal, asked: Registration
    ) -> tuple[Registration, ApiDocument | None, str]:
        """The registration with its document, what that says, and why it is an old one (or none)."""
        if not asked.openapi_url:
            return asked, await self._documents.read(asked.document) if asked.document else None, ""
        old = self._check_name(principal, asked.name)
        try:
            data = await self._documents.fetch(asked.openapi_url, site_id=principal.site_id)
            document = await self._documents.read(data)
        except TaskgateError as error:
            if isinstance(error, Forbidden):
                raise
            had = old.document if old is not None and old.openapi_url == asked.openapi_url else b""
            if not had and asked.routes is None:
                raise
            known = await self._documents.read(had) if had else None
            return msgspec.structs.replace(asked, document=had), known, str(error)
        return msgspec.structs.replace(asked, document=data), document, ""

    def _unknown_alternatives(self, service: Service) -> list[str]:
        names = {alternative.service for alternative in _alternatives(service) if alternative.service}
        known = {name for name, other in self.standing.services.items() if other.serves(service.site_id)}
        return [f"there is no service {name} to fall back to" for name in sorted(names - known)]

    async def _pin(self, service: Service) -> None:
        urls = [alternative.upstream for alternative in _alternatives(service) if alternative.upstream]
        for url in dict.fromkeys([service.base_url, *urls]):
            address = base_url_of(url, "/base_url")
            await self._reach.pin(address.host, address.port, scheme=address.scheme, site_id=service.site_id)

    async def _refresh(self, service: Service, limit: asyncio.Semaphore) -> None:
        async with limit:
            try:
                data = await self._documents.fetch(service.openapi_url, site_id=service.site_id)
                if data != service.document:
                    fresh = _with_fresh(service, data, await self._documents.read(data), settings=self._settings)
                    await self._turns.finish(self._replace(service, fresh))
            except Exception as error:
                if not isinstance(error, TaskgateError):  # a stranger's document: no reason for the gateway to end
                    _log.exception("the document of %s could not be looked at", service.name)
                why = str(error) if isinstance(error, TaskgateError) else "it could not be read"
                if self.standing.services.get(service.name) is service:
                    self.standing.trouble(service.name, why)
            else:
                if self.standing.services.get(service.name) is service:
                    self.standing.trouble(service.name, None)

    # ---------------------------------------------------------------- changes, one at a time

    async def _settle(self, principal: Principal, service: Service) -> None:
        old = self._check_name(principal, service.name)
        if old is not None and digest_of(old) == digest_of(service):
            self.standing.renew(service.name)
            return
        _raise_clash(self.standing.clash(service), service)
        if old is not None:
            service = msgspec.structs.replace(service, registered_at=old.registered_at)
        self._unwritten.discard(service.name)
        await self._shelf.save(service)
        self.standing.put([service])

    async def _replace(self, old: Service, fresh: Service) -> None:
        if self.standing.services.get(old.name) is not old:
            return
        _raise_clash(self.standing.clash(fresh), fresh)
        await self._shelf.save(fresh)
        self.standing.put([fresh], is_renewed=False)

    async def _withdraw(self, service: Service) -> None:
        if service.name in self.standing.services:
            await self._shelf.remove(service.name)
            self.standing.drop([service.name])

    async def _forget(self, names: list[str]) -> None:
        """They are gone at once; the book follows as soon as it can."""
        if names:
            _log.warning("forgotten, because their leases lapsed long ago: %s", ", ".join(names))
            self.standing.drop(names)
            self._unwritten.update(names)
        for name in sorted(self._unwritten):
            await self._shelf.remove(name)
            self._unwritten.discard(name)

    async def _every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except TaskgateError as error:
                _log.warning("the registry of services pauses: %s", error)


def _alternatives(service: Service) -> list[Alternative]:
    policies = (service.policy, *(route.policy for route in service.routes))
    return [one for policy in policies if policy.fallback is not None for one in policy.fallback.to]


def _check_bounds(principal: Principal, service: Service) -> None:
    """Forbidden when a key that is bound to prefixes would change what another key registered outside of them."""
    if principal.prefixes and service.owner != principal.id:
        paths = [service.prefix] if service.prefix else [route.path for route in service.routes]
        if not all(is_below(path, principal.prefixes) for path in paths):
            raise Forbidden("this service was registered by a key with other prefixes", code="PREFIX_NOT_YOURS")


def _told(service: Service, warnings: list[str]) -> Registered:
    return Registered(
        name=service.name,
        routes=tuple(f"{route.method} {route.path}" for route in service.routes),
        lease_s=service.lease_s,
        renew_after_s=round(service.lease_s / 3, 3),
        warnings=bounded(warnings),
    )


def _raise_clash(clash: Clash | None, newcomer: Service) -> None:
    """Conflict, naming the owner if it is one that the newcomer's site may know of."""
    if clash is None:
        return
    owner = clash.holder.name if clash.holder.serves(newcomer.site_id) else ""
    whose = f"the service {owner}" if owner else "another site"
    extra: dict[str, object] = {"owner": owner}
    what = f"the prefix {newcomer.prefix}"
    if clash.route is not None:
        extra |= {"method": clash.route.method, "gateway_path": clash.route.path}
        what = f"{clash.route.method} {clash.route.path}"
    raise Conflict(f"{what} belongs to {whose}", code="ROUTE_TAKEN", extra=extra)


def _with_fresh(service: Service, data: bytes, document: ApiDocument, *, settings: RouteSettings) -> Service:
    """The service with a newer document, and with its routes where they follow it."""
    if not service.follows_document:
        return msgspec.structs.replace(service, document=data)
    rights = Rights(prefixes=service.bounds, is_admin=service.may_be_wide)
    routes = routes_of(document, base_url=service.base_url, prefix=service.prefix, rights=rights, warnings=[])
    if not routes:
        raise InvalidInput("no operation of the document can be a route", code="NOTHING_TO_SERVE")
    check_count(len(routes), settings)
    return msgspec.structs.replace(service, document=data, routes=tuple(routes))
