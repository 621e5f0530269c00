"""Settings of the routes room.

How long a registration is believed, and what one service may bring.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """How services register and how long they stay.

    lease_s: seconds a registration lasts without renewal, where the service asks for no other. Default 30.
    max_lease_s: longest lease that a service may ask for. Default 3600.
    forget_after_s: seconds after which a service whose lease lapsed is removed for good. Default 86400; 0 keeps it.
    keep_above: when more than this fraction of all leases (and at least three) lapse within one lease, the last good
        set stays and an alarm is logged. Default 0.3.
    max_services: services that one site may register. Default 200.
    max_routes: routes that one service may bring. Default 2000.
    max_document_bytes: largest OpenAPI document. Default 4194304 (4 MiB).
    refresh_s: seconds between two looks at a fetched OpenAPI document. Default 60.
    """

    lease_s: float = 30.0
    max_lease_s: float = 3600.0
    forget_after_s: float = 86_400.0
    keep_above: float = 0.3
    max_services: int = 200
    max_routes: int = 2000
    max_document_bytes: int = 4 << 20
    refresh_s: float = 60.0
