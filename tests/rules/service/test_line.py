"""How a gateway's answer is read: any status, any body."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from taskgate.service.line import reply_of


def test_a_registration() -> None:
    told = {"service": "m", "routes": ["POST /a", "GET /b"], "lease_s": 30, "renew_after_s": 10, "warnings": ["w"]}
    reply = reply_of(200, json.dumps(told).encode())
    assert reply.is_good
    assert (reply.routes, reply.lease_s, reply.renew_after_s, reply.warnings) == (2, 30.0, 10.0, ("w",))
    assert reply_of(200, b'{"lease_s": 0}').lease_s == 0.0


def test_a_refusal_names_code_detail_and_place() -> None:
    problem = {"code": "BAD_PATH", "detail": "a path begins with a slash", "path": "/routes/0/gateway_path"}
    reply = reply_of(422, json.dumps(problem).encode(), after="7")
    assert reply.detail == "422 BAD_PATH a path begins with a slash (at /routes/0/gateway_path)"
    assert (reply.retry_after_s, reply.is_good) == (7.0, False)


@given(st.integers(100, 599), st.binary(max_size=60), st.text(max_size=8))
def test_no_answer_is_too_strange(status: int, body: bytes, after: str) -> None:
    reply = reply_of(status, body, after=after)
    assert reply.is_good == (200 <= status < 300)
    assert reply.renew_after_s >= 0.0
