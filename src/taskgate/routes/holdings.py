"""Whose is a path: the first site that registers it, until its service is withdrawn or forgotten.

Within a site services are neighbours: a more specific path may stand inside another service's, only the same method
at the same path is refused. Between sites a path is land: a route or prefix that fits any path that a route or prefix
of another site fits too is refused, however specific it is, so nobody takes calls away from a stranger (S35).
What is wide (`paths.is_wide`, administrators only) takes what is left and is in nobody's way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from taskgate.routes.paths import is_wide, joined, normalised
from taskgate.routes.service import Route, Service
from taskgate.routes.table import ANY

_VARIABLE, _REST = "{}", "{:path}"
REGION = "{rest:path}"
_ALL_BELOW = -1


class _Place:
    """A segment of the tree of normalised templates; `owners` hold a route or a prefix that ends here."""

    __slots__ = ("below", "is_wide", "owners", "routes")

    def __init__(self) -> None:
        self.below: dict[str, _Place] = {}
        self.routes: dict[str, Service] = {}
        self.owners: dict[str, Service] = {}
        self.is_wide = False


class Clash(NamedTuple):
    """The service that was there first, and the route of the newcomer that it hinders (None: its prefix)."""

    holder: Service
    route: Route | None


class Holdings:
    """Every path that is somebody's. Asking costs what the newcomer brings, not what all others hold."""

    def __init__(self) -> None:
        self._root = _Place()

    def add(self, service: Service) -> None:
        """Note what the service holds; nothing of it may clash with what is there."""
        for template, route in _claims(service):
            place = self._root
            for segment in _segments(template):
                place = place.below.setdefault(segment, _Place())
            place.owners[service.name] = service
            place.is_wide = is_wide(template)
            if route is not None:
                place.routes[route.method] = service

    def remove(self, service: Service) -> None:
        """Forget all of it: exactly the value that was added."""
        for template, route in _claims(service):
            way = [self._root]
            segments = _segments(template)
            for segment in segments:
                if segment not in way[-1].below:
                    break
                way.append(way[-1].below[segment])
            else:
                way[-1].owners.pop(service.name, None)
                if route is not None:
                    way[-1].routes.pop(route.method, None)
            _prune(way, segments)

    def clash(self, service: Service) -> Clash | None:
        """The first thing that keeps the service from being added; what it held itself before is no hindrance."""
        for template, route in _claims(service):
            if route is not None:
                holder = self._twin(service, route)
                if holder is not None:
                    return Clash(holder, route)
            if not is_wide(template):
                stranger = self._stranger(service, template)
                if stranger is not None:
                    return Clash(stranger, route)
        return None

    def _twin(self, service: Service, route: Route) -> Service | None:
        place: _Place | None = self._root
        for segment in _segments(route.path):
            place = None if place is None else place.below.get(segment)
        for method, holder in (place.routes if place is not None else {}).items():
            if holder.name != service.name and _same_method(method, route.method):
                return holder
        return None

    def _stranger(self, service: Service, template: str) -> Service | None:
        for place in _overlapping(self._root, _segments(template)):
            for holder in place.owners.values():
                if holder.site_id != service.site_id and holder.name != service.name:
                    return holder
        return None


def _claims(service: Service) -> Iterator[tuple[str, Route | None]]:
    if service.prefix:
        yield service.prefix, None
        yield joined(service.prefix, "/" + REGION), None
    for route in service.routes:
        yield route.path, route


def _segments(template: str) -> list[str]:
    return normalised(template).split("/")[1:]


def _same_method(one: str, other: str) -> bool:
    return one == other or ANY in (one, other) or {one, other} == {"GET", "HEAD"}


def _overlapping(root: _Place, segments: list[str]) -> Iterator[_Place]:
    """Every place that fits some path which these segments fit too; wide ones are never among them."""
    stack = [(root, 0)]
    while stack:
        place, depth = stack.pop()
        if depth in (len(segments), _ALL_BELOW):
            if place.owners and not place.is_wide:
                yield place
            if depth == _ALL_BELOW:
                stack.extend((below, _ALL_BELOW) for below in place.below.values())
            continue
        wanted = segments[depth]
        if wanted == _REST:
            stack.extend((below, _ALL_BELOW) for below in place.below.values())
            continue
        for name in place.below if wanted == _VARIABLE else (wanted, _VARIABLE, _REST):
            below = place.below.get(name)
            if below is None or ("" in (name, wanted) and _VARIABLE in (name, wanted)):
                continue
            if name != _REST:
                stack.append((below, depth + 1))
            elif below.owners and not below.is_wide:
                yield below


def _prune(way: list[_Place], segments: list[str]) -> None:
    for index in range(len(way) - 1, 0, -1):
        if way[index].below or way[index].owners:
            return
        way[index - 1].below.pop(segments[index - 1], None)
