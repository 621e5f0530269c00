"""What goes wrong, when and where: a list that one seed makes, that is printed, and that can be played again.

Faults may overlap; two on the same target never do, the second waits for the first.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

GATEWAYS = ("one", "two")
WORKERS = ("w1", "w2", "w3", "w4")
STORE_WIRES = ("one-postgres", "two-postgres", "one-redis", "two-redis")
WIRES = (*STORE_WIRES, *WORKERS)
FIRST_S = 2.0
CALM_S = 6.0  # without a new fault at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Where a fault may strike, and for how many seconds."""

    targets: tuple[str, ...]
    shortest_s: float = 0.0
    longest_s: float = 0.0


KINDS: dict[str, Kind] = {
    "gateway.kill": Kind(targets=GATEWAYS, shortest_s=0.1, longest_s=4.0),
    "gateway.freeze": Kind(targets=GATEWAYS, shortest_s=1.0, longest_s=7.0),  # beyond a leader's term, and a lease
    "gateway.restart": Kind(targets=GATEWAYS),
    "worker.kill": Kind(targets=WORKERS, shortest_s=0.1, longest_s=3.0),
    "worker.freeze": Kind(targets=WORKERS, shortest_s=1.0, longest_s=9.0),
    "link.kill": Kind(targets=WORKERS),
    "task.kill": Kind(targets=WORKERS),
    "key.replace": Kind(targets=WORKERS, shortest_s=0.5, longest_s=2.0),
    "postgres.kill": Kind(targets=("postgres",), shortest_s=0.0, longest_s=2.0),
    "postgres.freeze": Kind(targets=("postgres",), shortest_s=0.5, longest_s=4.0),
    "redis.kill": Kind(targets=("redis",), shortest_s=0.0, longest_s=3.0),
    "redis.freeze": Kind(targets=("redis",), shortest_s=0.5, longest_s=4.0),
    "redis.empty": Kind(targets=("redis",)),
    "wire.reset": Kind(targets=WIRES),
    "wire.stall": Kind(targets=WIRES, shortest_s=0.5, longest_s=8.0),
    "wire.up": Kind(targets=WIRES, shortest_s=0.5, longest_s=8.0),  # what goes up to the server stands still
    "wire.down": Kind(targets=WIRES, shortest_s=0.5, longest_s=8.0),
    "wire.delay": Kind(targets=WIRES, shortest_s=1.0, longest_s=6.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, `at_s` seconds after the load began."""

    at_s: float
    action: str
    target: str
    for_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.2f} s  {self.action:16} {self.target:13} for {self.for_s:.2f} s"


def plan_of(seed: int, length_s: float, *, kinds: Sequence[str] = (), mean_gap_s: float = 4.0) -> list[Fault]:
    """The faults of a round: the same ones for the same arguments."""
    chance = random.Random(seed)
    names = sorted(kinds or KINDS)
    faults, at_s = [], FIRST_S
    while at_s < length_s - CALM_S:
        name = chance.choice(names)
        kind = KINDS[name]
        for_s = round(chance.uniform(kind.shortest_s, kind.longest_s), 2)
        faults.append(Fault(at_s=round(at_s, 2), action=name, target=chance.choice(kind.targets), for_s=for_s))
        at_s += chance.uniform(0.2, 1.8) * mean_gap_s
    return faults
