"""`make test` runs two halves side by side: every test is in exactly one, and nothing that fails in either is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import testing

ROOT = testing.ROOT
RUN = (
    "import sys; from pathlib import Path; from tools import testing; testing.POLL_S = 0.02; here = Path(sys.argv[1]); "
)
RUN += "sys.exit(testing.run({'a': (f'{here}/a',), 'b': (f'{here}/b',)}, root=testing.ROOT, logs=here / 'logs'))"
GOOD = "def test_good() -> None:\n    pass\n"
BAD = "def test_bad() -> None:\n    assert False, 'a reason'\n"
BROKEN = (
    "import pytest\n@pytest.fixture\ndef it():\n    yield\n    raise OSError('afterwards')\ndef test_it(it): pass\n"
)
SKIPS = "import pytest\ndef test_skipped() -> None:\n    pytest.skip('not here')\n"
DIES = "import os\ndef test_dies() -> None:\n    os.kill(os.getpid(), 9)\n"
WAITS = "import pathlib, time\ndef test_waits() -> None:\n    pathlib.Path(__file__ + '.on').touch()\n"
WAITS += "    try:\n        time.sleep(60)\n    finally:\n        pathlib.Path(__file__ + '.off').touch()\n"


def begin(folder: Path, **texts: str) -> subprocess.Popen[str]:
    for name, text in texts.items():
        (folder / name).mkdir()
        (folder / name / f"test_{name}.py").write_text(text)
    words = [sys.executable, "-c", RUN, str(folder)]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # quicker, and these need none
    return subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def test_every_test_is_in_exactly_one_half() -> None:
    processes, rooms = testing.HALVES["processes"], testing.HALVES["rooms"]
    assert rooms == ("tests", *(f"--ignore={path}" for path in processes))
    assert all((ROOT / path).exists() for path in processes)
    assert "tests/system/test_f32_rolling_restarts.py" in processes


def test_both_good(tmp_path: Path) -> None:
    code, out = told(begin(tmp_path, a=GOOD, b=GOOD + SKIPS))
    assert code == 0, out
    assert "a          1 passed in" in out
    assert "b          1 passed, 1 skipped in" in out
    assert out.endswith("test: all passed\n")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (GOOD + BAD, "1 passed, 1 failed in"),
        (BROKEN, "1 passed, 1 failed in"),
        ("import absent_module\n", "ended with 2"),
        (DIES, "ended with -9"),
        ("", "ended with 5"),
    ],
)
def test_one_bad_half_is_enough(tmp_path: Path, bad: str, said: str) -> None:
    code, out = told(begin(tmp_path, a=bad, b=GOOD))
    assert code == 1, out
    assert said in out
    assert out.endswith("test: FAILED\n")
    assert ("a reason" in out) == (bad == GOOD + BAD), "what failed is shown whole"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_both(tmp_path: Path, number: signal.Signals) -> None:
    process = begin(tmp_path, a=WAITS, b=WAITS)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*/*.on"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, number)
    code, out = told(process)
    assert code == 130, out
    assert len(list(tmp_path.glob("*/*.off"))) == 2, "both were let end"
    assert "1 not run" in out
