"""Where the gateway's time goes during a bulk: a sampling profiler looks at it from outside (`make profile`).

Only a thread that holds the interpreter lock is sampled: that is where a Python process runs out of time, and a
thread that waits in C cannot be mistaken for one that works. Samples are shared out twice: to the function that was
running, and to the innermost file of taskgate on its stack, which is who caused it. What each thread used in CPU,
with the lock or without, comes from the kernel. Where the system does not let a profiler look into another process
(a hardened container), that is said and nothing is measured.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.places import environment
from benchmarks.processes import Processes, Trouble
from benchmarks.progress import say
from benchmarks.systems import SYSTEMS, raised
from benchmarks.tables import Section
from benchmarks.usage import thread_cpu_s

RUNS = 20_000
QUICK_RUNS = 4_000
SAMPLES_PER_S = 250
ROWS = 25
FRAME = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*?)(:\d+)?\)$")
THREAD = re.compile(r"^thread \((\d+)\): ([^;]+)", re.MULTILINE)
PACKAGE = "taskgate/"


def measure_hotspots(
    processes: Processes, run: Path, *, count: int = 0, is_quick: bool = False, only: Sequence[str] = ()
) -> Section:
    """Profile the gateway of one system (default: over SQLite and WebSocket) while it does a bulk."""
    wanted = count or (QUICK_RUNS if is_quick else RUNS)
    ours = [system for system in SYSTEMS if system.is_ours and (not only or system.key in only)]
    system, stacks = ours[0], run / "stacks.txt"
    profiler = environment("profiler") / "py-spy"
    with raised(processes, run, system) as ensemble:
        ensemble.driver.once(1, timeout_s=60)
        ensemble.driver.bulk(max(100, wanted // 10))
        command: list[str | Path] = [profiler, "record", "--format", "raw", "--output", stacks, "--gil", "--threads"]
        command += ["--rate", str(SAMPLES_PER_S), "--pid", str(ensemble.door.process.pid), "--duration", "600"]
        process = processes.start("profiler", command, stop_signal=signal.SIGINT)
        say(f"profile: {system.title}, {wanted:,} runs")
        before = thread_cpu_s(ensemble.door.process.pid)
        _, total_s = ensemble.driver.bulk(wanted)
        after = thread_cpu_s(ensemble.door.process.pid)
        process.popen.send_signal(signal.SIGINT)
        try:
            process.popen.wait(20)
        except subprocess.TimeoutExpired:
            raise Trouble("the profiler does not end") from None
    if not stacks.exists():
        raise Trouble(f"the profiler could not look into the gateway: {process.last_words(2)}")
    title = f"Gateway's time, {system.title} ({wanted / total_s:,.0f} runs/s while watched)"
    used_us = {thread: (spent - before.get(thread, 0.0)) / wanted * 1e6 for thread, spent in after.items()}
    return shared_out(stacks.read_text(encoding="utf-8"), title, used_us=used_us)


def shared_out(stacks: str, title: str, *, used_us: Mapping[str, float] | None = None) -> Section:
    """The table from collapsed stacks: `outermost;…;innermost count` a line."""
    functions, places = Counter[str](), Counter[str]()
    threads = dict(THREAD.findall(stacks))
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [found for part in stack.split(";") if (found := FRAME.match(part))]
        if not frames:
            continue
        functions[f"{_file(frames[-1])} {frames[-1]['name']}"] += int(count)
        ours = [frame for frame in frames if PACKAGE in frame["file"]]
        places[_file(ours[-1]) if ours else "(no taskgate on the stack)"] += int(count)
    total = max(1, functions.total())
    rows = [
        [place, f"{count / total:.1%}", function, f"{inner / total:.1%}"]
        for (place, count), (function, inner) in zip(
            places.most_common(ROWS), functions.most_common(ROWS), strict=False
        )
    ]
    by_thread = sorted((used_us or {}).items(), key=lambda item: -item[1])
    told = ", ".join(f"{threads.get(thread, 'others')} {used:.0f}" for thread, used in by_thread if used >= 1)
    notes = [f"{total:,} samples, of threads that held the interpreter lock", f"CPU µs per run by thread: {told}"]
    heads = ("caused by (innermost file of taskgate)", "share", "running function", "share")
    return Section(title=title, heads=heads, rows=rows, notes=notes, samples=dict(places))


def _file(frame: re.Match[str]) -> str:
    path = frame["file"]
    if "/src/taskgate/" in path or path.startswith(PACKAGE):
        return path.rpartition(PACKAGE)[2]
    return "/".join(Path(path).parts[-2:])
