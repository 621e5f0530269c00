"""Generated protobuf modules are what protoc makes of the .proto files today (`make proto`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.law.sources import ROOT

PROTOS = sorted((ROOT / "src").rglob("*.proto"))
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def generated(proto: Path, source: Path, out: Path) -> dict[str, str]:
    """What protoc makes of one file, by name."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source}"]
    command += [f"--{plugin}_out={out}" for plugin in ("python", "pyi", "grpc_python")]
    subprocess.run([*command, str(proto)], check=True)
    made = out / proto.relative_to(source).parent
    return {proto.stem + suffix: (made / (proto.stem + suffix)).read_text() for suffix in SUFFIXES}


def stale(proto: Path, fresh: dict[str, str]) -> list[str]:
    """Committed modules that differ from fresh ones."""
    return [name for name, text in fresh.items() if (proto.parent / name).read_text() != text]


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.name)
def test_generated_modules_are_fresh(proto: Path, tmp_path: Path) -> None:
    assert stale(proto, generated(proto, ROOT / "src", tmp_path)) == []


def test_a_changed_proto_is_noticed(tmp_path: Path) -> None:
    proto = PROTOS[0]
    changed = tmp_path / "src" / proto.relative_to(ROOT / "src")
    changed.parent.mkdir(parents=True)
    changed.write_text(proto.read_text().replace("int64 credit = 1;", "int64 credit = 2;"))
    out = tmp_path / "out"
    out.mkdir()
    assert f"{proto.stem}_pb2.py" in stale(proto, generated(changed, tmp_path / "src", out))
