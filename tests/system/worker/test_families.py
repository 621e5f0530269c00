"""Killing a family whose head has died, without the help of control groups."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

SCRIPT = """
import os, signal, subprocess, sys, time
from taskgate.worker.confinement import adopt_orphans
from taskgate.worker.processes import kill_family, row

adopt_orphans()
head = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        time.sleep(3600)
    os._exit(0)
os.wait()
print(os.read(read, 20).decode(), flush=True)
time.sleep(3600)
'''], stdout=subprocess.PIPE, env={}, start_new_session=True)
daemon = int(head.stdout.readline())
bystander = subprocess.Popen(["/bin/sleep", "3600"])
head.kill()
head.wait()
deadline = time.monotonic() + 10
while row(daemon).parent_pid != os.getpid():
    assert time.monotonic() < deadline, "the orphan did not come to us"
    time.sleep(0.01)
while kill_family(None, {bystander.pid}):
    assert time.monotonic() < deadline
    time.sleep(0.005)
print("daemon", "gone" if row(daemon) is None else "lives")
print("bystander", "gone" if row(bystander.pid) is None else "lives")
bystander.kill()
bystander.wait()
"""


def test_f23_an_orphan_with_an_empty_environment_is_found_and_nobody_else() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines() == ["daemon gone", "bystander lives"], done.stderr
