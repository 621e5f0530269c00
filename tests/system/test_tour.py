"""`taskgate up` as a visitor runs it: gateway, math service and workers, and every step of the tour."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system


def test_every_step_of_the_tour_answers_as_it_should(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskgate", "up", "--exit-after-tour", "--data-dir", "data"]
    command += ["--port", "0", "--grpc-port", "0", "--math-port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
    assert "✗" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "data" / "math.key").stat().st_mode & 0o777 == 0o600
