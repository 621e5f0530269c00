"""Who may change task definitions, and how.

A worker's hello makes only the implicit chain `[workers]` and never overrides what a person declared; the
same name and version with another schema is refused for that worker alone. A definition is saved before it
becomes current, so nobody submits under one that a crash could forget.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from taskgate.errors import InvalidInput, NotFound, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.ids import is_task_name, is_worker_id
from taskgate.runs.definitions import Definitions, Known
from taskgate.runs.ports import Catalogue
from taskgate.runs.task import SHARED, Target, TaskDefinition
from taskgate.wire.messages import TaskOffer

SERVED_KINDS = frozenset({"workers", "http"})
HTTP_METHODS = frozenset({"POST", "PUT", "PATCH"})
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)?")


class Declarations:
    """Declared by people, offered by workers, withdrawn by people. `on_change` is told of changes after their save."""

    def __init__(
        self,
        catalogue: Catalogue,
        definitions: Definitions,
        *,
        on_change: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._definitions = definitions
        self._on_change = on_change

    async def start(self) -> None:
        """Read the snapshot; called once before the doors open."""
        await self._definitions.reread()

    async def stop(self) -> None:
        """Nothing to give back."""

    async def declare(self, principal: Principal, definition: TaskDefinition) -> TaskDefinition:
        """Save what a person declares; needs `tasks:write`, and is durable when it returns.

        Who may serve every site (an operator) declares for all of them, anybody else for the own site.
        """
        principal.require("tasks:write")
        owner = SHARED if principal.may("serve:*") else principal.site_id
        known = Known(_checked(msgspec.structs.replace(definition, site_id=owner, declared=True)))
        await self._catalogue.save([known.definition])
        self._definitions.remember(known)
        await self._tell()
        return known.definition

    async def withdraw(self, principal: Principal, name: str, *, version: str = "") -> None:
        """Forget a definition (all versions when "" is given): it can be submitted no more, its runs go on."""
        principal.require("tasks:write")
        for owner in (principal.site_id, SHARED):
            versions = self._definitions.versions(owner, name)
            gone = [key for key in versions if not version or key == version]
            if gone and (owner != SHARED or principal.may("serve:*")):
                for key in gone:
                    await self._catalogue.remove(owner, name, version=key)
                    self._definitions.forget(owner, name, version=key)
                await self._tell()
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
                self._definitions.remember(known)
            await self._tell()
        return refused

    async def _tell(self) -> None:
        if self._on_change is not None:
            await self._on_change()

    def _from_offer(self, site_id: str, offer: TaskOffer) -> Known | None:
        """The definition to save for an offer, None when an equal or declared one stands already."""
        standing = self._definitions.versions(site_id, offer.name).get(offer.version)
        if standing is None:
            shared = self._definitions.versions(SHARED, offer.name).get(offer.version)
            standing = shared if shared is not None and shared.definition.declared else None
        if standing is not None:
            there, here = standing.definition.input_schema, offer.input_schema
            if here is not None and there is not None and not _same_json(there, here):
                raise InvalidInput("another schema stands under this name and version", code="SCHEMA_CONFLICT")
            if standing.definition.declared or here is None or there is not None:
                return None
        target = Target(
            kind="workers", timeout_s=offer.timeout_s, retries=3 if offer.retries is None else offer.retries
        )
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
        if target.kind == "http":
            _check_http(target, where)
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


def _check_http(target: Target, where: str) -> None:
    """Refuse an `http` target that could not be asked, or would lead out of its service."""
    if not is_worker_id(target.service):
        raise InvalidInput("an http target names a registered service", extra={"path": f"{where}/service"})
    if target.method not in HTTP_METHODS:
        raise InvalidInput("an http target is asked with POST, PUT or PATCH", extra={"path": f"{where}/method"})
    steps = unquote(target.path.partition("?")[0]).split("/")
    if len(target.path) > 2048 or _PATH.fullmatch(target.path) is None or {".", ".."} & set(steps):
        raise InvalidInput("a path begins with / and stays below its service", extra={"path": f"{where}/path"})


def _same_json(one: msgspec.Raw, other: msgspec.Raw) -> bool:
    first: Any = msgspec.json.decode(one)
    return bool(first == msgspec.json.decode(other))
