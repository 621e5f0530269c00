"""Laws about stores: what adapts a port is judged by the port's contract, on every engine that has it (R1).

The table itself: `python -m tests.law.judged`.
"""

from __future__ import annotations

import ast

from tests.law.judged import HISTORIES, adapters, engines_of, judged, played
from tests.law.sources import parse

WITHIN = {"ReadySignal": "ReadyQueue", "Subscription": "Signals"}  # what a port's verbs return is judged with it
EMBEDDED_AND_SHARED = {"memory", "sqlite", "postgres"}


def test_no_adapter_is_without_its_contract() -> None:
    held = judged()
    unjudged = {
        port: sorted(engines - held.get(WITHIN.get(port, port), set()))
        for port, engines in adapters().items()
        if engines - held.get(WITHIN.get(port, port), set())
    }
    assert unjudged == {}


def test_every_ledger_side_port_is_on_every_engine() -> None:
    """What one machine keeps in SQLite, several keep in PostgreSQL; what they share is in memory or on Redis."""
    made = adapters()
    assert {port: engines for port, engines in made.items() if "sqlite" in engines} != {}
    for port, engines in made.items():
        wanted = EMBEDDED_AND_SHARED if engines & {"sqlite", "postgres", "mysql"} else {"memory", "redis"}
        assert engines - {"mysql"} == wanted, port
    assert made["RunArchive"] == {*EMBEDDED_AND_SHARED, "mysql"}


def test_random_histories_are_played_on_every_engine() -> None:
    """INV-T5: each against the model in memory."""
    made, random = adapters(), played()
    unplayed = {kind: sorted(made[port] - {"memory"} - random[kind]) for kind, port in HISTORIES.items()}
    assert unplayed == {kind: [] for kind in HISTORIES}


def test_a_test_class_is_followed_to_its_engine() -> None:
    text = """
from taskgate.stores.memory.ready import MemoryReadyQueue
from taskgate.stores.redis.ready import RedisReadyQueue
from tests.stores.gateways import joined

def unrelated(): return RedisReadyQueue
def opened(url): return joined(url)

class TestOne:
    def ready(self): return MemoryReadyQueue()

class TestTwo:
    def ready(self, model: MemoryReadyQueue): return opened("x")
"""
    source = parse("tests/stores/test_x.py", text)
    one, two = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    assert (engines_of(source, one), engines_of(source, two)) == ({"memory"}, {"redis"})
