"""What a worker is told, from all its sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taskgate.errors import InvalidInput
from taskgate.worker.order import read_order, write_order
from taskgate.worker.settings import WorkerSettings, read_settings

KEY = "tg_aaaaaaaaaaaa_" + "s" * 43


def refusal(flags: dict[str, Any] | None = None, file: Path | None = None) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_settings({"tasks": "m"} | (flags or {}), file, env={})
    assert caught.value.code == "SETTINGS_INVALID"
    return caught.value.detail


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"gateway": "http://file:1", "token": "from-file", "slots": 7, "tasks": ["a"]}))
    env = {"TASKGATE_URL": "https://env", "TASKGATE_API_KEY": "from-env", "EXTRA_TASK_MODULES": "x,y"}
    settings = read_settings({"gateway": "https://flag", "slots": None}, file, env=env)
    assert (settings.gateway, settings.token, settings.slots, settings.tasks) == ("https://flag", "from-env", 7, ("a",))
    assert read_settings({}, env=env).tasks == ("x", "y")


def test_the_older_worker_file_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    older = {
        "worker_id": "worker_001", "worker_name": "The box", "active_tasks": ["shop.tasks"],
        "mongodb": {"host": "x"}, "minio": {}, "task_cache_dir": "./c", "auto_update": True, "max_concurrent_tasks": 5,
    }  # fmt: skip
    file.write_text(json.dumps(older))
    settings = read_settings({}, file, env={})
    assert (settings.name, settings.title, settings.tasks, settings.slots) == (
        "worker_001", "The box", ("shop.tasks",), 5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gateway", "websocket", "grpc", "is_tls"),
    [
        ("http://127.0.0.1:30090", "ws://127.0.0.1:30090/ws/workers/", "127.0.0.1:50051", False),
        ("https://gate.example/sub/", "wss://gate.example/sub/ws/workers/", "gate.example:50051", True),
        ("wss://gate.example", "wss://gate.example/ws/workers/", "gate.example:50051", True),
        ("http://[::1]:8", "ws://[::1]:8/ws/workers/", "[::1]:50051", False),
    ],
)
def test_addresses(gateway: str, websocket: str, grpc: str, is_tls: bool) -> None:
    settings = WorkerSettings(gateway=gateway)
    assert (settings.websocket_url, settings.grpc_address, settings.is_tls) == (websocket, grpc, is_tls)
    assert WorkerSettings(gateway=gateway, grpc_target="h:1").grpc_address == "h:1"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"slotz": 3}, "there is no setting 'slotz'; did you mean 'slots'?"),
        ({"slots": 0}, "`$.slots`"),
        ({"gateway": "ftp://x"}, "gateway is an address"),
        ({"gateway": "localhost:30090"}, "gateway is an address"),
        ({"name": "no spaces"}, "name is 1 to 128"),
        ({"tasks": ""}, "name at least one module"),
        ({"token": "a\r\nX-Site-Id: evil"}, "characters that a header cannot carry"),
        ({"transport": "carrier-pigeon"}, "`$.transport`"),
    ],
)
def test_a_mistake_is_named(flags: dict[str, Any], said: str) -> None:
    assert said in refusal(flags)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    assert "cannot be read" in refusal(file=file)
    file.write_text("[1")
    assert "not a JSON object" in refusal(file=file)
    file.write_text('{"no_such": 1}')
    assert "there is no setting 'no_such'" in refusal(file=file)


def test_inv_a6_the_token_is_not_shown() -> None:
    settings = read_settings({"tasks": "m", "token": KEY}, env={})
    assert KEY not in repr(settings)
    assert settings.token == KEY


def test_an_order_carries_everything_to_the_link_process() -> None:
    settings = read_settings({"tasks": "m", "token": KEY, "labels": {"gpu": "yes"}, "memory_bytes": 1 << 30}, env={})
    raw = write_order(settings, worker_id="w", folder="f", nonce="n", supervisor_pid=7)
    order, read = read_order(raw)
    assert read == settings
    assert (order.worker_id, order.folder, order.nonce, order.supervisor_pid) == ("w", "f", "n", 7)
    assert KEY not in repr(read)


def test_every_field_is_explained() -> None:
    story = WorkerSettings.__doc__ or ""
    assert [name for name in WorkerSettings.__dataclass_fields__ if f"\n    {name}: " not in story] == []
