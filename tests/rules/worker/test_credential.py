"""The worker's own credential: when the next is asked for, and what of it outlives a restart or a crash."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import pytest

from taskgate.secret import Secret
from taskgate.worker.credential import FILE, Credential


def token(*, life_s: float = 900.0, left_s: float = 86_400.0, at: float = 1000.0, mark: str = "a") -> str:
    """A token as far as its worker reads it."""
    claims = json.dumps({"iat": at, "exp": at + life_s, "until": at + left_s, "jti": mark}).encode()
    return f"eyJh.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.c2ln"


def test_it_is_asked_for_when_two_thirds_of_its_life_are_over(tmp_path: Path) -> None:
    """Whatever the gateway's clock says: counted from when it came."""
    mine, now = Credential(Secret(token()), tmp_path), time.time()
    assert not mine.is_due(now + 500)
    assert mine.is_due(now + 601)
    assert not mine.is_due(now + 602)
    assert mine.is_due(now + 601 + 91)


@pytest.mark.parametrize(
    "text",
    ["", "tg_abcdefghijkl_" + "x" * 43, "a.b.c", "a.!!.c", f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c",
     "a.eyJpYXQiOiAieCJ9.c", token(life_s=-1), token(left_s=-2000)],
)  # fmt: skip
def test_what_is_no_token_of_the_gateways_is_never_asked_for(tmp_path: Path, text: str) -> None:
    assert not Credential(Secret(text), tmp_path).is_due(time.time() + 1e9)


def test_a_restart_shows_the_renewed_one_and_its_owner_alone_reads_it(tmp_path: Path) -> None:
    first, second = Secret(token()), token(mark="b")
    Credential(first, tmp_path).renewed(second)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = Credential(first, tmp_path)
    assert again.token == second
    assert again.is_due(time.time() + 601)
    assert second not in repr(again.token)


def test_another_first_credential_wins_over_what_was_kept(tmp_path: Path) -> None:
    Credential(Secret(token()), tmp_path).renewed(token(mark="b"))
    fresh = Secret(token(mark="c"))
    assert Credential(fresh, tmp_path).token == fresh


@pytest.mark.parametrize("content", [b"", b"{", b'{"first": 1}', b"\xff", b"[]", os.urandom(64)])
def test_a_damaged_file_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    first = Secret(token())
    (tmp_path / FILE).write_bytes(content)
    mine = Credential(first, tmp_path)
    assert mine.token == first
    mine.renewed(token(mark="b"))
    assert Credential(first, tmp_path).token == token(mark="b")


def test_a_crash_before_the_rename_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a disk that takes nothing costs no renewal: the token is used, and only a restart would need another."""
    first = Secret(token())
    mine = Credential(first, tmp_path)
    mine.renewed(token(mark="b"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _full)
        mine.renewed(token(mark="c"))
    assert mine.token == token(mark="c")
    assert Credential(first, tmp_path).token == token(mark="b")
    mine.renewed(token(mark="d"))  # what the crash left is no obstacle
    assert Credential(first, tmp_path).token == token(mark="d")


def test_the_last_one_of_a_chain_is_told_and_not_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = Credential(Secret(token()), tmp_path)
    mine.renewed(token(left_s=900.0))
    assert "renewed no more" in caplog.text
    assert not mine.is_due(time.time() + 1e6)


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
