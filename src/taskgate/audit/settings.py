"""Settings of the audit log.

Where it is kept follows the database; how long is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Who did what, and for how long that is known.

    keep_s: seconds that an entry is kept. Default 0 (for ever). What is taken away leaves a checkpoint, so that the
        rest can still be verified.
    denied_per_minute: refused attempts of one credential that are written down in a minute; further ones are counted
        in the next entry. Default 10.
    """

    keep_s: Annotated[float, Meta(ge=0)] = 0.0
    denied_per_minute: Annotated[int, Meta(ge=1, le=10_000)] = 10
