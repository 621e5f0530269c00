"""What history needs of stores: the ledger's ended runs in the order of their ends, and an archive.

An archive may stand in another database than the ledger. Its verbs are batched; `record` returns after its commit is
durable, and may be repeated with the same runs. Failures: `Unavailable` (wait), `StoreError` (operator).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from taskgate.runs.run import Run, Status


class Place(NamedTuple):
    """Where a run stands in history: by its end, and by its id among those that ended together."""

    ended_at: float
    run_id: str


BEGINNING = Place(0.0, "")


class EndedRef(Struct, frozen=True, gc=False):
    """An ended run of the ledger; `is_stopped` once its holder has confirmed that nothing of it runs any more."""

    id: str
    ended_at: float
    is_stopped: bool = False

    @property
    def place(self) -> Place:
        return Place(self.ended_at, self.id)


class HistoryFilter(Struct, frozen=True, kw_only=True, gc=False):
    """Newest end first. `site_id` is required; `user_id` narrows a key bound to a user; `cursor`: the last place seen.

    Ended from `ended_from` (included) to `ended_before` (not included). `holder` had the run in any of its attempts.
    `id_prefix` is how the id begins.
    """

    site_id: str
    user_id: str = ""
    task: str = ""
    status: Status | None = None
    ended_from: float | None = None
    ended_before: float | None = None
    label: tuple[str, str] | None = None
    holder: str = ""
    id_prefix: str = ""
    limit: int = 50
    cursor: Place | None = None


class EndedRuns(Protocol):
    """The ledger's ended runs, for whoever puts them away."""

    async def ended(self, after: Place, *, until: float, limit: int) -> list[EndedRef]:
        """Those behind `after` that ended at `until` at the latest, oldest end first."""
        ...


class RunArchive(Protocol):
    """Ended runs, whole, with all attempts. What is in it never changes, only its retention takes away."""

    async def record(self, runs: Sequence[Run]) -> None:
        """Keep these ended runs. One that is there stays as it is, unless only the newcomer knows when it stopped."""
        ...

    async def lacking(self, refs: Sequence[EndedRef]) -> list[str]:
        """The ids, in order, that `record` would change something for."""
        ...

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        """Whole runs, in order; None for an unknown id. Tenancy is the caller's to check."""
        ...

    async def history(self, wanted: HistoryFilter) -> list[Run]:
        """Runs without inputs, outputs and attempts, newest end first."""
        ...

    async def purge(self, ended_before: float, limit: int) -> int:
        """Delete runs that ended before that moment, oldest first; returns how many."""
        ...
