"""The gateway's own document, held against the running gateway: no 5xx, no status or media type that it does not name.

schemathesis makes the calls, good ones and bad ones, from the document itself; how many is bounded, and they are the
same in every run.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.system.cluster import GatewayProcess

pytestmark = pytest.mark.system

CASES = 12
LONGEST_S = 10.0
SLOW = frozenset({("GET", "/v1/runs/{run_id}/journal")})  # may follow: a stream that ends with its run


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path_factory.mktemp("document") / "data")
    made.start()
    yield made
    made.kill()


def document(gateway: GatewayProcess) -> dict[str, Any]:
    request = urllib.request.Request(gateway.url + "/openapi.json", headers={"X-API-Key": gateway.admin_key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_every_operation_keeps_the_document(gateway: GatewayProcess) -> None:
    """INV-A4's other half: what a good key may call behaves as it is written down."""
    wrong, count = [], 0
    for found in schemathesis.openapi.from_dict(document(gateway)).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if (operation.method.upper(), operation.path) in SLOW:
            continue
        count += 1
        wrong += faults(gateway, operation)
    assert count > 20
    assert wrong == []


def test_the_rig_sees_what_is_not_written_down(gateway: GatewayProcess) -> None:
    """A document without its 404 is wrong about the first unknown run."""
    told = document(gateway)
    told["paths"]["/v1/runs/{run_id}"]["get"]["responses"] = {"200": {"description": "The run."}}
    operation = schemathesis.openapi.from_dict(told)["/v1/runs/{run_id}"]["GET"]
    assert any("404" in fault for fault in faults(gateway, operation))


def faults(gateway: GatewayProcess, operation: schemathesis.APIOperation) -> list[str]:  # type: ignore[type-arg]
    """What was answered otherwise than the document says, one line each."""
    told: dict[str, str] = {}

    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def call(case: schemathesis.Case) -> None:  # type: ignore[type-arg]
        answer = case.call(base_url=gateway.url, headers={"X-API-Key": gateway.admin_key}, timeout=LONGEST_S)
        try:
            checks = [not_a_server_error, status_code_conformance, content_type_conformance]
            case.validate_response(answer, checks=checks)
        except BaseExceptionGroup as failures:
            for failure in failures.exceptions:
                told.setdefault(f"{case.method} {case.path}: {failure.args[0] if failure.args else failure!r}", "")
        except AssertionError as failure:
            told.setdefault(f"{case.method} {case.path}: {answer.status_code}: {str(failure)[:200]}", "")

    call()
    return list(told)
