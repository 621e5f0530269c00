"""Which raw endpoint answers a method and path.

Templates are split once; a request is compared segment by segment on the very path that was authorised.
Paths that two servers could read differently (an encoded slash, backslash or NUL) are refused before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from taskgate.edge.http.call import Call
from taskgate.errors import Malformed, WrongMethod

Serve = Callable[[Call, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RawRoute:
    """A method and a path with `{variables}`, whose texts are handed to `serve`, several with a slash between them."""

    method: str
    template: str
    serve: Serve


class RawRoutes:
    """Raw routes by number of segments; `find` raises WrongMethod for a known path."""

    def __init__(self, routes: Sequence[RawRoute]) -> None:
        self.routes = tuple(routes)
        self._by_length: dict[int, list[tuple[list[str], RawRoute]]] = {}
        for route in routes:
            segments = route.template.split("/")
            same = self._by_length.setdefault(len(segments), [])
            same.append((segments, route))
            same.sort(key=lambda pair: "{" in pair[1].template)  # literal segments win

    def find(self, method: str, path: str) -> tuple[Serve, str] | None:
        """The endpoint and the text of its variables; None when no raw route has this path."""
        segments = path.split("/")
        allowed: list[str] = []
        for wanted, route in self._by_length.get(len(segments), ()):
            variable = ""
            for want, have in zip(wanted, segments, strict=True):
                if want == have:
                    continue
                if want[:1] != "{" or not have:
                    break
                variable = f"{variable}/{have}" if variable else have
            else:
                if route.method == method:
                    return route.serve, variable
                allowed.append(route.method)
                if "{" not in route.template:
                    break
        if allowed:
            raise WrongMethod(f"{method} is not known here", extra={"allow": ", ".join(sorted(set(allowed)))})
        return None


def refuse_doubtful(raw_path: bytes, path: str) -> None:
    """Raise Malformed for a path that could be read in two ways."""
    if b"%" in raw_path:
        lowered = raw_path.lower()
        if b"%2f" in lowered or b"%5c" in lowered or b"%00" in lowered:
            raise Malformed("the path has an encoded slash, backslash or NUL", code="BAD_PATH")
    if not path.isprintable():
        raise Malformed("the path has control characters", code="BAD_PATH")
