"""S12: bytes that two parsers could read differently, through the gateway in front of four servers.

INV-P1: one request in is at most one request out, whatever the bytes; and the answer is a refusal. Each vector is sent
whole and in segments of seven bytes. nginx as the proxy shows that the rig can see what gets through.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.smuggling import Key, Outcome, faults, run_all
from tests.security.vectors import SMUGGLING, Vector
from tests.system.proxy.fronts import nginx_front, taskgate_front
from tests.system.proxy.servers import Witness, running

pytestmark = [pytest.mark.security, pytest.mark.system]

KINDS = ("httptools", "h11", "aiohttp", "nginx")
BY_NAME = {vector.name: vector for vector in SMUGGLING}
Outcomes = dict[Key, Outcome]


@pytest.fixture(scope="module")
def witnesses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Witness]]:
    folder = tmp_path_factory.mktemp("witnesses")
    found = [Witness(kind, folder) for kind in KINDS]
    with running(*found):
        yield found


@pytest.fixture(scope="module")
def outcomes(witnesses: list[Witness], tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Every vector against every upstream, asked once for all tests of this file."""
    upstreams = {witness.kind: witness.port for witness in witnesses}
    with taskgate_front(tmp_path_factory.mktemp("front"), upstreams) as front:
        return run_all(front, witnesses, SMUGGLING)


def test_vectors_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(SMUGGLING) >= 64


@pytest.mark.parametrize("piece", [0, 7], ids=["whole", "in sevens"])
@pytest.mark.parametrize("vector", SMUGGLING, ids=lambda vector: vector.name)
def test_one_in_is_at_most_one_out(outcomes: Outcomes, vector: Vector, piece: int) -> None:
    found = {kind: faults(vector, outcomes[kind, vector.name, piece], is_early=kind == "nginx") for kind in KINDS}
    assert {kind: wrong for kind, wrong in found.items() if wrong} == {}


def test_the_rig_sees_what_a_proxy_lets_through(witnesses: list[Witness], tmp_path: Path) -> None:
    """nginx takes bare line feeds and a version 1.2, and forwards what is good."""
    witness = witnesses[0]
    with nginx_front(tmp_path, (witness.kind, witness.port)) as front:
        names = ("bare LF behind a header", "version 1.2", "plain GET", "plain POST", "cl then te")
        found = run_all(front, [witness], [BY_NAME[name] for name in names])
    wrong = {name: faults(BY_NAME[name], found[witness.kind, name, 0]) for name in names}
    assert [bool(wrong[name]) for name in names] == [True, True, False, False, False]
    assert all(len(outcome.seen) <= 1 for outcome in found.values())
    assert found[witness.kind, "plain POST", 7].seen == (found[witness.kind, "plain POST", 7].seen[0],)
