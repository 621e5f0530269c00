"""What routes need from the outside.

`ServiceBook` is written when a service registers or withdraws, never when it renews. Failures: `Unavailable` (wait),
`StoreError` (operator).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from taskgate.errors import Unavailable
from taskgate.identity.principal import Principal
from taskgate.routes.service import Service


class Turn(NamedTuple):
    """A turn at changing services: the duty under which it was given, and the epoch of whoever has it."""

    duty: str
    epoch: int


class ServiceBook(Protocol):
    """Registered services, kept over restarts. Saving a name again replaces it. With `under` a change is judged in the
    transaction that writes it: Unavailable (TURN_LOST), and nothing is changed, where somebody else has had the turn
    since."""

    async def save(self, service: Service, *, under: Turn | None = None) -> None: ...

    async def remove(self, name: str, *, under: Turn | None = None) -> bool: ...

    async def load(self) -> list[Service]:
        """All of them, in the order of their first registration."""
        ...


def turn_lost() -> Unavailable:
    """What a change is told that took longer than its turn."""
    detail = "this change took so long that another gateway made its own; ask again"
    return Unavailable(detail, code="TURN_LOST", retry_after_s=1.0)


class DocumentSource(Protocol):
    """Fetches a service's own OpenAPI document, never from an address that its owner may not reach."""

    async def fetch(self, url: str, *, site_id: str) -> bytes:
        """The document's bytes (JSON or YAML). InvalidInput for an address that cannot be read, Forbidden for one that
        must not be reached, Unavailable when it does not answer in time, TooLarge above the limit."""
        ...


class Reach(Protocol):
    """Judges where a registered address leads; the data plane asks again at every connect (INV-P2)."""

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        """The judged IP addresses. Forbidden (ADDRESS_FORBIDDEN), or Unavailable for a name that has none now."""
        ...


class Presence(Protocol):
    """Looks whether a service is there, without asking it for anything."""

    async def answers(self, base_url: str, *, site_id: str) -> bool:
        """Whether something takes connections at its judged address; known within a few seconds. Never raises."""
        ...


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a service's upstream answers: its breaker (`closed`, `open`, `half_open`), failures in a row, the last."""

    state: str = "closed"
    failures: int = 0
    last_error: str = ""


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a call that became a run is answered; its framing is added by whoever sends it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def run_id(self) -> str:
        """The run, as its Location names it."""
        return next(
            (value.rpartition(b"/")[2].decode("ascii") for name, value in self.headers if name == b"location"), ""
        )


class RunDoor(Protocol):
    """Submits the call as a run and waits for it, as `Prefer: wait=S` does: 200 with the ended run, or 202 and
    Location. Raises what a submit raises."""

    async def perform(
        self, principal: Principal, task: str, *, body: bytes, key: str, wait_s: float, traceparent: str
    ) -> RunAnswer: ...


class UpstreamHealth(Protocol):
    """What the data plane knows of the services that it calls."""

    def health(self, service_name: str) -> Health:
        """Of a service that was never called: closed, without failures."""
        ...
