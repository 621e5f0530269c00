"""S13: one authority per request: no Host, several, or one that is no host is refused; so is a target with a host.

What is good reaches the upstream with a Host of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.smuggling import Key, Outcome, faults, run_all
from tests.security.vectors import HOSTS, Vector
from tests.system.proxy.fronts import taskgate_front
from tests.system.proxy.servers import Witness, running

pytestmark = [pytest.mark.security, pytest.mark.system]

KINDS = ("httptools", "aiohttp")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Key, Outcome]]:
    folder = tmp_path_factory.mktemp("hosts")
    witnesses = [Witness(kind, folder) for kind in KINDS]
    with running(*witnesses), taskgate_front(folder, {witness.kind: witness.port for witness in witnesses}) as front:
        yield run_all(front, witnesses, HOSTS)


@pytest.mark.parametrize("piece", [0, 7], ids=["whole", "in sevens"])
@pytest.mark.parametrize("vector", HOSTS, ids=lambda vector: vector.name)
def test_one_authority(outcomes: dict[Key, Outcome], vector: Vector, piece: int) -> None:
    found = {kind: wrong for kind in KINDS if (wrong := faults(vector, outcomes[kind, vector.name, piece]))}
    assert found == {}
