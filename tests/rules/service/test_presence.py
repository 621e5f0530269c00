"""Of several processes of one service only the last to leave is told so. Two holders of one file are two processes."""

from __future__ import annotations

import os
from pathlib import Path

from taskgate.service.presence import Presence
from taskgate.service.settings import find_settings

MATH = find_settings({}, name="math", gateway_url="http://gate")


def present(folder: Path, name: str = "math") -> Presence:
    made = Presence(find_settings({}, name=name, gateway_url="http://gate"), folder=folder)
    made.enter()
    return made


def test_the_last_one_is_told(tmp_path: Path) -> None:
    first, second, third = (present(tmp_path) for _ in range(3))
    assert [first.leave(), third.leave(), second.leave()] == [False, False, True]


def test_other_services_do_not_count(tmp_path: Path) -> None:
    here, other = present(tmp_path), present(tmp_path, "text")
    assert here.leave()
    assert other.leave()


def test_the_file_is_private_and_a_link_is_not_followed(tmp_path: Path) -> None:
    assert present(tmp_path).leave()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    target = tmp_path / "target"
    file.symlink_to(target)
    assert present(tmp_path).leave()
    assert not target.exists()


def test_nobody_is_held_up_without_locks(tmp_path: Path) -> None:
    assert Presence(MATH, folder=tmp_path / "missing").leave()
    assert present(tmp_path / "missing").leave()
    assert os.listdir(tmp_path) == []
