"""The task definitions that this gateway knows, in memory, and the rules for changing them.

A snapshot of the catalogue answers every submit without I/O. Who declares: a worker's hello makes only the
implicit chain `[workers]` and never overrides what a person declared; the same name and version with another
schema is refused for that worker alone. A run keeps the digest it was accepted under, so a definition that
was replaced is still found by digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskgate.errors import InvalidInput, NotFound, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.ids import is_task_name
from taskgate.runs.ports import Catalogue
from taskgate.runs.schemas import Schema
from taskgate.runs.task import SHARED, Target, TaskDefinition, digest_of
from taskgate.wire.messages import TaskOffer

IMPLICIT = Target(kind="workers")
SERVED_KINDS = frozenset({"workers"})


class Known:
    """A definition with what is computed from it once: its digest, chain and compiled input schema."""

    __slots__ = ("chain", "definition", "digest", "schema")

    def __init__(self, definition: TaskDefinition) -> None:
        self.definition = definition
        self.digest = digest_of(definition)
        self.chain = definition.targets or [IMPLICIT]
        self.schema = Schema(bytes(definition.input_schema)) if definition.input_schema is not None else None


class Definitions:
    """Current definitions by (site, name, version), and any definition by digest."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._current: dict[tuple[str, str], dict[str, Known]] = {}
        self._by_digest: dict[str, Known] = {}

    async def start(self) -> None:
        """Load the snapshot; called once before the doors open."""
        for definition in await self._catalogue.load():
            self._remember(Known(definition))

    async def stop(self) -> None:
        """Nothing to give back."""

    def known(self, site_id: str, name: str, version: str = "") -> Known | None:
        """The site's own definition, else the shared one; `version` "" means the newest. No I/O."""
        for owner in (site_id, SHARED):
            versions = self._current.get((owner, name))
            if versions:
                found = versions.get(version) if version else next(reversed(versions.values()))
                if found is not None:
                    return found
        return None

    def current(self, site_id: str, name: str, version: str = "") -> TaskDefinition | None:
        """Like `known`, the plain definition."""
        found = self.known(site_id, name, version)
        return found.definition if found else None

    def visible(self, site_id: str) -> list[TaskDefinition]:
        """The newest definition of every task that callers of this site may submit, by name."""
        names = {name for owner, name in self._current if owner in (site_id, SHARED)}
        found = (self.current(site_id, name) for name in sorted(names))
        return [definition for definition in found if definition is not None]

    async def of_digest(self, digest: str) -> Known:
        """The definition a run was accepted under; NotFound only when a catalogue lost it."""
        known = self._by_digest.get(digest)
        if known is None:
            definition = await self._catalogue.find(digest)
            if definition is None:
                raise NotFound(f"no definition {digest}", code="UNKNOWN_TASK")
            known = self._by_digest[digest] = Known(definition)
        return known

    async def declare(self, principal: Principal, definition: TaskDefinition) -> TaskDefinition:
        """Save what a person declares; needs `tasks:write`, and is durable when it returns."""
        principal.require("tasks:write")
        owner = SHARED if definition.site_id == SHARED and principal.may("serve:*") else principal.site_id
        known = Known(_checked(msgspec.structs.replace(definition, site_id=owner, declared=True)))
        await self._catalogue.save([known.definition])
        self._remember(known)
        return known.definition

    async def withdraw(self, principal: Principal, name: str, version: str = "") -> None:
        """Forget a definition (all versions when "" is given): it can be submitted no more, its runs go on."""
        principal.require("tasks:write")
        for owner in (principal.site_id, SHARED):
            versions = self._current.get((owner, name), {})
            gone = [key for key in versions if not version or key == version]
            if gone and (owner != SHARED or principal.may("serve:*")):
                for key in gone:
                    await self._catalogue.remove(owner, name, version=key)
                    del versions[key]
                if not versions:
                    del self._current[(owner, name)]
                return
        raise NotFound(f"no task {name}", code="UNKNOWN_TASK")

    async def offered(self, site_id: str, offers: Sequence[TaskOffer]) -> dict[str, str]:
        """Take what a worker's hello offers; returns the refused names, each with its reason code."""
        refused: dict[str, str] = {}
        fresh: list[Known] = []
        for offer in offers:
            try:
                known = self._from_offer(site_id, offer)
            except TaskgateError as error:
                refused[offer.name[:128]] = error.code
                continue
            if known is not None:
                fresh.append(known)
        if fresh:
            await self._catalogue.save([known.definition for known in fresh])
            for known in fresh:
                self._remember(known)
        return refused

    def _from_offer(self, site_id: str, offer: TaskOffer) -> Known | None:
        """The definition to save for an offer, None when an equal or declared one stands already."""
        versions = self._current.get((site_id, offer.name), {})
        standing = versions.get(offer.version)
        if standing is not None:
            there, here = standing.definition.input_schema, offer.input_schema
            if here is not None and there is not None and not _same_json(there, here):
                raise InvalidInput("another schema stands under this name and version", code="SCHEMA_CONFLICT")
            if standing.definition.declared or here is None or there is not None:
                return None
        target = Target(kind="workers", timeout_s=offer.timeout_s, retries=3 if offer.retries is None else offer.retries)
        definition = TaskDefinition(
            name=offer.name,
            site_id=site_id,
            version=offer.version,
            description=offer.description,
            input_schema=offer.input_schema,
            output_schema=offer.output_schema,
            examples=[msgspec.Raw(msgspec.json.encode(example)) for example in offer.examples],
            targets=[target],
        )
        return Known(_checked(definition))

    def _remember(self, known: Known) -> None:
        definition = known.definition
        versions = self._current.setdefault((definition.site_id, definition.name), {})
        versions.pop(definition.version, None)
        versions[definition.version] = known
        self._by_digest[known.digest] = known


def _checked(definition: TaskDefinition) -> TaskDefinition:
    """The definition if its names and numbers are within bounds, else InvalidInput naming the field."""
    if not is_task_name(definition.name):
        raise InvalidInput("a task name is 1-128 characters of A-Za-z0-9_.-", code="BAD_TASK_NAME")
    if definition.version and not is_task_name(definition.version):
        raise InvalidInput("a version is 1-128 characters of A-Za-z0-9_.-", code="BAD_VERSION")
    if len(definition.targets) > 16:
        raise InvalidInput("a chain has at most 16 targets", code="CHAIN_TOO_LONG", extra={"path": "/targets"})
    for index, target in enumerate(definition.targets):
        where = f"/targets/{index}"
        if target.kind not in SERVED_KINDS:
            raise InvalidInput(
                f"targets of kind {target.kind} are not served yet", code="NOT_YET", extra={"path": f"{where}/kind"}
            )
        numbers: list[tuple[str, float | None, float, float]] = [
            ("retries", target.retries, 0, 1000),
            ("timeout_s", target.timeout_s, 0.001, 31_536_000),
            ("advance_after_s", target.advance_after_s, 0.001, 31_536_000),
            ("backoff_s", target.backoff_s, 0, 86_400),
            ("backoff_max_s", target.backoff_max_s, 0, 86_400),
        ]
        for name, value, low, high in numbers:
            if value is not None and not low <= value <= high:
                raise InvalidInput(f"{name} is not within {low}..{high}", extra={"path": f"{where}/{name}"})
    for field in msgspec.structs.fields(definition.limits):
        value = getattr(definition.limits, field.name)
        if value is not None and value <= 0:
            raise InvalidInput(f"{field.name} must be above zero", extra={"path": f"/limits/{field.name}"})
    return definition


def _same_json(one: msgspec.Raw, other: msgspec.Raw) -> bool:
    first: Any = msgspec.json.decode(one)
    return bool(first == msgspec.json.decode(other))
