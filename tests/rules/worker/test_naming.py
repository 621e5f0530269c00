"""A worker's folder and id: its own, and the same after a restart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskgate.errors import StoreError
from taskgate.ids import is_worker_id
from taskgate.worker.naming import take_home
from taskgate.worker.settings import WorkerSettings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_named_worker_has_its_folder_for_itself() -> None:
    settings = WorkerSettings(name="gpu:1")
    home = take_home(settings)
    assert (home.worker_id, home.folder) == ("gpu:1", Path(".taskgate/worker-gpu_1"))
    with pytest.raises(StoreError) as caught:
        take_home(settings)
    assert caught.value.code == "STATE_IN_USE"
    os.close(home.lock_fd)


def test_nameless_workers_take_turns_and_keep_their_ids() -> None:
    first, second = take_home(WorkerSettings()), take_home(WorkerSettings())
    assert (first.folder.name, second.folder.name) == ("worker", "worker-2")
    assert is_worker_id(first.worker_id)
    assert first.worker_id != second.worker_id
    os.close(first.lock_fd)
    again = take_home(WorkerSettings())
    assert (again.folder, again.worker_id) == (first.folder, first.worker_id)
    os.close(second.lock_fd)
    os.close(again.lock_fd)


def test_a_spoilt_id_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "id").write_text("not a worker id\n")
    home = take_home(WorkerSettings(state_dir=str(folder)))
    assert is_worker_id(home.worker_id)
    os.close(home.lock_fd)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        take_home(WorkerSettings(state_dir=str(tmp_path / "file" / "x")))
    assert caught.value.code == "STATE_UNUSABLE"
