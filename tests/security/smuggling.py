"""Runs vectors against a proxy in front of real servers, all at once, and says what each upstream saw of each.

The oracle is the upstream's own list of requests, never what the proxy tells. Every vector has its own connection,
path and name, so they may run side by side.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tests.security.vectors import Vector
from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.servers import Witness

THREADS = 24
SETTLE_S = 3.0
QUIET_S = 0.4  # a second answer would come in this time
POLL_S = 0.05
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back, and every request that the upstream saw because of it."""

    heard: Heard
    seen: tuple[str, ...]


def filled(vector: Vector, front: Front, service: str, *, piece: int) -> tuple[bytes, str]:
    """The vector's bytes for this front, and the name under which the upstream will note it."""
    tag = f"{front.name}-{vector.name.encode().hex()}-{piece}"
    path = f"{front.path(service)}/{tag}"
    sent = vector.sent.replace(b"@AUTH", front.lines + f"X-Vector: {tag}\r\n".encode())
    sent = sent.replace(b"@PATH", path.encode()).replace(b"@HOST", f"127.0.0.1:{front.port}".encode())
    return sent, tag


def run_all(
    front: Front, witnesses: Sequence[Witness], vectors: Sequence[Vector], *, pieces: Sequence[int] = (0, 7)
) -> dict[Key, Outcome]:
    """Outcomes by (upstream, vector, piece size)."""
    jobs = [(witness, vector, piece) for witness in witnesses for vector in vectors for piece in pieces]

    def one(job: tuple[Witness, Vector, int]) -> Heard:
        witness, vector, piece = job
        return say(
            front.port, filled(vector, front, witness.kind, piece=piece)[0], piece=piece, within_s=6.0, quiet_s=QUIET_S
        )

    with ThreadPoolExecutor(THREADS) as pool:
        heard = list(pool.map(one, jobs))
    seen = {witness.kind: _settled(witness) for witness in witnesses}
    outcomes = {}
    for (witness, vector, piece), answer in zip(jobs, heard, strict=True):
        tag = filled(vector, front, witness.kind, piece=piece)[1]
        mine = tuple(target for target, mark in seen[witness.kind] if tag in target or tag == mark)
        outcomes[witness.kind, vector.name, piece] = Outcome(heard=answer, seen=mine)
    return outcomes


def _settled(witness: Witness) -> list[tuple[str, str]]:
    """Its requests, once no more come."""
    deadline, before = time.monotonic() + SETTLE_S, -1
    while time.monotonic() < deadline:
        notes = witness.seen()
        if len(notes) == before:
            break
        before = len(notes)
        time.sleep(POLL_S * 4)
    return [(note["target"], note["vector"]) for note in witness.seen()]


def faults(vector: Vector, outcome: Outcome, *, is_early: bool = False) -> list[str]:
    """What is wrong with it, in words; empty when all is as it must be.

    `is_early`: the upstream answers before it has read a body; a fault behind its answer can only end the connection.
    """
    heard, found = outcome.heard, []
    if is_early and vector.seen and heard.is_closed:
        vector = replace(vector, wanted=vector.wanted | {200})
    if len(outcome.seen) > vector.seen:
        found.append(f"the upstream saw {len(outcome.seen)} requests: {outcome.seen}")
    if not heard.answers:
        found.append(f"no answer (closed: {heard.is_closed})")
    elif heard.statuses[0] not in vector.wanted:
        found.append(f"answered {heard.statuses[0]}, wanted {sorted(vector.wanted)}")
    if len(heard.answers) > vector.answers:
        found.append(f"answered {heard.statuses}: more than one")
    is_refusal = bool(heard.answers) and heard.statuses[0] >= 400
    if heard.answers and not heard.is_closed and (is_refusal or vector.closes):
        found.append("the connection was left open")
    return found
