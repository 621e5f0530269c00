"""Header values that steer an answer are read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.edge.http.asking import accepts_events, idempotency_key_of, number_of, preferred_wait_s
from taskgate.errors import InvalidInput, Malformed
from taskgate.trace import request_id_of, trace_id_of, traceparent_of


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"wait=5", 5),
        (b'wait="5"', 5),
        (b"respond-async, wait=10", 10),
        (b"Wait = 7; x=1", 7),
        (b"wait=100000", 60),
        (b"wait=0", 0),
        (b"respond-async", None),
        (b"await=5", None),
        (b"wait=-5", None),
        (b"wait=1e9", None),
        (b"wait=abc", None),
        (b"wait=" + b"9" * 5000, None),
    ],
)
def test_prefer_wait(value: bytes | None, seconds: float | None) -> None:
    """RFC 7240: a preference that cannot be read is ignored."""
    assert preferred_wait_s(value) == seconds


@pytest.mark.parametrize(
    ("value", "key"),
    [(None, ""), (b"abc", "abc"), (b'"a b"', "a b"), (rb'"a\"b\\c"', 'a"b\\c'), (b" x ", "x")],
)  # fmt: skip
def test_idempotency_key(value: bytes | None, key: str) -> None:
    assert idempotency_key_of(value) == key


@pytest.mark.parametrize("value", [b"", b'""', b'"abc', b'"a"b"', b"x" * 256, b"a\tb", "ä".encode(), rb'"a\n"'])
def test_bad_idempotency_keys(value: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        idempotency_key_of(value)
    assert caught.value.code == "BAD_IDEMPOTENCY_KEY"


@given(st.text(min_size=1, max_size=255, alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_quoted_key_reads_back(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert idempotency_key_of(quoted.encode()) == key


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "x", "٣", "9" * 40, "201"])
def test_numbers_are_whole_and_within_bounds(text: str) -> None:
    with pytest.raises(InvalidInput):
        number_of(text, "limit", low=1, high=200)


def test_events() -> None:
    assert accepts_events(b"Text/Event-Stream")
    assert not accepts_events(b"application/json")
    assert not accepts_events(None)


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", TRACE[:36] + b"0" * 16 + b"-01",
        TRACE.upper(), b"ff" + TRACE[2:], TRACE + b"-x", TRACE + b"\n",
    ],
)  # fmt: skip
def test_a_bad_traceparent_begins_a_new_trace(value: bytes | None) -> None:
    fresh = traceparent_of(value)
    assert fresh != (value or b"").decode("latin-1")
    assert traceparent_of(fresh.encode()) == fresh


def test_a_good_traceparent_is_passed_on() -> None:
    assert traceparent_of(TRACE) == TRACE.decode()
    assert trace_id_of(TRACE.decode()) == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("value", [None, b"", b"a b", b"a\r\nb", b"x" * 65, b"\x1b[31m"])
def test_a_request_id_is_plain(value: bytes | None) -> None:
    """S29: what comes back in headers and logs holds nothing but plain characters."""
    made = request_id_of(value, TRACE.decode())
    assert made == TRACE[3:52]
    assert request_id_of(b"abc-1.2_3", TRACE.decode()) == b"abc-1.2_3"
