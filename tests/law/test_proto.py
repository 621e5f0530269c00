"""Generated protobuf modules are what protoc makes of the .proto beside them: built by `make proto`, never edited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.law.sources import ROOT

PROTOS = sorted(path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/taskgate").rglob("*.proto"))


def generate(proto: str, source: Path, out: Path) -> set[str]:
    """What protoc writes for `proto` (relative to `source`), below `out`."""
    flags = [f"-I{source}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *flags, str(source / proto)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def stale(proto: str, source: Path, out: Path) -> list[str]:
    """Generated files below `source` that differ from what protoc makes now, or are not there."""
    made = generate(proto, source, out)
    return sorted(
        name
        for name in made
        if not (source / name).exists() or (source / name).read_bytes() != (out / name).read_bytes()
    )


@pytest.mark.parametrize("proto", PROTOS)
def test_generated_modules_are_in_step(proto: str, tmp_path: Path) -> None:
    assert stale(proto, ROOT / "src", tmp_path) == []


def test_a_stale_module_is_seen(tmp_path: Path) -> None:
    source, first, second = tmp_path / "src", tmp_path / "first", tmp_path / "second"
    for folder in (source, first, second):
        folder.mkdir()
    proto = source / "small.proto"
    proto.write_text('syntax = "proto3";\nmessage A { string b = 1; }\n')
    generate("small.proto", source, source)
    assert stale("small.proto", source, first) == []
    proto.write_text('syntax = "proto3";\nmessage A { string b = 2; }\n')
    assert stale("small.proto", source, second) == ["small_pb2.py"]
