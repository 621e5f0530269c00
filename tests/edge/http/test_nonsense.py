"""Nonsense at every route: whatever is sent, the answer is a clear refusal or a result, never an accident (G-20)."""

from __future__ import annotations

import json
import logging
import random
from typing import Any

import pytest

from tests.edge.http.house import House
from tests.edge.http.test_gate import concrete

WORDS = [
    "input", "items", "ids", "name", "scopes", "kind", "task", "version", "priority", "delay_s", "run_at", "timeout_s",
    "deadline_s", "labels", "idempotency_key", "input_schema", "output_schema", "targets", "limits", "examples",
    "overlap_s", "expires_at", "site_id", "retries", "workers", "read", "type", "$ref", "#", "properties", "", "\x00",
    "ä",
]  # fmt: skip
NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e300, -1e300, 1e-300]


def nonsense(dice: random.Random, depth: int = 0) -> Any:
    """A value that is often nearly right."""
    kind = dice.randrange(5 if depth > 3 else 8)
    if kind < 2:
        return dice.choice(WORDS) * dice.choice([1, 1, 1, 50])
    if kind == 2:
        return dice.choice(NUMBERS)
    if kind < 5:
        return dice.choice([None, True, False, "2030-01-01T00:00:00Z", "00000000-0000-7000-8000-000000000000"])
    if kind == 5:
        return [nonsense(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(WORDS): nonsense(dice, depth + 1) for _ in range(dice.randrange(5))}


def body(dice: random.Random) -> bytes:
    """A whole body: mostly JSON, sometimes broken on the way."""
    text = json.dumps(nonsense(dice) if dice.random() < 0.2 else {
        dice.choice(WORDS): nonsense(dice) for _ in range(dice.randrange(6))
    }).encode()  # fmt: skip
    if dice.random() < 0.2 and text:
        place = dice.randrange(len(text))
        text = text[:place] + bytes([dice.randrange(256)]) + text[place + dice.randrange(3) :]
    return text


@pytest.mark.parametrize("seed", range(8))
async def test_no_accident(house: House, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(seed)
    admin = await house.key("admin")
    asked = 0
    with caplog.at_level(logging.ERROR):
        for method, template in house.door.routes():
            if template.startswith(("/docs", "/health")):
                continue
            for _ in range(12):
                query = f"?{dice.choice(WORDS)}={dice.choice(WORDS)}" if dice.random() < 0.3 else ""
                path = concrete(template) + query.encode("ascii", "ignore").decode().replace("\x00", "%00")
                headers = [("Prefer", "wait=0")] if dice.random() < 0.3 else []
                sent = body(dice).replace(b'"timeout_s": 1', b'"timeout_s": 0')
                reply = await house.ask(method, path.replace("#", "%23"), sent, key=admin, headers=headers)
                assert 200 <= reply.status < 500, (method, path, sent, reply.body)
                assert reply.status < 400 or {"code", "detail", "trace_id"} <= reply.told.keys()
                asked += 1
    assert asked > 200
    assert caplog.records == []
