"""The task definitions that this gateway knows, in memory.

A snapshot of the catalogue answers every submit without I/O. Who names no version gets the declared one, the newest of
several: what workers offer in their hellos counts only where nobody has declared the task, so that no worker that comes
changes what callers get. A run keeps the digest it was accepted under,
so a definition that was replaced is still found by digest. Changing definitions is `declaring.py`'s matter.
"""

from __future__ import annotations

from taskgate.runs.chain import chain_of
from taskgate.runs.ports import Catalogue
from taskgate.runs.schemas import Schema
from taskgate.runs.task import SHARED, TaskDefinition, digest_of


class Known:
    """A definition with what is computed from it once: its digest, chain and compiled input schema."""

    __slots__ = ("chain", "definition", "digest", "schema")

    def __init__(self, definition: TaskDefinition) -> None:
        self.definition = definition
        self.digest = digest_of(definition)
        self.chain = chain_of(definition)
        self.schema = Schema(bytes(definition.input_schema)) if definition.input_schema is not None else None


class Digests:
    """Any definition by its digest: what runs were accepted under, current or not."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._met: dict[str, Known] = {}

    async def find(self, digest: str) -> Known | None:
        """The definition a run was accepted under; None only when a catalogue lost it."""
        known = self._met.get(digest)
        if known is None:
            definition = await self._catalogue.find(digest)
            if definition is None:
                return None
            known = self._met[digest] = Known(definition)
        return known

    def met(self, digest: str) -> Known | None:
        """Like `find` without I/O: None for a definition that this process has not met yet."""
        return self._met.get(digest)

    def keep(self, known: Known) -> Known:
        """Know this one, unless its twin is known already; returns the one that is."""
        return self._met.setdefault(known.digest, known)


class Definitions:
    """Current definitions by (site, name, version); `digests` knows the others too."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._current: dict[tuple[str, str], dict[str, Known]] = {}
        self.digests = Digests(catalogue)
        self._change_count = 0

    def known(self, site_id: str, name: str, *, version: str = "") -> Known | None:
        """The site's own definition, else the shared one; `version` "" means the default. No I/O."""
        own, shared = self._current.get((site_id, name), {}), self._current.get((SHARED, name), {})
        if version:
            return own.get(version) or shared.get(version)
        mine, theirs = _default(own), _default(shared)
        if mine is None or (theirs is not None and theirs.definition.declared and not mine.definition.declared):
            return theirs
        return mine

    def visible(self, site_id: str) -> list[TaskDefinition]:
        """The default definition of every task that callers of this site may submit, by name."""
        names = {name for owner, name in self._current if owner in (site_id, SHARED)}
        found = (self.known(site_id, name) for name in sorted(names))
        return [known.definition for known in found if known is not None]

    def current(self, site_id: str | None) -> list[Known]:
        """The default definition of every task, of a site and the shared ones; None: of every site."""
        return [
            known
            for (owner, _), versions in self._current.items()
            if (known := _default(versions)) is not None and (site_id is None or owner in (site_id, SHARED))
        ]

    async def reread(self) -> None:
        """Make current what the catalogue says now: other gateways save definitions too."""
        seen, loaded = -1, list[TaskDefinition]()
        while seen != self._change_count:  # a reading that began before a change made here does not undo it
            seen = self._change_count
            loaded = await self._catalogue.load()
        fresh: dict[tuple[str, str], dict[str, Known]] = {}
        for definition in loaded:
            known = self.digests.met(digest_of(definition)) or self.digests.keep(Known(definition))
            fresh.setdefault((definition.site_id, definition.name), {})[definition.version] = known
        self._current = {task: _in_order(versions) for task, versions in fresh.items()}

    def forget(self, owner: str, name: str, *, version: str) -> None:
        """A definition was removed from the catalogue."""
        self._change_count += 1
        self._current.get((owner, name), {}).pop(version, None)

    def remember(self, known: Known) -> None:
        """Make a saved definition current."""
        self._change_count += 1
        definition = known.definition
        task = (definition.site_id, definition.name)
        versions = self._current.get(task, {})
        others = {version: one for version, one in versions.items() if version != definition.version}
        self._current[task] = _in_order({**others, definition.version: known})
        self.digests.keep(known)

    def versions(self, owner: str, name: str) -> dict[str, Known]:
        """The current versions that exactly this site (or `SHARED`) owns."""
        return self._current.get((owner, name), {})


def _in_order(versions: dict[str, Known]) -> dict[str, Known]:
    """The same, the default last: declared ones behind offered ones, of each kind the newest last."""
    return dict(sorted(versions.items(), key=lambda pair: pair[1].definition.declared))


def _default(versions: dict[str, Known]) -> Known | None:
    """What a caller gets who names no version."""
    return next(reversed(versions.values()), None)
