"""The same request through the gateway and through nginx: the upstream sees the same, and so does the caller.

In what they mean to differ is written in `differences.py`; everything else must be equal to the byte.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.proxy.differences import (
    ADDED_TO_ANSWERS,
    ADDED_TO_REQUESTS,
    DROPPED,
    FRAMED_FREELY,
    REFUSED,
    RESTATED_IN_ANSWERS,
    RESTATED_IN_REQUESTS,
)
from tests.system.proxy.exchanges import EXCHANGES, Exchange
from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Answer, Heard, say
from tests.system.proxy.recorder import Recorder, Request

pytestmark = pytest.mark.system

CARRIED = [exchange for exchange in EXCHANGES if exchange.name not in REFUSED]


def carried(front: Front, recorder: Recorder, exchange: Exchange) -> tuple[Request, Answer]:
    """The one request that the upstream saw, and the one answer that came back."""
    recorder.answers[exchange.name] = exchange.answer
    if exchange.closes:
        recorder.closing.add(exchange.name)
    before = len(recorder.seen(f"/{exchange.name}"))
    sent = exchange.sent(front.path("up"), credential=front.lines)
    heard: Heard = say(front.port, sent, methods=[exchange.method], quiet_s=0.05)
    seen = recorder.seen(f"/{exchange.name}")[before:]
    assert len(seen) == 1, f"{front.name}: the upstream saw {len(seen)} requests; {heard.raw[:300]!r}"
    assert len(heard.answers) == 1, f"{front.name}: {heard.raw[:300]!r}"
    return seen[0], heard.answers[0]


def request_view(request: Request, exchange: Exchange) -> dict[str, Any]:
    passed_over = ADDED_TO_REQUESTS | RESTATED_IN_REQUESTS | DROPPED.get(exchange.name, set())
    headers = sorted((name.lower(), value) for name, value in request.headers if name.lower() not in passed_over)
    return {"line": (request.method, request.target, request.version), "headers": headers, "body": request.body}


def answer_view(answer: Answer, exchange: Exchange) -> dict[str, Any]:
    passed_over = ADDED_TO_ANSWERS | RESTATED_IN_ANSWERS | DROPPED.get(exchange.name, set())
    if exchange.name in FRAMED_FREELY:
        passed_over = passed_over | {"content-length"}
    headers = sorted((name, value) for name, value in answer.headers if name not in passed_over)
    return {"status": answer.status, "whole": answer.is_whole, "headers": headers, "body": answer.body}


@pytest.mark.parametrize("exchange", CARRIED, ids=lambda exchange: exchange.name)
def test_both_carry_it_alike(ours: Front, theirs: Front, recorder: Recorder, exchange: Exchange) -> None:
    our_request, our_answer = carried(ours, recorder, exchange)
    their_request, their_answer = carried(theirs, recorder, exchange)
    assert request_view(our_request, exchange) == request_view(their_request, exchange)
    assert answer_view(our_answer, exchange) == answer_view(their_answer, exchange)
    assert our_answer.body == their_answer.body


@pytest.mark.parametrize("exchange", CARRIED, ids=lambda exchange: exchange.name)
def test_framing_is_ours(ours: Front, recorder: Recorder, exchange: Exchange) -> None:
    """INV-P1: never both kinds of framing, no header that is hop by hop, one Host, one Via."""
    request, answer = carried(ours, recorder, exchange)
    names = [name.lower() for name, _ in request.headers]
    assert len(request.all("content-length")) + len(request.all("transfer-encoding")) <= 1
    assert not {"connection", "keep-alive", "te", "upgrade", "proxy-connection", "x-hop", "x-api-key"} & set(names)
    assert names.count("host") == names.count("via") == names.count("x-request-id") == 1
    assert len(answer.all("content-length")) + len(answer.all("transfer-encoding")) <= 1
    assert not {"x-hop", "proxy-connection", "upgrade"} & {name for name, _ in answer.headers}


@pytest.mark.parametrize(
    "exchange", [one for one in EXCHANGES if one.name in REFUSED], ids=lambda exchange: exchange.name
)
def test_what_is_refused_reaches_nobody(ours: Front, recorder: Recorder, exchange: Exchange) -> None:
    heard = say(ours.port, exchange.sent(ours.path("up"), credential=ours.lines), methods=[exchange.method])
    assert (heard.statuses, heard.is_closed) == ([400], True)
    assert [request for request in recorder.seen(f"/{exchange.name}") if request.all("via")] == []
