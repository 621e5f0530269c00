"""Where cages may be made, read from files as the kernel writes them; both versions."""

from __future__ import annotations

import os
from pathlib import Path

from taskgate.worker.cgroups import Cage, CageYard, find_yard


def proc(folder: Path, *, membership: str, mounts: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cgroup").write_text(membership)
    (folder / "mountinfo").write_text(mounts)
    return folder


def test_version_1_each_controller_has_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "m" / "job").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    found = find_yard(
        proc(
            tmp_path / "proc",
            membership="8:pids:/\n4:memory:/job\n1:cpu,cpuacct:/\n0::/\n",
            mounts=f"30 25 0:26 / {tmp_path}/m rw,nosuid - cgroup cgroup rw,memory\n"
            f"31 25 0:27 / {tmp_path}/p rw shared:5 - cgroup cgroup rw,pids\n"
            "32 25 0:28 / /tmp rw - tmpfs tmpfs rw\n",
        )
    )
    assert found.places == {"memory": tmp_path / "m" / "job", "pids": tmp_path / "p"}


def test_a_container_sees_only_its_own_root(tmp_path: Path) -> None:
    (tmp_path / "m" / "inner").mkdir(parents=True)
    line = f"30 25 0:26 /docker/abc {tmp_path}/m rw - cgroup cgroup rw,memory\n"
    inside = proc(tmp_path / "proc", membership="4:memory:/docker/abc/inner\n", mounts=line)
    assert find_yard(inside).places == {"memory": tmp_path / "m" / "inner"}
    outside = proc(tmp_path / "proc", membership="4:memory:/elsewhere\n", mounts=line)
    assert find_yard(outside).places == {}


def test_version_2_with_strangers_in_our_group_is_left_alone(tmp_path: Path) -> None:
    group = tmp_path / "g"
    group.mkdir()
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    (group / "cgroup.subtree_control").write_text("\n")
    (group / "cgroup.procs").write_text("1\n2\n")
    found = proc(
        tmp_path / "proc", membership="0::/\n", mounts=f"30 25 0:26 / {group} rw - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    assert find_yard(found).places == {}
    (group / "cgroup.procs").write_text("")
    assert find_yard(found).places == {"memory": group, "pids": group}
    assert (group / "taskgate.link").is_dir()
    (group / "cgroup.subtree_control").write_text("memory pids\n")
    (tmp_path / "proc" / "cgroup").write_text("0::/taskgate.link\n")
    assert find_yard(found).places == {"memory": group, "pids": group}, "after a restart we are in the leaf"


def test_a_machine_without_groups_has_no_place(tmp_path: Path) -> None:
    assert find_yard(tmp_path / "nothing").places == {}
    assert CageYard({}).make("x") is None


def test_version_2_limits_and_counts(tmp_path: Path) -> None:
    cage = Cage({"memory": tmp_path / "c", "pids": tmp_path / "c"})
    (tmp_path / "c" / "memory.max").write_text("max\n")
    (tmp_path / "c" / "memory.events").write_text("low 0\noom 1\noom_kill 0\n")
    assert cage.limit(memory_bytes=1 << 20, process_count=9)
    assert (tmp_path / "c" / "memory.max").read_text() == "1048576"
    assert (tmp_path / "c" / "pids.max").read_text() == "9"
    assert not cage.was_oom()
    (tmp_path / "c" / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert cage.was_oom()
    assert not cage.was_oom()
    (tmp_path / "c" / "cgroup.procs").write_text("4\n5\n")
    assert cage.pids() == {4, 5}
    assert cage.limit(memory_bytes=None)
    assert (tmp_path / "c" / "memory.max").read_text() == "max"


def test_without_a_memory_group_somebody_else_must_watch(tmp_path: Path) -> None:
    assert not Cage({"pids": tmp_path / "c"}).limit(memory_bytes=1 << 20)


def test_abandoned_cages_are_swept_and_fresh_ones_of_others_are_not(tmp_path: Path) -> None:
    for name in ("taskgate-mine-1", "taskgate-theirs-1", "taskgate-ancient-1", "other"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "taskgate-ancient-1", (0, 0))
    os.utime(tmp_path / "other", (0, 0))
    CageYard({"pids": tmp_path}).sweep("mine")
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["other", "taskgate-theirs-1"]
