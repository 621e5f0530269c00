"""What MySQL alone says, and MariaDB's servers in the tests never do."""

from __future__ import annotations

import pymysql
import pytest

from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.stores.mysql.failures import is_lost, translated


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (3032, Unavailable, "ARCHIVE_AWAY"),  # offline_mode: whoever switched it on switches it off again
        (1820, StoreError, "STORE_REFUSED"),
        (1862, StoreError, "STORE_REFUSED"),
        (2026, StoreError, "STORE_UNTRUSTED"),
        (3118, StoreError, "STORE_REFUSED"),
        (3955, StoreError, "STORE_REFUSED"),
    ],
)
def test_each_number_tells_who_has_to_act(number: int, kind: type[TaskgateError], code: str) -> None:
    error = pymysql.OperationalError(number, "what the server says")
    ours = translated(error)
    assert (type(ours), ours.code, ours.__cause__) == (kind, code, error)
    assert is_lost(error) == (kind is Unavailable)
