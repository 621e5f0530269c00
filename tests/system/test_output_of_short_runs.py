"""What a run writes to its file descriptors is in its journal, however short the run is (INV-L1)."""

from __future__ import annotations

import pytest

from taskgate import Client
from tests.system.conftest import NewWorker, until_online

pytestmark = pytest.mark.system


def test_a_short_run_that_writes_to_its_descriptors_ends_at_its_first_try(
    client: Client, new_worker: NewWorker
) -> None:
    new_worker("w1", slots=1)
    until_online(client, 1)
    runs = [client.submit("sys.bare", {"count": number}) for number in range(20)]
    assert [run.output(timeout_s=20) for run in runs] == list(range(20))
    for number, run in enumerate(runs):
        texts = [entry.text for entry in run.journal() if entry.kind == "log"]
        assert texts == [f"bare {line}" for line in range(number)]
        assert len(client.run(run.id).attempts) == 1
