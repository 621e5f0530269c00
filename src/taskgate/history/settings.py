"""Settings of history.

Where ended runs are kept for long, apart from the ledger, and for how long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from taskgate.secret import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """Where ended runs go before the ledger forgets them (`runs.keep_ended_s`).

    url: the archive, named by URL. Default empty: beside the ledger (sqlite: in its folder, the same server for
        postgresql:, memory: for memory:). sqlite:FOLDER, postgresql://USER:PASSWORD@HOST:PORT/NAME,
        mysql://USER:PASSWORD@HOST:PORT/NAME (also mariadb://), or none: the ledger forgets for good.
    keep_s: seconds that a run is kept there, counted from its end. Default 31536000 (one year); 0 keeps for ever.
    delay_s: seconds after its end that a run is copied. Default 60; what ends in a burst is copied after it.
    """

    url: Url = field(default=Url(""))
    keep_s: Annotated[float, Meta(ge=0)] = 31_536_000.0
    delay_s: Annotated[float, Meta(ge=0)] = 60.0
