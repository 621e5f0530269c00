"""The operator's credentials for upstreams: finished lines, or a refusal that shows nothing of them."""

from __future__ import annotations

import pytest

from taskgate.errors import InvalidInput
from taskgate.proxy.credentials import read_credentials


def test_a_line_for_each() -> None:
    found = read_credentials("\n a = X-Key: one two \n\n b.c=Authorization:Bearer x=y\n")
    assert found == {"a": b"X-Key: one two\r\n", "b.c": b"Authorization: Bearer x=y\r\n"}


@pytest.mark.parametrize(
    "line",
    ["a", "a =", "a = B", "a = B:", "a b = C: d", "a = B C: d", "a = B: \x01", "a = Host: x", "a = content-length: 3"],
)
def test_what_is_no_such_line(line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_credentials(f"good = A: b\n{line}")
    assert refused.value.detail == "line 2 is not `name = Header: value`"
