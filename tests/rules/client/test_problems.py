"""Every error the gateway may tell comes out as the class that raised it; what is unknown lands in its family."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate import errors
from taskgate.client.problems import error_from, error_of, retry_after_s
from taskgate.client.steps import Answer
from taskgate.status import ROWS, row_of

TOLD = [kind for kind in ROWS if row_of(kind).http >= 400 and not issubclass(kind, errors.LinkError)]


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_a_class_comes_back_as_itself(kind: type[errors.TaskgateError]) -> None:
    told = kind("why")
    body = {"status": row_of(kind).http, "code": told.code, "detail": told.detail, "path": "/x"}
    found = error_of(Answer(status=row_of(kind).http, body=msgspec.json.encode(body)), 0.0)
    assert type(found) is kind
    assert (found.code, found.detail) == (told.code, "why")
    assert found.extra.get("path", "/x") == "/x"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "UNKNOWN_TASK", errors.NotFound),
        (409, "RUN_ENDED", errors.Conflict),  # the code of another class, said of something else
        (413, "INPUT_TOO_LARGE", errors.TooLarge),
        (422, "SCHEMA_CONFLICT", errors.InvalidInput),
        (451, "NEW", errors.CallerError),
        (599, "NEW", errors.TaskgateError),
    ],
)
def test_an_unknown_code_lands_in_its_family(status: int, code: str, kind: type[errors.TaskgateError]) -> None:
    assert type(error_from({"status": status, "code": code})) is kind


@given(st.integers(400, 599), st.binary(max_size=40))
def test_any_body_is_some_error(status: int, body: bytes) -> None:
    """Proxies answer whatever they like; nothing of it is quoted."""
    error = error_of(Answer(status=status, body=body), 0.0)
    assert error.code == f"HTTP_{status}" or body.startswith(b"{")


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "١٢", "9" * 400, "Wed, 99 Foo 2026 00:00:00 GMT"])
def test_a_strange_retry_after_is_no_crash(text: str) -> None:
    found = retry_after_s(Answer(status=503, headers={"retry-after": text}), 0.0)
    assert found is None or found >= 0
