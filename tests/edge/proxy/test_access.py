"""Proxied calls in the access log: one line for each, with its route and how it ended."""

from __future__ import annotations

from tests.edge.http.test_access import Notes
from tests.edge.proxy.stand import Answer, everything, request, standing

CLOSE = b"connection: close\r\n"


async def test_one_line_per_call() -> None:
    notes = Notes()
    async with standing() as stand:
        stand.plane.means.access = notes
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        answer = Answer(await stand.ask(request(lines=CLOSE + b"x-request-id: mine\r\n")))
        assert answer.status == 200
        refused = Answer(await stand.ask(request(lines=CLOSE, key="nobody")))
        assert refused.status == 401
        stand.register("http://127.0.0.1:1", everything())  # nobody listens there
        failed = Answer(await stand.ask(request(lines=CLOSE)))
    well, denied, away = notes.lines
    assert (well["status"], well["principal"], well["request_id"], well["error"]) == (200, "k1", "mine", "")
    assert well["bytes_out"] == len(answer.body)
    assert "?" not in well["path"]
    assert well["route"]
    assert well["service"]
    assert (denied["status"], denied["principal"], denied["error"]) == (401, "", "UNAUTHENTICATED")
    assert away["status"] == failed.status >= 502
    assert away["error"]
