"""Bodies: strict, every refusal named, and nothing breaks the reader (INV-R3, S9, F24)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.edge.http.bodies import BatchBody, KeyBody, SubmitBody, TaskBody
from taskgate.edge.http.problems import encode_problem
from taskgate.edge.http.reading import decoded
from taskgate.errors import InvalidInput, Limited, Malformed, TaskgateError


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BAD_JSON"),
        (b"{", "BAD_JSON"),
        (b'{"input":NaN}', "BAD_JSON"),
        (b'{"input":{"a":Infinity}}', "BAD_JSON"),
        (b'{"input":1} x', "BAD_JSON"),
        (b'{"input":01}', "BAD_JSON"),
        (b'{"input":"\xff"}', "BAD_JSON"),
        (b'{"input":"\\ud800"}', "BAD_JSON"),
        (b'\xef\xbb\xbf{"input":1}', "BAD_JSON"),
        (b'{"input":' + b"[" * 10**6 + b"]" * 10**6 + b"}", "TOO_DEEP"),
        (b'{"input":' + b'{"a":' * 10**6, "TOO_DEEP"),
    ],
)
def test_what_is_not_json(body: bytes, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        decoded(body, SubmitBody)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "path", "named"),
    [
        (b"[]", "", "array"),
        (b"{}", "", "`input`"),
        (b'{"input":1,"inptu":2}', "", "`inptu`"),
        (b'{"input":1,"priority":"high"}', "/priority", "`str`"),
        (b'{"input":1,"priority":true}', "/priority", "`bool`"),
        (b'{"input":1,"delay_s":"1"}', "/delay_s", "`str`"),
        (b'{"input":1,"labels":[]}', "/labels", "array"),
        (b'{"input":1,"run_at":"tomorrow"}', "/run_at", "RFC3339"),
        (b'{"input":1,"run_at":"2030-01-01T00:00:00"}', "/run_at", "timezone"),
    ],
)
def test_what_has_another_shape(body: bytes, path: str, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decoded(body, SubmitBody)
    assert caught.value.extra["path"] == path
    assert named in caught.value.detail


def test_places_inside_lists_are_pointers() -> None:
    with pytest.raises(InvalidInput) as caught:
        decoded(b'{"items":[{"input":1},{"input":1,"priority":"x"}]}', BatchBody)
    assert caught.value.extra["path"] == "/items/1/priority"
    with pytest.raises(InvalidInput) as caught:
        decoded(b'{"targets":[{"kind":"workers","retires":3}]}', TaskBody)
    assert caught.value.extra["path"] == "/targets/0"
    assert "`retires`" in caught.value.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
)


@given(JSON)
def test_an_input_is_carried_byte_for_byte(value: object) -> None:
    text = msgspec.json.encode(value)
    assert bytes(decoded(b'{ "input" : ' + text + b' , "priority":3}', SubmitBody).input) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for shape in (SubmitBody, BatchBody, TaskBody, KeyBody):
        try:
            decoded(body, shape)
        except (Malformed, InvalidInput):
            continue


def test_problems_say_everything_once() -> None:
    status, body, headers = encode_problem(
        Limited("slow\r\ndown\x1b[31m", retry_after_s=0.2), instance="/x" * 500, trace_id="t" * 32
    )
    told = msgspec.json.decode(body)
    assert status == 429
    assert told["message"] == told["detail"] == "slow  down [31m"
    assert (told["code"], told["retryable"], told["trace_id"]) == ("RATE_LIMITED", True, "t" * 32)
    assert len(told["instance"]) == 200
    assert dict(headers) == {b"gateway-error-source": b"gateway", b"retry-after": b"1"}


def test_extras_never_replace_members() -> None:
    error = TaskgateError("x", extra={"status": 200, "code": "FINE", "path": "/a"})
    told = msgspec.json.decode(encode_problem(error, instance="/", trace_id="")[1])
    assert (told["status"], told["run_status"], told["code"], told["path"]) == (500, 200, "INTERNAL", "/a")
