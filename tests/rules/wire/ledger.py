"""A ledger and a journal as small as they can be: what the gateway's shell of these tests believes."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from taskgate.wire.messages import Log, Progress, Receipt, Task, TaskResult

OFFER_S = 5.0
LEASE_S = 30.0
Key = tuple[str, int]


@dataclass
class LedgerRun:
    """One run: its newest lease, and what every attempt has written."""

    attempt: int = 0
    token: str = ""
    expires_at: float | None = None
    output: bytes | None = None
    cancelled: bool = False
    lines: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.output is not None or self.cancelled


class Ledger:
    """Leases by compare-and-set on (attempt, token); journals that drop repeats and cut before gaps."""

    def __init__(self) -> None:
        self.runs: dict[str, LedgerRun] = {}
        self.granted_at: dict[Key, float] = {}

    def queued(self) -> list[str]:
        return [run_id for run_id, run in self.runs.items() if not run.ended and run.expires_at is None]

    def grant(self, run_id: str, now: float) -> Task:
        """Lease a queued run for the few seconds of an offer."""
        run = self.runs[run_id]
        run.attempt += 1
        run.token = f"token-{run_id}-{run.attempt}"
        run.expires_at = now + OFFER_S
        self.granted_at[run_id, run.attempt] = now
        return Task(
            run_id=run_id,
            tracking_id=run_id,
            attempt=run.attempt,
            lease_token=run.token,
            capability="work",
            payload=msgspec.Raw(b"{}"),
            offer_s=OFFER_S,
        )

    def renew(self, receipt: Receipt, now: float, *, lazily: bool) -> float | None:
        """Seconds left after renewing; None when the lease is lost. Lazily: not while more than 20 s are left."""
        run = self.runs[receipt.run_id]
        if run.ended or run.expires_at is None or not self._is_current(receipt):
            return None
        if not lazily or run.expires_at - now < 20.0:
            run.expires_at = now + LEASE_S
        return run.expires_at - now

    def apply(self, result: TaskResult) -> str:
        """`applied`, `replayed` or `stale`."""
        run = self.runs[result.run_id]
        if not self._is_current(result):
            return "stale"
        if run.ended:
            return "replayed" if run.output == bytes(result.result) else "stale"
        if run.expires_at is None:
            return "stale"
        run.output, run.expires_at = bytes(result.result), None
        return "applied"

    def append(self, message: Log | Progress) -> int:
        """The highest number that is stored now."""
        name, lines = ("progress", [message]) if isinstance(message, Progress) else (message.stream, message.lines)
        kept = self.runs[message.run_id].lines.setdefault((message.attempt, name), [])
        for line in lines:
            if line.seq == len(kept) + 1:
                kept.append(line.text)
        return len(kept)

    def expire(self, now: float) -> list[Key]:
        """Leases that have passed: their runs may go to anybody from now on."""
        gone = []
        for run_id, run in self.runs.items():
            if run.expires_at is not None and run.expires_at <= now:
                run.expires_at = None
                gone.append((run_id, run.attempt))
        return gone

    def _is_current(self, receipt: Receipt | TaskResult) -> bool:
        run = self.runs[receipt.run_id]
        return run.attempt == receipt.attempt and run.token == receipt.lease_token
