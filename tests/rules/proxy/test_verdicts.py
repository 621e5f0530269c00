"""What a service is asked for a run, and what its answer means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import Forbidden, TaskgateError, TooLarge, Unavailable, UpstreamBroken, UpstreamSlow
from taskgate.proxy.caller import Reply
from taskgate.proxy.verdicts import KEPT_BYTES, headers_of, result_of_error, result_of_reply, target_of
from taskgate.routes.service import Service
from taskgate.runs.run import Run, Tenant
from taskgate.runs.task import Target
from taskgate.wire.messages import TaskResult
from tests.rules.runs.lives import NOW, accepted

RUN = accepted()


def answer(status: int, body: bytes = b"", **headers: str) -> TaskResult:
    pairs = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return result_of_reply(RUN, Reply(status=status, headers=pairs, body=body), now=NOW)


def kept(result: TaskResult) -> Any:
    return msgspec.json.decode(result.result)


@pytest.mark.parametrize(
    ("base", "path", "asked"),
    [
        ("http://h:1", "", b"/"),
        ("http://h:1/", "/add?x=1", b"/add?x=1"),
        ("https://h/api/v1/", "/add", b"/api/v1/add"),
        ("https://h/api", "", b"/api"),
    ],
)
def test_the_path_stands_below_the_base_url(base: str, path: str, asked: bytes) -> None:
    assert target_of(Service(name="s", base_url=base), Target(kind="http", service="s", path=path)) == asked


def test_a_service_learns_whose_run_it_is() -> None:
    run = msgspec.structs.replace(
        RUN,
        tenant=Tenant(site_id="s1", user_id="Zoë", app_id="a"),
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    )
    told = dict(headers_of(run))
    assert told[b"idempotency-key"] == b"r.1"
    assert told[b"x-taskgate-run"] == b"r"
    assert (told[b"x-site-id"], told[b"x-user-id"], told[b"x-app-id"]) == (b"s1", b"Zo%C3%AB", b"a")
    assert told[b"traceparent"] == run.traceparent.encode()
    assert told[b"content-type"] == b"application/json"


@given(st.text(), st.text())
def test_no_tenant_can_write_a_header_of_its_own(user: str, app: str) -> None:
    run: Run = msgspec.structs.replace(RUN, tenant=Tenant(site_id="s", user_id=user, app_id=app))
    for name, value in headers_of(run):
        assert not set(name + value) & set(b"\r\n\0")


@pytest.mark.parametrize(("body", "output"), [(b'{"n": 1}', b'{"n": 1}'), (b"", b"null"), (b" \n", b"null")])
def test_json_of_a_good_answer_is_the_output(body: bytes, output: bytes) -> None:
    result = answer(200, body)
    assert (result.status, bytes(result.result)) == ("ok", output)
    assert (result.run_id, result.attempt, result.lease_token) == ("r", 1, "t1")


@pytest.mark.parametrize("body", [b"<html>", b"{", b'"\xff"', b"1 2", b"[" * 300 + b"]" * 300])
def test_a_good_answer_without_json_fails_for_good(body: bytes) -> None:
    result = answer(200, body)
    assert (result.status, result.retryable, result.error["code"]) == ("error", False, "UPSTREAM_NOT_JSON")
    assert kept(result)["status"] == 200


@pytest.mark.parametrize("status", [301, 302, 304, 400, 401, 403, 404, 409, 422])
def test_what_would_be_answered_the_same_again_is_not_asked_again(status: int) -> None:
    result = answer(status, b'{"why": "no"}', content_type="application/json")
    assert (result.retryable, result.error["code"]) == (False, "UPSTREAM_REFUSED")
    assert kept(result) == {"status": status, "content_type": "application/json", "body": {"why": "no"}}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_passes_may_be_asked_again(status: int) -> None:
    result = answer(status, b"oops")
    assert result.retryable is True
    assert result.retry_at is None
    assert kept(result) == {"status": status, "body": "oops", "body_bytes": 4}


@pytest.mark.parametrize(
    ("value", "after_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999999", 86_400.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
    ],
)
def test_a_service_may_ask_for_patience(value: str, after_s: float) -> None:
    for status in (429, 503):
        assert answer(status, retry_after=value).retry_at == pytest.approx(NOW + after_s)
    assert answer(500, retry_after=value).retry_at is None


@given(st.text())
def test_an_unreadable_retry_after_is_none(value: str) -> None:
    headers = ((b"retry-after", value.encode("utf-8", "surrogatepass")),)
    result = result_of_reply(RUN, Reply(status=503, headers=headers), now=NOW)
    assert result.retry_at is None or NOW <= result.retry_at <= NOW + 86_400


def test_of_a_large_failure_the_beginning_is_kept() -> None:
    result = answer(500, b'"' + b"x" * KEPT_BYTES + b'"')
    assert len(kept(result)["body"]) == KEPT_BYTES
    assert kept(result)["body_bytes"] == KEPT_BYTES + 2


@pytest.mark.parametrize(
    ("error", "retryable", "error_class", "after_s"),
    [
        (UpstreamBroken("x"), True, "task", None),
        (UpstreamSlow("x"), True, "timeout", None),
        (Unavailable("x", code="BREAKER_OPEN", retry_after_s=9.0), True, "task", 9.0),
        (Forbidden("x", code="ADDRESS_FORBIDDEN"), False, "task", None),
        (TooLarge("x", code="OUTPUT_TOO_LARGE"), False, "task", None),
    ],
)
def test_errors_of_the_call(error: TaskgateError, retryable: bool, error_class: str, after_s: float | None) -> None:
    result = result_of_error(RUN, error, now=NOW)
    assert (result.retryable, result.error_class, result.error["code"]) == (retryable, error_class, error.code)
    assert result.retry_at == (None if after_s is None else NOW + after_s)
    assert bytes(result.result) == b"null"
