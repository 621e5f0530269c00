"""What routes need from the outside.

`ServiceBook` is written when a service registers or withdraws, never when it renews. Failures: `Unavailable` (wait),
`StoreError` (operator).
"""

from __future__ import annotations

from typing import Protocol

from taskgate.routes.service import Service


class ServiceBook(Protocol):
    """Registered services, kept over restarts. Saving a name again replaces it."""

    async def save(self, service: Service) -> None: ...

    async def remove(self, name: str) -> bool: ...

    async def load(self) -> list[Service]:
        """All of them, in the order of their first registration."""
        ...


class DocumentSource(Protocol):
    """Fetches a service's own OpenAPI document, never from an address that its owner may not reach."""

    async def fetch(self, url: str, *, site_id: str) -> bytes:
        """The document's bytes (JSON or YAML). InvalidInput when the address is refused, Unavailable when it does
        not answer in time, TooLarge above 4 MiB."""
        ...
