"""What an error of connecting means: a file of the own machine that is closed to the driver is no absent server."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgate.errors import StoreError, Unavailable
from taskgate.stores.postgres.failures import is_away, translated


def test_a_file_that_is_closed_to_the_driver_is_named() -> None:
    error = PermissionError(13, "Permission denied", Path("/root/.postgresql/postgresql.key"))
    told = translated(error)
    assert not is_away(error)
    assert isinstance(told, StoreError)
    assert (told.code, "/root/.postgresql/postgresql.key" in told.detail) == ("STORE_REFUSED", True)


@pytest.mark.parametrize(
    "error", [PermissionError(1, "Operation not permitted"), ConnectionRefusedError(111, "refused")]
)
def test_a_server_that_no_packet_reaches_is_away(error: OSError) -> None:
    assert is_away(error)
    assert isinstance(translated(error), Unavailable)
