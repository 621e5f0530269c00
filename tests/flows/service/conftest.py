"""A stand-in gateway for every test, and an environment that says nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.service.standin import StandIn

NAMES = ("SERVICE_NAME", "SERVICE_BASE_URL", "GATEWAY_URL", "GATEWAY_PREFIX", "TASKGATE_API_KEY")


@pytest.fixture
def gateway() -> Iterator[StandIn]:
    made = StandIn()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTER_DELAY", "0.02")
