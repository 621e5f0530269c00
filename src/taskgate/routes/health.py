"""How a service does when several call it: breakers, connection pools, other processes.

The worst word counts, so that a list never shows a service as well that some process cannot reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taskgate.routes.ports import Health

ORDER = ("closed", "half_open", "open")


def worst(told: Sequence[Health]) -> Health:
    """The worst state, the most failures in a row and what went wrong there, wherever each was seen; closed and
    without failures when nobody told anything."""
    if len(told) == 1:
        return told[0]
    state = max((one.state for one in told), key=ORDER.index, default=ORDER[0])
    ailing = max(told, key=lambda one: (one.failures, one.last_error != ""), default=Health())
    return Health(state=state, failures=ailing.failures, last_error=ailing.last_error)


class Healths:
    """The port `UpstreamHealth` over everybody who calls upstreams: `sources` tell None of what they do not know."""

    def __init__(self, *sources: Callable[[str], Health | None]) -> None:
        self._sources = list(sources)

    def add(self, source: Callable[[str], Health | None]) -> None:
        """Ask one more from now on."""
        self._sources.append(source)

    def health(self, service_name: str) -> Health:
        """The worst that any source tells."""
        return worst([told for source in self._sources if (told := source(service_name)) is not None])
