"""Where the gateway is and which key goes there: never a key to an address it was not made for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskgate.client.door import DEFAULT_URL, Door, find_door
from taskgate.errors import InvalidInput, Unauthenticated

LOCAL = "http://127.0.0.1:4567"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the data directory of a running gateway, and a folder below it."""
    place = tmp_path / ".taskgate"
    place.mkdir()
    (place / "gateway.json").write_text('{"url": "%s", "grpc": "127.0.0.1:9", "pid": 1}' % LOCAL)  # noqa: UP031
    (place / "admin.key").write_text("tg_admin\n")
    (place / "worker.key").write_text("tg_worker\n")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def test_nothing_is_known(tmp_path: Path) -> None:
    assert find_door(env={}, start=tmp_path) == Door(url=DEFAULT_URL)


def test_a_local_gateway_is_found_from_below(home: Path) -> None:
    assert find_door(env={}, start=home / "deep" / "er") == Door(url=LOCAL, grpc="127.0.0.1:9", api_key="tg_admin")  # type: ignore[arg-type]
    assert find_door(env={}, start=home, key_file="worker.key").api_key == "tg_worker"
    assert find_door(env={}, start=Path("/"), data_dir=home / ".taskgate").url == LOCAL
    assert find_door(env={"TASKGATE_DATA_DIR": str(home / ".taskgate")}, start=Path("/")).url == LOCAL


def test_what_is_said_wins(home: Path) -> None:
    env = {"TASKGATE_URL": "https://gate.example/", "TASKGATE_API_KEY": "tg_env"}
    assert find_door(env=env, start=home) == Door(url="https://gate.example", api_key="tg_env")  # type: ignore[arg-type]
    assert find_door("http://h:1/sub/", "tg_arg", env=env, start=home).url == "http://h:1/sub"
    assert find_door(env={"TASKGATE_API_KEY": "tg_env"}, start=home).url == LOCAL


def test_the_local_key_goes_nowhere_else(home: Path) -> None:
    door = find_door(env={"TASKGATE_URL": "https://gate.example"}, start=home)
    assert door.api_key == ""
    assert find_door(LOCAL + "/", env={}, start=home).api_key == "tg_admin"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_passed_over(home: Path) -> None:
    os.chown(home / ".taskgate", 12345, 12345)
    assert find_door(env={}, start=home).url == DEFAULT_URL


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"url": 3}', '{"url": "ftp://x"}', "\xff"])
def test_a_broken_address_is_no_address(home: Path, content: str) -> None:
    (home / ".taskgate" / "gateway.json").write_text(content)
    assert find_door(env={}, start=home).url == DEFAULT_URL


@pytest.mark.parametrize(
    "url",
    [
        "gate.example",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h:x",
        "http://h?q",
        "http://h#f",
        "http://a b",
        "//h",
    ],
)
def test_what_is_no_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        find_door(url, env={}, start=tmp_path)
    assert caught.value.code == "BAD_URL"


def test_a_url_with_a_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        find_door("http://me:hunter2@h", env={}, start=tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["a b", "a\r\nX-Evil: 1", "ä", "a\x00"])
def test_a_key_that_would_break_a_header_is_refused(key: str, tmp_path: Path) -> None:
    """S17"""
    with pytest.raises(Unauthenticated) as caught:
        find_door(None, key, env={}, start=tmp_path)
    assert key not in str(caught.value)
